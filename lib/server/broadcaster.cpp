#include "server/broadcaster.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/version.hpp"
#include "batch/event.hpp"
#include "server/broadcaster_impl.hpp"

namespace ble {

static_assert(frame_padding >= LWS_PRE, "libwebsockets writes its header before the payload");

namespace {

constexpr unsigned max_silent_rounds = 2;  // of pings
constexpr int try_again_later = 1013;      // RFC 6455 registry of close codes

}  // namespace

void Broadcaster::Impl::wake(Client &client) {
    if (std::exchange(client.asked, true)) return;
    lws_callback_on_writable(client.wsi);
}

void Broadcaster::Impl::wake_all() {
    for (auto &client : clients) wake(*client);
}

int Broadcaster::Impl::write(Client &client, Message &message) {
    // What is of HTTP the library writes as it is, on a WebSocket too: so several frames go out in one system call.
    const auto kind = client.stream || message.framed ? LWS_WRITE_HTTP : LWS_WRITE_TEXT;
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
        client.took = std::chrono::steady_clock::now();
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
           ",\"missed\":" + std::to_string(counters.dropped) + ",\"refused\":" + refused() +
           ",\"uptime_s\":" +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
}

std::string Broadcaster::Impl::refused() const {
    using Kind = Refusals::Kind;
    return refusals.json({Kind::host, Kind::origin, Kind::token, Kind::handshake, Kind::rate},
                         loop.refused());
}

std::string Broadcaster::Impl::health() const {
    return std::string("{\"status\":\"healthy\",\"service\":\"blews\",\"version\":\"") + program_version +
           "\"," + stats() + "}";
}

void Broadcaster::Impl::announce_stats() {
    if (!clients.empty()) {
        feed.announce(stats_update("{" + stats() + "}"));
        wake_all();
    }
    loop.arm(stats_timer, options.stats_update);
}

void Broadcaster::Impl::finish(std::chrono::milliseconds within, std::function<void()> when_done) {
    if (std::exchange(finishing, true)) return;  // asked again: `within` counts from the first time
    done = std::move(when_done);
    loop.stop_listening();
    if (clients.empty()) return end();
    loop.arm(finish_timer, within);
    wake_all();
}

void Broadcaster::Impl::end() {
    if (auto call = std::exchange(done, nullptr)) call();
}

Broadcaster::Broadcaster(LwsLoop &loop, const Access &access, WebSite::Options pages, Counters &counters,
                         const Options &options)
    : impl_(std::make_unique<Impl>(loop, access, std::move(pages), counters, options)) {}

Broadcaster::~Broadcaster() = default;

std::vector<LwsLoop::Protocol> Broadcaster::protocols() {
    const auto call = [impl = impl_.get()](lws *wsi, int reason, void *user, void *in, std::size_t length) {
        return impl->on_event(wsi, reason, user, in, length);
    };
    constexpr std::size_t session = sizeof(void *);  // for the client's address
    return {{"http", session, 4096, call}, {lines_protocol, session, 4096, call}};
}

bool Broadcaster::publish(std::string_view line) {
    const bool taken = impl_->feed.publish(line);
    (taken ? impl_->counters.in : impl_->counters.rejected)++;
    impl_->counters.note_window(impl_->feed.newest_window());
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

bool Broadcaster::pressed(std::chrono::milliseconds lately) const {
    const auto since = std::chrono::steady_clock::now() - lately;
    return std::any_of(impl_->clients.begin(), impl_->clients.end(), [&](const auto &client) {
        return client->took > since &&
               impl_->feed.behind(client->subscriber) > impl_->options.limits.events / 2;
    });
}

void Broadcaster::finish(std::chrono::milliseconds within, std::function<void()> done) {
    impl_->finish(within, std::move(done));
}

}  // namespace ble
