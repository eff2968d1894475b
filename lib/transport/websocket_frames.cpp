#include "transport/websocket_frames.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

enum Opcode : unsigned { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
constexpr unsigned final_bit = 0x80, mask_bit = 0x80, reserved_bits = 0x70, control_bit = 8;
constexpr unsigned two_bytes_follow = 126, eight_bytes_follow = 127;
constexpr std::size_t longest_control = 125;
enum Code : std::uint16_t { normal = 1000, protocol_error = 1002, unsupported_data = 1003 };

unsigned byte_of(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

std::string frame(unsigned opcode, std::string_view payload) {
    std::string out;
    out.reserve(payload.size() + 14);
    const auto put = [&](std::uint64_t value, int bytes) {
        while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xff);
    };
    put(final_bit | opcode, 1);
    const std::size_t size = payload.size();
    if (size < two_bytes_follow) {
        put(mask_bit | size, 1);
    } else if (size <= 0xffff) {
        put(mask_bit | two_bytes_follow, 1);
        put(size, 2);
    } else {
        put(mask_bit | eight_bytes_follow, 1);
        put(size, 8);
    }
    std::array<unsigned char, 4> mask{};
    if (RAND_bytes(mask.data(), mask.size()) != 1)
        throw Error(ExitCode::system, "unable to get random bytes");
    out.append(reinterpret_cast<const char *>(mask.data()), mask.size());
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(byte_of(payload, i) ^ mask[i % 4]);
    return out;
}

}  // namespace

void WebSocketReader::take(std::string_view bytes, std::string &out) {
    while (!end_ && (!bytes.empty() || (in_frame_ && left_ == 0))) {
        if (!in_frame_) {
            head_ += bytes.front();
            bytes.remove_prefix(1);
            in_frame_ = read_head();
            continue;
        }
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        ((opcode_ & control_bit) != 0 ? control_ : out).append(bytes.substr(0, size));
        bytes.remove_prefix(size);
        left_ -= size;
        if (left_ > 0) continue;
        in_frame_ = false;
        if ((opcode_ & control_bit) != 0) finish_control();
    }
}

// True: the head is complete, and its payload comes next.
bool WebSocketReader::read_head() {
    if (head_.size() < 2) return false;
    const unsigned size = byte_of(head_, 1) & ~mask_bit;
    const std::size_t more = size == eight_bytes_follow ? 8 : size == two_bytes_follow ? 2 : 0;
    if (head_.size() < 2 + more) return false;
    left_ = more == 0 ? size : 0;
    for (std::size_t i = 0; i < more; ++i) left_ = left_ << 8 | byte_of(head_, 2 + i);
    const bool shortest = more == 0 || left_ > (more == 2 ? 125U : 0xffffU);  // RFC 6455, 5.2
    const bool good = shortest
                          ? begin_frame()
                          : broken(protocol_error, "it sends lengths in a form that WebSocket does not know");
    head_.clear();
    return good;
}

bool WebSocketReader::broken(std::uint16_t code, const char *why) {
    end_ = End{code, why};
    return false;
}

// False: the server breaks the rules, and that is the end.
bool WebSocketReader::begin_frame() {
    const unsigned first = byte_of(head_, 0);
    opcode_ = first & 0x0f;
    final_ = (first & final_bit) != 0;
    if ((first & reserved_bits) != 0 || (byte_of(head_, 1) & mask_bit) != 0 || (left_ >> 63) != 0)
        return broken(protocol_error, "it sends frames that WebSocket does not know");
    if ((opcode_ & control_bit) != 0) {
        control_.clear();
        return (final_ && left_ <= longest_control && opcode_ <= pong) ||
               broken(protocol_error, "it sends control frames that WebSocket does not know");
    }
    if (opcode_ == text)
        return broken(unsupported_data, "it sends text, and MQTT is binary: it is no MQTT broker");
    if (opcode_ > binary || (opcode_ == continuation) != in_message_)
        return broken(protocol_error, "it sends frames out of order");
    in_message_ = !final_;
    return true;
}

void WebSocketReader::finish_control() {
    if (opcode_ == ping) ping_ = std::exchange(control_, {});
    if (opcode_ != close) return;
    end_ = End{normal, ""};
    if (control_.empty()) return;
    if (control_.size() == 1) {
        broken(protocol_error, "it closes the WebSocket with half a code");
        return;
    }
    const unsigned code = byte_of(control_, 0) << 8 | byte_of(control_, 1);
    const std::string reason = printable(std::string_view(control_).substr(2));
    if (code != normal || !reason.empty())
        end_->why = "it closes the WebSocket: " + std::to_string(code) + (reason.empty() ? "" : " " + reason);
}

std::optional<std::string> WebSocketReader::take_ping() {
    return std::exchange(ping_, std::nullopt);
}

std::string websocket_binary(std::string_view payload) {
    return frame(binary, payload);
}
std::string websocket_pong(std::string_view payload) {
    return frame(pong, payload);
}
std::string websocket_close(std::uint16_t code) {
    const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    return frame(close, {bytes, sizeof bytes});
}

}  // namespace ble
