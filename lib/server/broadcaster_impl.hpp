// The inside of the Broadcaster: its clients and what libwebsockets calls. For broadcaster*.cpp only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/broadcaster.hpp"
#include "server/hangup_watch.hpp"
#include "server/web_site.hpp"

namespace ble {

constexpr const char *lines_protocol = "blepipe.ndjson";  // the WebSocket subprotocol of Framing::lines

struct Client {
    lws *wsi = nullptr;
    std::size_t index = 0;  // in the list of clients
    bool stream = false;
    bool asked = false;    // for a WRITEABLE callback
    bool heard = true;     // since the last ping round
    bool blocked = false;  // its socket was full in the last ping round
    bool ping_due = false;
    bool closing = false;
    unsigned silent_rounds = 0;
    std::chrono::steady_clock::time_point took;  // its last event
    Subscriber subscriber;
    std::string incoming;  // the message being received
};

// Closes a WebSocket with that code: return its value from the callback.
int close_with(lws *wsi, int code, std::string_view reason);

struct Broadcaster::Impl {
    Impl(LwsLoop &l, const Access &a, WebSite::Options pages, Counters &c, const Options &o)
        : loop(l),
          access(a),
          counters(c),
          options(o),
          feed(o.limits),
          hangups(l),
          state(feed),
          site(l, a, std::move(pages), hangups, refusals, state, [this] { return health(); }),
          ping_timer(l.timer([this] { ping_round(); })),
          stats_timer(l.timer([this] { announce_stats(); })),
          finish_timer(l.timer([this] { end(); })) {
        if (options.ping.count() > 0) loop.arm(ping_timer, options.ping);
        if (options.stats_update.count() > 0) loop.arm(stats_timer, options.stats_update);
    }

    int on_event(lws *wsi, int reason, void *user, void *in, std::size_t length);
    int on_upgrade(lws *wsi);
    int open_stream(lws *wsi, void *user);
    Client &add(lws *wsi, void *user, Framing framing);
    void remove(void *user);
    void join(Client &client, const std::string &last_id);
    int receive(Client &client, std::string_view piece);
    int obey(Client &client);
    int serve(Client &client);
    int write(Client &client, Message &message);
    void wake(Client &client);
    void wake_all();
    void ping_round();
    void announce_stats();
    void finish(std::chrono::milliseconds within, std::function<void()> when_done);
    void end();
    std::string stats() const;
    std::string health() const;
    std::string refused() const;

    LwsLoop &loop;
    const Access &access;
    Counters &counters;
    const Options options;
    Feed feed;
    HangupWatch hangups;
    Refusals refusals;
    BriefState state;
    WebSite site;
    std::vector<std::unique_ptr<Client>> clients;
    LwsLoop::Timer ping_timer, stats_timer, finish_timer;
    std::function<void()> done;
    bool finishing = false;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

}  // namespace ble
