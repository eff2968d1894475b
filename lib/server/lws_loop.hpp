// The event loop of the servers: one libwebsockets context, its listening sockets, foreign descriptors and timers, in
// one thread. Tools see this header; only .cpp files of lib/server include libwebsockets.h.
//
// Connections beyond the limits are not simply refused, because a server that looks dead is restarted: a few of them are taken, the
// newest in place of the oldest. They get an answer from /health, and 503 from everything else.
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

#include "server/server_tls.hpp"
#include "server/trusted_proxies.hpp"

struct lws;
struct lws_context;

namespace ble {

class LwsLoop {
  public:
    struct Config {
        std::string bind =
            "127.0.0.1";          // address or host name; one socket: the first address that can be bound
        std::uint16_t port = 0;   // 0: the system chooses, see port()
        std::string option = {};  // by which the user gave this address; empty: --bind and --port
        TlsFiles tls;             // without a certificate and its key: plain; with them: TLS (HTTP/1.1 only)
        std::size_t max_clients = 1024;  // connections at once
        // Of them, connections of one address (of IPv6: one network of 64 bits); 0: a quarter, 16 at least.
        std::size_t max_per_address = 0;
        TrustedProxies proxies;  // addresses of many clients: no share and no delay for guesses
        // From the connection to the end of the headers, and from there to the end of the body; single bytes do not extend it.
        std::chrono::seconds header_timeout{10}, body_timeout{10};
        std::chrono::seconds keepalive_timeout{60};  // idle between two requests
        int send_buffer = 0;                         // SO_SNDBUF of each connection in bytes; 0: the system's
    };

    // `reason` is an lws_callback_reasons. Non-zero closes the connection. A default for reasons not handled is
    // lws_callback_http_dummy(). May throw: run() ends with the exception. Also called while the loop is destroyed.
    using Handler = std::function<int(lws *, int reason, void *user, void *in, std::size_t length)>;

    // What a connection speaks. The first protocol handles HTTP; the others are WebSocket subprotocols by name. A client that asks
    // for no subprotocol gets the first.
    struct Protocol {
        std::string name;
        std::size_t session_bytes =
            0;  // zeroed memory per connection: the callback's `user` (NULL before it is bound)
        std::size_t receive_bytes = 0;  // of a WebSocket message handed over at once; 0: 4096
        Handler callback;
    };

    // Creates the context; opens nothing. Error(config) when a file of TLS cannot be used, or there is a certificate or a key alone.
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
    // One more port, after listen(), with limits of its own: its connections are all `handler`'s, speak plain HTTP and have no
    // `user`. At most 64 at once. Errors as from listen(). Its address: "http://[::1]:8001".
    std::string listen_too(const Config &config, Handler handler);
    // Reads the files of TLS again, for connections to come. Error(config): all is as before. Nothing without TLS.
    void reload_certificates();
    // Of the first port:
    std::uint16_t port() const;
    std::string url() const;        // "http://127.0.0.1:8000", "https://[::1]:8443"
    std::size_t clients() const;    // connections that stand now, without those that are too many
    std::uint64_t refused() const;  // those that were too many, so far; said in the log once a minute

    // A client sent a wrong key or token; `client`: its address, perhaps as a proxy gives it (Gate::client()). Five are served
    // at once; then each further connection from there is served two seconds late, until about a
    // minute has passed. A proxy's own address does not count.
    void note_guess(lws *wsi, const std::string &client);
    // For clients behind a proxy, whose connections are not delayed: has this one guessed so often that its key must not be looked at
    // now? One in ten seconds is.
    bool guesses_too_often(lws *wsi, const std::string &client) const;
    // The answer to a connection's request is being sent: from now on the time until the next request counts. http_end_answer() calls it.
    static void answered(lws *wsi);

    // Closes the first port's listening socket; connections stay, and so do other ports.
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
