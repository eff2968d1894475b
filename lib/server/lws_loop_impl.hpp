// The inside of an LwsLoop. For lws_loop.cpp and lws_port.cpp.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "server/lws_loop.hpp"
#include "server/lws_port.hpp"
#include "server/timers.hpp"

struct lws_protocols;
struct lws_vhost;
struct ssl_ctx_st;

namespace ble {

struct LwsLoop::Impl {
    struct Watched {
        std::function<bool()> readable;  // false: watch it no longer
    };
    struct Soon;  // a timer that is due in the next round

    Impl(LwsLoop &loop, const Config &config);
    ~Impl();

    const TlsFiles tls_files;
    lws_context *context = nullptr;
    // All ports share one server: libwebsockets would choose among several by what the client calls it.
    lws_vhost *watcher = nullptr, *server = nullptr;
    ssl_ctx_st *tls = nullptr;  // of libwebsockets: the context of all connections, as long as the server
    std::vector<Protocol> protocols;
    std::vector<lws_protocols> table;
    std::vector<std::unique_ptr<Watched>> watched;
    Timers timers;
    std::vector<std::unique_ptr<Soon>> soon;      // one for each of them
    std::vector<std::unique_ptr<LwsPort>> ports;  // the first is that of the loop's config
    bool stopped = false;
    std::exception_ptr failure;

    // Does it; what it throws ends run().
    template <class Body>
    void guard(const Body &body) noexcept {
        try {
            body();
        } catch (...) {
            if (!failure) failure = std::current_exception();
            stop();
        }
    }
    void stop();
    // Watches a duplicate of `fd`.
    lws *adopt(int fd, std::function<bool()> readable);
    void prepare_server(const Config &config);
    LwsPort &port_of(lws *wsi);
    int pass_on(lws *wsi, int reason, void *user, void *in, std::size_t length);

    static Impl &of(lws *wsi);
};

}  // namespace ble
