// The event loop of the servers: one libwebsockets context, one listening socket, foreign descriptors and timers, in
// one thread. Tools see this header; only .cpp files of lib/server include libwebsockets.h.
//
//   LwsLoop loop({.bind = "127.0.0.1", .port = 8000});
//   loop.watch(lifecycle.fd(), [&] { … });
//   loop.listen({{.name = "http", .callback = …}});
//   loop.run();
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct lws;
struct lws_context;

namespace ble {

class LwsLoop {
  public:
    struct Config {
        std::string bind =
            "127.0.0.1";         // address or host name; one socket: the first address that can be bound
        std::uint16_t port = 0;  // 0: the system chooses, see port()
        std::string cert, key;   // PEM files; both or none: TLS (HTTP/1.1 only) or plain
        std::size_t max_clients =
            1024;  // connections at once; further ones get "503 Service Unavailable" and are closed
        std::chrono::seconds header_timeout{
            10};  // from the connection or the first byte to the end of the headers
        std::chrono::seconds keepalive_timeout{60};  // idle between two requests
        int send_buffer = 0;                         // SO_SNDBUF of each connection in bytes; 0: the system's
    };

    // What a connection speaks. The first protocol handles HTTP; the others are WebSocket subprotocols by name. A client that asks
    // for no subprotocol gets the first.
    struct Protocol {
        std::string name;
        std::size_t session_bytes =
            0;  // zeroed memory per connection: the callback's `user` (NULL before it is bound)
        std::size_t receive_bytes = 0;  // of a WebSocket message handed over at once; 0: 4096
        // `reason` is an lws_callback_reasons. Non-zero closes the connection. A default for reasons not handled is
        // lws_callback_http_dummy(). May throw: run() ends with the exception. Also called while the loop is destroyed.
        std::function<int(lws *, int reason, void *user, void *in, std::size_t length)> callback;
    };

    // Creates the context; opens nothing. Error(config) when cert or key cannot be read.
    explicit LwsLoop(const Config &config);
    // Closes all connections: the protocols' callbacks must still work.
    ~LwsLoop();
    LwsLoop(const LwsLoop &) = delete;
    LwsLoop &operator=(const LwsLoop &) = delete;

    // Calls `readable` whenever `fd` is readable (level-triggered). The descriptor is borrowed (a duplicate is watched) and
    // must be one that poll(2) knows, as an epoll, timer or signal descriptor, or a pipe. For the life of the loop.
    void watch(int fd, std::function<void()> readable);

    // A timer, not armed. arm() lets it expire once, after `delay` (again: the new delay counts); 0 is "soon".
    using Timer = std::size_t;
    Timer timer(std::function<void()> expired);
    void arm(Timer timer, std::chrono::microseconds delay);
    void disarm(Timer timer);

    // Binds and listens; connections are accepted once run() is called. Once. Error(unavailable) when the port is taken,
    // Error(permission) when it is privileged, Error(config) when the address is not ours or the certificate is no good.
    void listen(std::vector<Protocol> protocols);
    std::uint16_t port() const;
    std::string url() const;        // "http://127.0.0.1:8000", "https://[::1]:8443"
    std::size_t clients() const;    // connections that stand now
    std::uint64_t refused() const;  // those that were too many, so far; said in the log once a minute

    // Closes the listening socket; connections stay.
    void stop_listening();

    // Serves until stop(). Throws what a callback threw.
    void run();
    // May be called from any callback; run() returns when the present one is done.
    void stop();

    lws_context *context() const;

    struct Impl;  // for the .cpp file

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
