#include "transport/websocket_handshake.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/trimmed.hpp"
#include "base/version.hpp"

namespace ble {
namespace {

constexpr std::string_view subprotocol = "mqtt";
constexpr std::string_view accept_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
constexpr std::size_t longest_answer = 16'384;

std::string base64(const unsigned char *bytes, std::size_t size) {
    std::string text((size + 2) / 3 * 4 + 1, '\0');  // the function writes a NUL behind it
    EVP_EncodeBlock(reinterpret_cast<unsigned char *>(text.data()), bytes, static_cast<int>(size));
    text.pop_back();
    return text;
}

std::string answer_to(const std::string &key) {
    const std::string text = key + std::string(accept_guid);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
    return base64(digest.data(), size);
}

struct Caseless {
    bool operator()(const std::string &one, const std::string &other) const {
        return ::strcasecmp(one.c_str(), other.c_str()) < 0;
    }
};
using Headers = std::map<std::string, std::string, Caseless>;

// Of several with one name, a list with commas (RFC 9110, 5.2).
Headers headers_of(std::string_view lines) {
    Headers headers;
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        std::string &value = headers[std::string(line.substr(0, colon))];
        if (!value.empty()) value += ", ";
        value += trimmed(line.substr(colon + 1));
    }
    return headers;
}

// Is `token` one of a list with commas?
bool lists(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        const auto one = trimmed(list.substr(0, comma));
        if (one.size() == token.size() && ::strncasecmp(one.data(), token.data(), one.size()) == 0)
            return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

std::string request_of(const std::string &authority, const std::string &path, const std::string &key) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + authority +
           "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
           "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + std::string(subprotocol) +
           "\r\nUser-Agent: blepipe/" + program_version + "\r\n\r\n";
}

}  // namespace

std::string WebSocketHandshake::make_key() {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), bytes.size()) != 1)
        throw Error(ExitCode::system, "unable to get random bytes");
    return base64(bytes.data(), bytes.size());
}

WebSocketHandshake::WebSocketHandshake(const std::string &authority, const std::string &path,
                                       const std::string &key)
    : path_(path), key_(key), request_(request_of(authority, path, key_)) {}

WebSocketHandshake::State WebSocketHandshake::refuse(const std::string &why) {
    trouble_ = why;
    return state_ = State::refused;
}

WebSocketHandshake::State WebSocketHandshake::take(std::string_view bytes) {
    if (state_ != State::waiting) return state_;
    answer_ += bytes;
    constexpr std::string_view begin = "HTTP/1.";
    const auto seen = std::min(begin.size(), answer_.size());
    if (answer_.compare(0, seen, begin, 0, seen) != 0)
        return refuse("what answers there does not speak HTTP: is it the broker's port for mqtt://?");
    const auto end = answer_.find("\r\n\r\n");
    if (end == std::string::npos)
        return answer_.size() > longest_answer ? refuse("its answer has no end: is the path right?") : state_;
    const std::string head = answer_.substr(0, end);
    answer_.erase(0, end + 4);
    return judge(head);
}

// `head`: the status line and the headers.
WebSocketHandshake::State WebSocketHandshake::judge(std::string_view head) {
    const auto first = std::min(head.find("\r\n"), head.size());
    std::string_view status = head.substr(0, first);
    status.remove_prefix(std::min(status.find(' ') + 1, status.size()));
    Headers headers = headers_of(head.substr(first));
    if (status.substr(0, status.find(' ')) != "101") return refuse(of_status(status, headers["Location"]));
    if (!lists(headers["Upgrade"], "websocket") || !lists(headers["Connection"], "upgrade") ||
        headers["Sec-WebSocket-Accept"] != answer_to(key_) || !headers["Sec-WebSocket-Extensions"].empty())
        return refuse("what answers at the path " + path_ +
                      " does not speak WebSocket as the standard has it");
    const std::string &spoken = headers["Sec-WebSocket-Protocol"];
    if (spoken != subprotocol)
        return refuse("the WebSocket at the path " + path_ + " does not speak MQTT" +
                      (spoken.empty() ? "" : ", but " + printable(spoken)) + ": is the path right?");
    return state_ = State::accepted;
}

std::string WebSocketHandshake::of_status(std::string_view status, std::string_view location) const {
    // What stands behind '?' may be a key.
    const std::string text =
        "the server answers " + printable(status) + " at the path " + path_.substr(0, path_.find('?'));
    if (status.starts_with('3') && !location.empty()) return text + ": it sends us to " + printable(location);
    if (status.starts_with("401") || status.starts_with("403")) return text + ": access is refused there";
    if (status.starts_with('5')) return text + ": is the broker behind it running?";
    return text + ": is the path right, does it speak WebSocket there?";
}

}  // namespace ble
