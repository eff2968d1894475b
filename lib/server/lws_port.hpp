// One listening socket of an LwsLoop with its connections: limits, deadlines, delays for clients that guess. For
// lws_loop.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "server/allowances.hpp"
#include "server/connections.hpp"
#include "server/listener.hpp"
#include "server/lws_loop.hpp"

namespace ble {

class LwsPort {
  public:
    // Opens nothing. At most `most` connections at once.
    LwsPort(LwsLoop &loop, LwsLoop::Impl &impl, const LwsLoop::Config &config, std::size_t most);
    LwsPort(const LwsPort &) = delete;
    LwsPort &operator=(const LwsPort &) = delete;

    // Opens it; what its connections do is `handler`'s, as LwsLoop::Protocol's callback says. Errors as from LwsLoop::listen(). Once.
    void listen(LwsLoop::Handler handler);
    void stop_listening();
    const LwsLoop::Config &config() const { return config_; }
    std::uint16_t number() const { return listener_.port; }
    std::string url() const;
    const Connections &connections() const { return connections_; }
    void note_guess(const std::string &client);
    bool guesses_too_often(lws *wsi, const std::string &client) const;
    void answered(lws *wsi);

    // Is it one of its connections, or about to be?
    bool has(lws *wsi) { return newcomer_ != nullptr || connections_.find(wsi) != nullptr; }
    // What libwebsockets tells of one of its connections.
    int on_event(lws *wsi, int reason, void *user, void *in, std::size_t length);

  private:
    using Clock = std::chrono::steady_clock;
    using Connection = Connections::Connection;
    struct Held {  // to be served late
        UniqueFd fd;
        Connection connection;
        Clock::time_point due;
    };

    bool accept_all();
    void pause_accepting(int reason);
    void serve_connection(UniqueFd fd, const std::string &address);
    void serve(UniqueFd fd, const Connection &connection);
    void serve_held();
    void sweep();
    void begin(lws *wsi);
    void watch_request(lws *wsi, int reason, Connection &connection);
    std::optional<int> refuse(lws *wsi, const Connection &connection);

    LwsLoop &loop_;
    LwsLoop::Impl &impl_;
    const LwsLoop::Config config_;
    Connections connections_;
    LwsLoop::Handler handler_;
    Listener listener_;
    lws *accepting_ = nullptr;              // the listening socket, while it is watched
    const Connection *newcomer_ = nullptr;  // while libwebsockets takes it
    std::deque<Held> held_;
    Allowances guesses_;
    LwsLoop::Timer resume_timer_ = 0, sweep_timer_ = 0, held_timer_ = 0;
    Throttle starved_, long_headers_;
};

}  // namespace ble
