// WebSocket for a library that speaks only MQTT, such as libmosquitto: what it writes to a socket of ours goes to the broker
// in WebSocket frames, and the payload of frames that come, in whatever pieces, goes back. libcurl does TLS and HTTP proxies
// (curl_stream.hpp).
//
// Nothing is read from either side while the other has not taken what was read before: a waiting reader makes the broker wait, and
// memory is bounded. One thread; only close() blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"
#include "transport/curl_stream.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/websocket_frames.hpp"
#include "transport/websocket_handshake.hpp"

namespace ble {

class WebSocketTunnel {
  public:
    // Begins to connect to a server of WebSocket, by its next hop's `address`, a numeric one. Error(system).
    WebSocketTunnel(const MqttOptions &options, const MqttServer &server, const std::string &address);
    ~WebSocketTunnel();  // as close(0)
    WebSocketTunnel(const WebSocketTunnel &) = delete;
    WebSocketTunnel &operator=(const WebSocketTunnel &) = delete;

    int fd() const { return epoll_.get(); }  // readable: call step()
    // Call step() after this at the latest; negative: no timer is running.
    std::chrono::milliseconds timeout() const;
    void step();

    enum class State { opening, open, ended };
    State state() const { return state_; }
    // Why it has ended, for people; empty: the other side has closed it without a word.
    const std::string &trouble() const { return trouble_; }
    // It has ended before the server said anything, and TLS may be why.
    bool tls_in_doubt() const { return tls_in_doubt_; }

    // Once it is open: carries the bytes of this stream socket, the other end of which is the library's. When the tunnel ends, all that
    // had come is written to it first, then the end.
    void join(UniqueFd near);
    // The library has closed its end: sends what it had written, then closes the WebSocket, and waits until the server has done so too, for
    // `limit` at most.
    void close(std::chrono::milliseconds limit);

  private:
    void pump();
    bool read_far();
    bool write_near();
    bool read_near();
    bool write_far();
    void take(std::string_view bytes);
    void end(const std::string &why);
    void watch();
    void watch(int fd, std::uint32_t &known, std::uint32_t wanted) const;

    const bool tls_, proxied_;
    CurlStream far_;
    WebSocketHandshake handshake_;
    WebSocketReader reader_;
    UniqueFd epoll_, near_;
    std::uint32_t watch_dialling_ = 0, watch_far_ = 0, watch_near_ = 0;  // for what, by now
    State state_ = State::opening;
    std::string trouble_;
    bool tls_in_doubt_ = false, busy_ = false;
    bool near_ended_ = false, near_told_ = false;  // its end was read; it was told of ours
    std::uint16_t close_code_ = 0;                 // of the close frame that is to be sent; 0: none
    std::string to_near_, to_far_;
    std::size_t sent_ = 0;  // of to_far_
};

}  // namespace ble
