#include "server/handshake.hpp"

#include <strings.h>

#include <algorithm>

namespace ble {

namespace {

// What libwebsockets has room for, in lib/roles/ws/server-ws.c of 4.1 and 4.3.
constexpr std::size_t longest_list = 126, longest_name = 62, longest_key = 127;
constexpr const char *token_characters =  // RFC 7230, 3.2.6
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Takes the first item off a list.
std::string next_item(std::string_view &list) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    item.remove_prefix(std::min(item.size(), item.find_first_not_of(' ')));
    return std::string(item.substr(0, item.find_last_not_of(' ') + 1));
}

// libwebsockets stumbles over numbers.
bool is_name(const std::string &text) {
    return !text.empty() && text.size() <= longest_name &&
           text.find_first_not_of(token_characters) == std::string::npos &&
           text.find_first_not_of("0123456789.") != std::string::npos;
}

bool names_upgrade(std::string_view connection) {
    while (!connection.empty()) {
        const std::string name = next_item(connection);
        if (strcasecmp(name.c_str(), "upgrade") == 0) return true;
        if (!is_name(name)) return false;
    }
    return false;
}

std::string protocol_fault(std::string_view list, std::string_view known) {
    const std::string ask = "ask for " + std::string(known) + ", or for none";
    if (list.size() > longest_list) return "the list of subprotocols is too long; " + ask;
    while (!list.empty()) {
        const std::string name = next_item(list);
        if (name == known) return {};
        if (!is_name(name)) return "the list of subprotocols holds something that is no name; " + ask;
    }
    return "none of the subprotocols is known; " + ask;
}

}  // namespace

std::string handshake_fault(const Handshake &handshake, std::string_view known) {
    if (handshake.connection.size() > longest_list || !names_upgrade(handshake.connection))
        return "the header 'Connection: Upgrade' is missing; nginx needs 'proxy_set_header Connection "
               "upgrade' for it";
    if (handshake.host.empty()) return "the header Host is missing";
    if (handshake.key.empty() || handshake.key.size() > longest_key)
        return "the header Sec-WebSocket-Key is missing or too long";
    return handshake.protocols.empty() ? std::string() : protocol_fault(handshake.protocols, known);
}

}  // namespace ble
