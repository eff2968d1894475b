// A connection by libcurl that carries bytes both ways: with TLS or without, through an HTTP proxy (CONNECT) or straight. It never
// blocks, and reads only what is asked for, and the rest of a TLS record.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "transport/curl_multi.hpp"
#include "transport/mqtt_options.hpp"

struct curl_slist;

namespace ble {

class CurlStream {
  public:
    // Begins to connect to `server`, or to its proxy: to `address`, a numeric one. Errors as of CurlMulti.
    CurlStream(const MqttOptions &options, const MqttServer &server, const std::string &address);
    CurlStream(const CurlStream &) = delete;
    CurlStream &operator=(const CurlStream &) = delete;

    enum class State { opening, open, ended };
    State state() const { return state_; }
    // While it is opening:
    int fd() const { return multi_.fd(); }  // readable: call step()
    std::optional<std::chrono::steady_clock::time_point> due() const { return multi_.due(); }
    void step();

    // Once it is open: the socket, for epoll. It does not tell of bytes that TLS has decrypted already, so receive() until there are none.
    int socket() const { return socket_; }
    // How many bytes have come or were taken; 0: none for now, or it has ended.
    std::size_t receive(std::span<char> room);
    // Bytes that were not taken must be sent next, from the same place in memory.
    std::size_t send(std::string_view bytes);

    // Why it has ended, for people; empty: the other side has closed it.
    const std::string &trouble() const { return trouble_; }

  private:
    struct FreeList {
        void operator()(curl_slist *list) const;
    };

    void set_up(bool tls);
    void set_up_tls(const MqttOptions &options);
    void fail(int code);
    std::string text_of(int code);
    std::string refusal_of_proxy(long status) const;
    std::size_t moved(int code, std::size_t count);

    const MqttServer server_;
    const std::string protocols_;  // of ALPN, as RFC 7301, 3.1 writes them
    std::unique_ptr<curl_slist, FreeList> addresses_;
    std::array<char, 256> said_{};  // by libcurl
    CurlEasy easy_ = make_curl_easy();
    CurlMulti multi_;
    State state_ = State::opening;
    int socket_ = -1;
    std::string trouble_;
};

}  // namespace ble
