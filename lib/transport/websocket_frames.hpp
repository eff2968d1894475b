// The frames of WebSocket (RFC 6455, 5) as a client reads and writes them, for a stream of bytes in binary messages, whose boundaries mean
// nothing (MQTT 5, 6.0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

class WebSocketReader {
  public:
    // Takes bytes in any pieces. The payload of binary messages is appended to `out`, never more than was given. After the end nothing is
    // taken.
    void take(std::string_view bytes, std::string &out);

    // The payload of the last ping that has not been answered.
    std::optional<std::string> take_ping();

    // Set: the server has closed the WebSocket, or has broken its rules. With what code we close it then (RFC 6455, 7.4), and why, for
    // people; empty: it was closed without a word.
    struct End {
        std::uint16_t code;
        std::string why;
    };
    const std::optional<End> &end() const { return end_; }

  private:
    bool read_head();
    bool begin_frame();
    bool broken(std::uint16_t code, const char *why);  // false
    void finish_control();

    std::string head_;     // of the frame that comes in, while it is not complete
    std::string control_;  // payload of a control frame
    std::uint64_t left_ = 0;
    unsigned opcode_ = 0;
    bool in_frame_ = false, final_ = true;
    bool in_message_ = false;  // its last frame has not come
    std::optional<std::string> ping_;
    std::optional<End> end_;
};

// Frames to a server; masked, as a client's have to be. Error(system) when the system has no random bytes.
std::string websocket_binary(std::string_view payload);
std::string websocket_pong(std::string_view payload);  // that of the ping
std::string websocket_close(std::uint16_t code);

}  // namespace ble
