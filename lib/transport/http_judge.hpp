// What the end of each request means: for the message, and for what may be sent, where and when. It sends nothing itself.
//
// Nothing is sent before a health check has ended well. A failure closes the link until the server's back-off, or the Retry-After
// of its answer, has passed; then a check comes first. Of several servers the one that answers is kept. When it fails, the next one in
// turn that is ready is tried; only when none is ready do we wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "transport/http_client.hpp"

namespace ble {

class HttpJudge {
  public:
    using Clock = std::chrono::steady_clock;
    enum class State {
        open,      // messages may be sent
        asking,    // a message was refused, but not as a backend does it: check when no other request is open
        waiting,   // check when no request is open and check_due() has passed
        checking,  // the health check is out
    };
    enum class Verdict { delivered, refused, retry, ask };  // ask: keep it, a check comes first

    // `urls`: at least one; a random one is asked first. With `one_try` nothing is waited for: after a failure the link is
    // `open` again as soon as each server was asked once.
    HttpJudge(std::vector<std::string> urls, bool one_try, std::uint64_t seed = std::random_device{}());

    State state() const { return state_; }
    std::size_t server() const { return current_; }  // the one that is spoken to, or will be
    const std::string &url() const { return servers_[current_].url; }
    Clock::time_point check_due() const;

    void begin_check();
    void check_ended(const HttpEnd &end, Clock::time_point now);
    // In any state: several requests may be open when the first of them fails.
    Verdict post_ended(const HttpEnd &end, Clock::time_point now);
    // The fault may have been corrected: waits no longer.
    void stop_waiting(Clock::time_point now);

    bool up() const { return up_; }  // the last exchange went well
    const std::string &trouble() const { return trouble_; }
    std::string status(Clock::time_point now) const;  // as Transport has it

  private:
    struct Server {
        std::string url;
        Backoff backoff{std::chrono::seconds(1), std::chrono::seconds(60)};
        Backoff slow_backoff{std::chrono::seconds(5), std::chrono::seconds(300)};
        Clock::time_point ready{};      // not asked before
        std::map<long, Throttle> said;  // of each kind of failure; texts differ from one answer to the next
        Throttle connected_said;
    };

    bool must_ask(const HttpEnd &end) const;
    void take(const HttpEnd &end);
    void fail(const HttpEnd &end, Clock::time_point now);
    void turn(Clock::time_point now);
    void turn_once(const HttpEnd &end);
    void open();
    void complain(const HttpEnd &end, Clock::time_point now);

    std::vector<Server> servers_;
    std::size_t current_, last_well_;
    std::size_t asked_ = 0;  // with one_try: servers, since the link was last open
    bool one_try_;
    State state_ = State::waiting;
    bool up_ = false;
    bool post_failed_ = false;  // since one was last taken: a good health check is then no news
    bool complained_ = false;   // a warning stands that good news should follow
    std::string trouble_ = "not yet connected";
};

}  // namespace ble
