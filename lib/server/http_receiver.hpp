// Takes batches by HTTP and writes them to a CountingWriter: POST /api/v1/detections/bulk is answered 201 once the reader of
// the pipe has consumed every line of the request. GET /health says whether it would take one now.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/counters.hpp"
#include "base/counting_writer.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "batch/batch.hpp"
#include "server/bulk_body.hpp"
#include "server/doorkeeper.hpp"
#include "server/lws_http.hpp"
#include "server/lws_loop.hpp"
#include "server/path_prefix.hpp"

namespace ble {

class HttpReceiver {
  public:
    using Clock = std::chrono::steady_clock;

    struct Options {
        PathPrefix prefix;
        // Nothing is written, and 503 answered at once, while the oldest byte in the pipe has stood this long.
        std::chrono::milliseconds stalled_after{2000};
        // A request that waits for the reader is answered 503 after this: clients give up at 10 s.
        std::chrono::milliseconds longest_wait{8000};
        std::size_t max_body = 4 * max_line;  // of NDJSON; one batch: max_line
        // Bodies being received and lines not yet in the pipe, together; beyond it 503. Twice that may be in memory.
        std::size_t max_waiting_bytes = 16u << 20;
    };

    // `door` is borrowed. Lines are written with the name of their sender. `changed` is called after answers and when lines were consumed. Counts requests' batches: in when taken, out when
    // consumed, rejected when answered 400, 413 or 422.
    HttpReceiver(LwsLoop &loop, Doorkeeper &door, CountingWriter &writer, Counters &counters,
                 const Options &options, std::function<void()> changed);

    LwsLoop::Protocol protocol();

    // From now on every new request is answered 503 and its connection closed.
    void stop() { stopping_ = true; }
    // Does a request wait for the reader, or an answer for its client?
    bool busy() const { return waiting_.size() + answering_ > 0; }
    // How long the oldest byte has stood in the pipe; 0: none stands.
    std::chrono::milliseconds oldest() const;

  private:
    enum class State { reading, waiting, answering };
    struct Request {
        State state = State::reading;
        bool ndjson = false, gzip = false;
        bool close = false;  // the client wants the connection to end after this
        Sender sender;
        std::string body;
        std::string reply;                 // to be sent once the lines are consumed
        std::optional<HttpReply> decided;  // while reading: the headers decided, the body is only skipped
    };
    struct Standing {  // a request's lines, written and not yet consumed
        std::uint64_t position;
        Clock::time_point since;
        std::size_t batches;
        std::optional<Time> window_end;
    };
    struct Waiting {
        std::uint64_t position;
        Clock::time_point since;
        lws *connection;
    };

    int on_event(lws *wsi, int reason, void *in, std::size_t length);
    int begin(lws *wsi);
    HttpReply health(lws *wsi) const;
    std::optional<HttpReply> judge(lws *wsi, Request &request, std::uint64_t length);
    int refuse_upgrade(lws *wsi);
    int take_body(lws *wsi, std::string_view piece);
    int finish_body(lws *wsi);
    std::optional<HttpReply> take(lws *wsi, Request &request);
    std::size_t longest(const Request &request) const;  // in bytes: its body, packed or not
    // Every refusal, once: counted, and logged once a minute by status.
    void note(const HttpReply &reply, lws *wsi);
    void answer_later(lws *wsi, Request &request, HttpReply reply);
    int answer(lws *wsi);
    void forget(lws *wsi);
    void drop_body(Request &request);

    std::string unable() const;  // why nothing is taken now; empty: it is
    void pump();
    void tick();

    LwsLoop &loop_;
    Doorkeeper &door_;
    CountingWriter &writer_;
    Counters &counters_;
    const Options options_;
    std::function<void()> changed_;
    LwsLoop::Timer pump_timer_, write_timer_, tick_timer_;
    BatchParser parser_;
    std::unordered_map<lws *, Request> requests_;
    std::deque<Standing> standing_;     // by position
    std::deque<Waiting> waiting_;       // by position
    std::map<int, Throttle> refusals_;  // by status
    std::size_t answering_ = 0, body_bytes_ = 0;
    bool stopping_ = false;
};

}  // namespace ble
