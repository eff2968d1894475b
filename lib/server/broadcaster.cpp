#include "server/broadcaster.hpp"

#include <libwebsockets.h>

#include <algorithm>

#include "base/log.hpp"
#include "batch/event.hpp"
#include "batch/json_text.hpp"
#include "server/hangup_watch.hpp"
#include "server/lws_http.hpp"
#include "server/web_site.hpp"

namespace ble {

static_assert(frame_padding >= LWS_PRE, "libwebsockets writes its header before the payload");

namespace {

constexpr const char *lines_protocol = "blepipe.ndjson";
constexpr std::size_t max_incoming = 64 * 1024;
constexpr std::size_t max_notes = 16;      // unread answers to a client that keeps talking
constexpr unsigned max_silent_rounds = 2;  // of pings
constexpr int try_again_later = 1013;      // RFC 6455 registry of close codes

struct Client {
    lws *wsi = nullptr;
    std::size_t index = 0;  // in the list of clients
    bool stream = false;
    bool asked = false;    // for a WRITEABLE callback
    bool heard = true;     // since the last ping round
    bool blocked = false;  // its socket was full in the last ping round
    bool ping_due = false;
    bool closing = false;
    unsigned silent_rounds = 0;
    Subscriber subscriber;
    std::string incoming;  // the message being received
};

int close_with(lws *wsi, int code, std::string_view reason) {
    std::string text(reason.substr(0, 123));
    lws_close_reason(wsi, static_cast<lws_close_status>(code), reinterpret_cast<unsigned char *>(text.data()),
                     text.size());
    return -1;
}

// "?device_id=a&device_id=b&rssi_min=-70" as the message that asks for the same.
std::string subscribe_message(lws *wsi) {
    std::string ids, hashes, rest;
    std::vector<char> argument(16384);
    for (int i = 0;; i++) {
        const int length = lws_hdr_copy_fragment(wsi, argument.data(), static_cast<int>(argument.size()),
                                                 WSI_TOKEN_HTTP_URI_ARGS, i);
        if (length < 0) break;
        const std::string_view pair(argument.data(), static_cast<std::size_t>(length));
        const std::string_view name = pair.substr(0, pair.find('='));
        const std::string_view value = pair.substr(std::min(pair.size(), name.size() + 1));
        if (name == "device_id" || name == "device_hash") {
            std::string &list = name == "device_id" ? ids : hashes;
            list += list.empty() ? "" : ",";
            append_json_string(list, value);
        } else if (!name.empty()) {
            rest += ",";
            append_json_string(rest, name);
            rest.append(":").append(value.empty() ? "null" : value);
        }
    }
    return "{\"subscribe\":{\"device_id\":[" + ids + "],\"device_hash\":[" + hashes + "]" + rest + "}}";
}

}  // namespace

struct Broadcaster::Impl {
    Impl(LwsLoop &l, const Access &a, std::optional<StaticFolder> folder, Counters &c, const Options &o)
        : loop(l),
          access(a),
          counters(c),
          options(o),
          feed(o.limits),
          hangups(l),
          site(a, std::move(folder), hangups, [this] { return health(); }),
          ping_timer(l.timer([this] { ping_round(); })),
          stats_timer(l.timer([this] { announce_stats(); })),
          finish_timer(l.timer([this] { end(); })) {
        if (options.ping.count() > 0) loop.arm(ping_timer, options.ping);
        if (options.stats_update.count() > 0) loop.arm(stats_timer, options.stats_update);
    }

    int on_event(lws *wsi, int reason, void *user, void *in, std::size_t length);
    int on_upgrade(lws *wsi);
    int open_stream(lws *wsi, void *user);
    Client &add(lws *wsi, void *user, Framing framing);
    void remove(void *user);
    void join(Client &client, const std::string &last_id);
    int receive(Client &client, std::string_view piece);
    int obey(Client &client);
    int serve(Client &client);
    int write(Client &client, Message &message);
    void wake(Client &client);
    void wake_all();
    void ping_round();
    void announce_stats();
    void finish(std::chrono::milliseconds within, std::function<void()> when_done);
    void end();
    std::string stats() const;
    std::string health() const;

    LwsLoop &loop;
    const Access &access;
    Counters &counters;
    const Options options;
    Feed feed;
    HangupWatch hangups;
    WebSite site;
    std::vector<std::unique_ptr<Client>> clients;
    LwsLoop::Timer ping_timer, stats_timer, finish_timer;
    std::function<void()> done;
    bool finishing = false;
    bool pressed = false;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

int Broadcaster::Impl::on_event(lws *wsi, int reason, void *user, void *in, std::size_t length) {
    Client *client = user != nullptr ? *static_cast<Client **>(user) : nullptr;
    const std::string_view piece(static_cast<const char *>(in), in != nullptr ? length : 0);
    switch (reason) {
        case LWS_CALLBACK_HTTP:
            return http_path(wsi) == "/events" ? open_stream(wsi, user) : site.begin(wsi);
        case LWS_CALLBACK_HTTP_BODY:
            return site.take_body(wsi, piece);
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
            return site.finish_body(wsi);
        case LWS_CALLBACK_HTTP_WRITEABLE:
            return client != nullptr ? serve(*client) : site.go_on(wsi);
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
            return on_upgrade(wsi);
        case LWS_CALLBACK_ESTABLISHED: {
            const bool lines = std::string_view(lws_get_protocol(wsi)->name) == lines_protocol;
            join(add(wsi, user, lines ? Framing::lines : Framing::message), "");
            return 0;
        }
        case LWS_CALLBACK_SERVER_WRITEABLE:
            return client != nullptr ? serve(*client) : 0;
        case LWS_CALLBACK_RECEIVE:
            return client != nullptr ? receive(*client, piece) : 0;
        case LWS_CALLBACK_RECEIVE_PONG:
            if (client != nullptr) client->heard = true;
            return 0;
        case LWS_CALLBACK_CLOSED:
        case LWS_CALLBACK_CLOSED_HTTP:
            remove(user);
            site.forget(wsi);
            return 0;
        case LWS_CALLBACK_WSI_DESTROY:
            site.forget(wsi);
            return 0;
        default:
            return 0;
    }
}

Client &Broadcaster::Impl::add(lws *wsi, void *user, Framing framing) {
    clients.push_back(std::make_unique<Client>());
    Client &client = *clients.back();
    client.wsi = wsi;
    client.index = clients.size() - 1;
    client.stream = framing == Framing::stream;
    client.subscriber.framing = framing;
    *static_cast<Client **>(user) = &client;
    return client;
}

void Broadcaster::Impl::remove(void *user) {
    Client *client = user != nullptr ? std::exchange(*static_cast<Client **>(user), nullptr) : nullptr;
    if (client == nullptr) return;
    feed.leave(client->subscriber);
    const std::size_t index = client->index;
    std::swap(clients[index], clients.back());
    clients[index]->index = index;
    clients.pop_back();
    if (finishing && clients.empty()) end();
}

// The answers that a WebSocket client can get instead of the upgrade.
int Broadcaster::Impl::on_upgrade(lws *wsi) {
    std::optional<HttpReply> refused = site.refusal(wsi);
    if (!refused && http_path(wsi) != "/ws") refused = http_error(404, "the WebSocket is at /ws");
    if (!refused) {
        const auto parsed = parse_subscribe(subscribe_message(wsi));
        if (const auto *reason = std::get_if<std::string>(&parsed)) refused = http_error(400, *reason);
    }
    if (!refused) return 0;
    refused->close = true;
    return site.answer(wsi, std::move(*refused));
}

int Broadcaster::Impl::open_stream(lws *wsi, void *user) {
    std::optional<HttpReply> refused = site.refusal(wsi);
    if (!refused && http_method(wsi) != "GET") refused = http_error(405, "only GET", "allow: GET\r\n");
    const auto parsed = parse_subscribe(subscribe_message(wsi));
    if (const auto *reason = std::get_if<std::string>(&parsed); reason != nullptr && !refused)
        refused = http_error(400, *reason);
    if (refused) {
        refused->close = true;
        return site.answer(wsi, std::move(*refused));
    }
    std::string head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nx-accel-buffering: "
        "no\r\n"
        "connection: close\r\n";
    const std::string origin = http_header(wsi, WSI_TOKEN_ORIGIN);
    if (!origin.empty() && access.origin_listed(origin))
        head += "access-control-allow-origin: " + origin + "\r\nvary: origin\r\n";
    head = std::string(LWS_PRE, '\0') + head + "\r\n";
    if (lws_write(wsi, reinterpret_cast<unsigned char *>(head.data()) + LWS_PRE, head.size() - LWS_PRE,
                  LWS_WRITE_HTTP_HEADERS) < 0)
        return -1;
    Client &client = add(wsi, user, Framing::stream);
    join(client, http_header(wsi, "last-event-id"));
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);  // those of a request do not count here
    lws_http_headers_detach(wsi);
    hangups.add(wsi);
    return 0;
}

void Broadcaster::Impl::join(Client &client, const std::string &last_id) {
    auto parsed = parse_subscribe(subscribe_message(client.wsi));
    if (auto *filter = std::get_if<Filter>(&parsed); filter != nullptr && !filter->passes_all())
        client.subscriber.filter = std::make_unique<Filter>(std::move(*filter));
    feed.join(client.subscriber, connection_status("connected", clients.size(), now()), last_id);
    wake(client);
}

int Broadcaster::Impl::receive(Client &client, std::string_view piece) {
    client.heard = true;
    if (lws_frame_is_binary(client.wsi) != 0)
        return close_with(client.wsi, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "text only");
    if (client.incoming.size() + piece.size() > max_incoming)
        return close_with(client.wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "messages of at most 64 KiB");
    client.incoming += piece;
    if (lws_is_final_fragment(client.wsi) == 0 || lws_remaining_packet_payload(client.wsi) != 0) return 0;
    return obey(client);
}

int Broadcaster::Impl::obey(Client &client) {
    auto parsed = parse_subscribe(std::exchange(client.incoming, {}));
    if (client.subscriber.notes.size() >= max_notes)
        return close_with(client.wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, "you talk and do not listen");
    if (auto *filter = std::get_if<Filter>(&parsed))
        feed.filter(client.subscriber, std::move(*filter),
                    connection_status("subscribed", clients.size(), now()));
    else
        client.subscriber.notes.push_back(error_event(std::get<std::string>(parsed)));
    wake(client);
    return 0;
}

void Broadcaster::Impl::wake(Client &client) {
    if (std::exchange(client.asked, true)) return;
    lws_callback_on_writable(client.wsi);
}

void Broadcaster::Impl::wake_all() {
    for (auto &client : clients) wake(*client);
}

int Broadcaster::Impl::write(Client &client, Message &message) {
    const auto kind = client.stream ? LWS_WRITE_HTTP : LWS_WRITE_TEXT;
    if (lws_write(client.wsi, reinterpret_cast<unsigned char *>(message.data), message.size, kind) < 0)
        return -1;
    counters.out += message.events;
    counters.dropped += message.missed;
    return 0;
}

// One write a callback: the library keeps what the socket does not take and calls again when that is gone.
int Broadcaster::Impl::serve(Client &client) {
    client.asked = false;
    if (client.stream || std::exchange(client.blocked, false)) client.heard = true;
    if (client.closing) return client.stream ? -1 : close_with(client.wsi, try_again_later, "too slow");
    if (client.ping_due) {
        client.ping_due = false;
        // A comment; in a ping it is only there to come back: libwebsockets does not report an empty pong.
        std::string beat = std::string(LWS_PRE, '\0') + ":\n\n";
        if (lws_write(client.wsi, reinterpret_cast<unsigned char *>(beat.data()) + LWS_PRE, 3,
                      client.stream ? LWS_WRITE_HTTP : LWS_WRITE_PING) < 0)
            return -1;
    } else if (Message message = feed.next(client.subscriber); message.size > 0) {
        if (write(client, message) < 0) return -1;
        client.closing = options.close_slow && message.missed > 0;
        if (feed.behind(client.subscriber) > options.limits.events / 2) pressed = true;
    }
    if (client.closing || feed.waiting(client.subscriber)) {
        wake(client);
    } else if (finishing) {
        return client.stream ? -1 : close_with(client.wsi, LWS_CLOSE_STATUS_GOINGAWAY, "no more events");
    }
    return 0;
}

// A stream is alive while its socket takes something; a WebSocket while it answers, or takes something after its socket
// was full (the ping may stand behind much that a slow line has yet to carry).
void Broadcaster::Impl::ping_round() {
    for (auto &client : clients) {
        if (client->silent_rounds >= max_silent_rounds) continue;  // is being closed
        client->silent_rounds = std::exchange(client->heard, false) ? 0 : client->silent_rounds + 1;
        if (client->silent_rounds == max_silent_rounds) {
            log_debug("a client that is dead or never reads is closed");
            lws_set_timeout(client->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
            continue;
        }
        client->blocked = client->asked;
        client->ping_due = true;
        wake(*client);
    }
    loop.arm(ping_timer, options.ping);
}

std::string Broadcaster::Impl::stats() const {
    const auto streams = static_cast<std::size_t>(
        std::count_if(clients.begin(), clients.end(), [](const auto &client) { return client->stream; }));
    const auto uptime = std::chrono::steady_clock::now() - started;
    return "\"clients\":" + std::to_string(clients.size()) +
           ",\"websockets\":" + std::to_string(clients.size() - streams) +
           ",\"streams\":" + std::to_string(streams) + ",\"events\":" + std::to_string(counters.in) +
           ",\"rejected\":" + std::to_string(counters.rejected) +
           ",\"delivered\":" + std::to_string(counters.out) +
           ",\"missed\":" + std::to_string(counters.dropped) + ",\"uptime_s\":" +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
}

std::string Broadcaster::Impl::health() const {
    return std::string("{\"status\":\"healthy\",\"service\":\"blews\",\"version\":\"" BLEPIPE_VERSION "\",") +
           stats() + "}";
}

void Broadcaster::Impl::announce_stats() {
    if (!clients.empty()) {
        feed.announce(stats_update("{" + stats() + "}"));
        wake_all();
    }
    loop.arm(stats_timer, options.stats_update);
}

void Broadcaster::Impl::finish(std::chrono::milliseconds within, std::function<void()> when_done) {
    finishing = true;
    done = std::move(when_done);
    loop.stop_listening();
    if (clients.empty()) return end();
    loop.arm(finish_timer, within);
    wake_all();
}

void Broadcaster::Impl::end() {
    if (auto call = std::exchange(done, nullptr)) call();
}

Broadcaster::Broadcaster(LwsLoop &loop, const Access &access, std::optional<StaticFolder> folder,
                         Counters &counters, const Options &options)
    : impl_(std::make_unique<Impl>(loop, access, std::move(folder), counters, options)) {}

Broadcaster::~Broadcaster() = default;

std::vector<LwsLoop::Protocol> Broadcaster::protocols() {
    const auto call = [impl = impl_.get()](lws *wsi, int reason, void *user, void *in, std::size_t length) {
        return impl->on_event(wsi, reason, user, in, length);
    };
    return {{"http", sizeof(Client *), 4096, call}, {lines_protocol, sizeof(Client *), 4096, call}};
}

bool Broadcaster::publish(std::string_view line) {
    const bool taken = impl_->feed.publish(line);
    (taken ? impl_->counters.in : impl_->counters.rejected)++;
    return taken;
}

void Broadcaster::wake() {
    impl_->wake_all();
}

std::size_t Broadcaster::clients() const {
    return impl_->clients.size();
}

std::uint64_t Broadcaster::furthest_behind() const {
    std::uint64_t most = 0;
    for (const auto &client : impl_->clients)
        most = std::max(most, std::min<std::uint64_t>(impl_->feed.behind(client->subscriber),
                                                      impl_->feed.ring().end() - impl_->feed.ring().begin()));
    return most;
}

bool Broadcaster::pressed() {
    return std::exchange(impl_->pressed, false);
}

void Broadcaster::finish(std::chrono::milliseconds within, std::function<void()> done) {
    impl_->finish(within, std::move(done));
}

}  // namespace ble
