// Questions about a database by HTTP, which workers (blequery --serve) answer: a line each. The same question is asked once for
// all who wait for it, and its answer is reused for a moment, so that a hundred dashboards cost as much as one.
//
// One thread, and any loop, as Workers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/lws_http.hpp"
#include "server/workers.hpp"

namespace ble {

class History {
  public:
    using Clock = std::chrono::steady_clock;
    using Arguments = std::vector<std::pair<std::string, std::string>>;  // names and values of a URL's query
    using Ticket = std::uint64_t;
    struct Answer {
        int status;
        std::string body;    // JSON
        std::string packed;  // the same as gzip data; empty: not worth it
        std::string tag;     // of a 200: names this body, as ETag wants it (weak)
    };
    using Ready = std::function<void(std::shared_ptr<const Answer>)>;
    static constexpr std::chrono::seconds fresh{2};
    static constexpr std::size_t most_kept = 8 << 20;  // bytes of answers that are good for a moment
    static constexpr int usual_rows = 1000, most_rows = 10'000;

    explicit History(Workers::Options options) : workers_(std::move(options)) {}

    // What `name` ("track") and its arguments ask, as a line for a worker; or why they ask nothing.
    static std::variant<std::string, HttpReply> question_of(std::string_view name,
                                                            const Arguments &arguments);

    // `ready` is called by step(), or at once when the answer is known.
    Ticket ask(const std::string &question, Ready ready);
    // Its `ready` is not called any more. A question for which nobody waits is dropped, unless it has begun.
    void forget(Ticket ticket);

    int fd() const { return workers_.fd(); }
    void step() { workers_.step(); }

  private:
    struct Asked {
        Workers::Ticket ticket = 0;
        std::map<Ticket, Ready> waiting;
        std::shared_ptr<const Answer> answer;  // null: on its way
        Clock::time_point at;                  // of the answer
    };
    void answered(const std::string &question, Workers::Outcome outcome, std::string line);
    void tidy();

    Workers workers_;
    std::map<std::string, Asked> asked_;
    std::map<Ticket, std::string> questions_;  // of those that wait
    Ticket last_ = 0;
};

}  // namespace ble
