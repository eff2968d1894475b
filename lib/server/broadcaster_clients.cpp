// How clients come, what they say, how they go.
#include <libwebsockets.h>

#include <algorithm>

#include "base/log.hpp"
#include "batch/event.hpp"
#include "batch/json_text.hpp"
#include "server/broadcaster_impl.hpp"
#include "server/handshake.hpp"
#include "server/lws_http.hpp"

namespace ble {

namespace {

constexpr std::size_t max_incoming = 64 * 1024;
constexpr std::size_t max_notes = 16;  // unread answers to a client that keeps talking

bool is_integer(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const bool whole = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    return whole && (text.front() != '0' || text.size() == 1);
}

// "?device_id=a&device_id=b&rssi_min=-70" as the message that asks for the same.
std::string subscribe_message(lws *wsi) {
    std::string ids, hashes, rest;
    for (const auto &[name, value] : http_arguments(wsi)) {
        if (name == "device_id" || name == "device_hash") {
            std::string &list = name == "device_id" ? ids : hashes;
            list += list.empty() ? "" : ",";
            append_json_string(list, value);
        } else if (!name.empty()) {
            rest += ",";
            append_json_string(rest, name);
            rest += ":";
            if (is_integer(value))
                rest.append(value);
            else if (value.empty())
                rest += "null";
            else  // so that it is this value that is refused, not the whole as "not JSON"
                append_json_string(rest, value);
        }
    }
    return "{\"subscribe\":{\"device_id\":[" + ids + "],\"device_hash\":[" + hashes + "]" + rest + "}}";
}

}  // namespace

int close_with(lws *wsi, int code, std::string_view reason) {
    std::string text(reason.substr(0, 123));
    lws_close_reason(wsi, static_cast<lws_close_status>(code), reinterpret_cast<unsigned char *>(text.data()),
                     text.size());
    return -1;
}

int Broadcaster::Impl::on_event(lws *wsi, int reason, void *user, void *in, std::size_t length) {
    Client *client = user != nullptr ? *static_cast<Client **>(user) : nullptr;
    const std::string_view piece(static_cast<const char *>(in), in != nullptr ? length : 0);
    switch (reason) {
        case LWS_CALLBACK_HTTP:
            return site.path(wsi) == "/events" ? open_stream(wsi, user) : site.begin(wsi);
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
    if (!refused) {
        std::string fault =
            handshake_fault({http_header(wsi, WSI_TOKEN_HOST), http_header(wsi, WSI_TOKEN_CONNECTION),
                             http_header(wsi, WSI_TOKEN_KEY), http_header(wsi, WSI_TOKEN_PROTOCOL)},
                            lines_protocol);
        const bool elsewhere = site.path(wsi) != "/ws";
        if (elsewhere) fault = "the WebSocket is at /ws";
        const auto parsed = parse_subscribe(subscribe_message(wsi));
        if (const auto *reason = std::get_if<std::string>(&parsed); reason != nullptr && fault.empty())
            fault = *reason;
        if (fault.empty()) return 0;
        refused = http_error(elsewhere ? 404 : 400, fault);
        refusals.note(Refusals::Kind::handshake,
                      "refusing (" + std::to_string(refused->status) + ") a WebSocket: " + printable(fault));
    }
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
        return site.answer(wsi, std::move(*refused), http_method(wsi) == "HEAD");
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
    if (auto *filter = std::get_if<Subscription>(&parsed); filter != nullptr && !filter->passes_all())
        client.subscriber.filter = std::make_unique<Subscription>(std::move(*filter));
    feed.join(client.subscriber, connection_status("connected", clients.size(), now(), site.has_history()),
              last_id);
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
        return close_with(client.wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                          "too many messages without reading the answers");
    if (auto *filter = std::get_if<Subscription>(&parsed))
        feed.filter(client.subscriber, std::move(*filter),
                    connection_status("subscribed", clients.size(), now()));
    else
        client.subscriber.notes.push_back(error_event(std::get<std::string>(parsed)));
    wake(client);
    return 0;
}

}  // namespace ble
