#include "bletop/input.hpp"

#include <unistd.h>

#include <utility>

#include "base/log.hpp"
#include "base/looking_reader.hpp"
#include "base/version.hpp"
#include "batch/event.hpp"
#include "transport/event_stream.hpp"

namespace ble {
namespace {

using namespace std::chrono_literals;

// Counts what a taker takes, and says once a minute what it does not.
class Judge {
  public:
    explicit Judge(Counters &counters) : counters_(counters) {}

    void take(std::string_view line, const char *fault, const Input::Taker &taker) {
        counters_.in++;
        if (fault == nullptr && taker(line)) {
            counters_.out++;
            return;
        }
        counters_.rejected++;
        if (!throttle_.due()) return;
        log_warning(std::string("a line is left out (") +
                    (fault == nullptr ? "neither an event nor a batch" : fault) + "): " + printable(line) +
                    " (" + std::to_string(counters_.rejected) + " so far)");
    }

  private:
    Counters &counters_;
    Throttle throttle_;
};

class PipeInput : public Input {
  public:
    explicit PipeInput(Counters &counters)
        : counters_(counters), judge_(counters), reader_(STDIN_FILENO, "standard input", max_event) {}

    int fd() const override { return ended_ ? -1 : reader_.event_fd(); }
    std::optional<Clock::time_point> due() const override {
        if (ended_) return {};
        return Clock::now() + 100ms;  // on old kernels an edge can be missed
    }
    bool take(const Taker &taker) override {
        if (ended_) return false;
        const auto &lines = reader_.look();
        for (const Line &line : lines) take(line, taker);
        const bool some = !lines.empty();
        reader_.consume();
        ended_ = reader_.ended();
        return some || ended_;
    }
    bool ended() const override { return ended_; }
    std::string status() const override { return ended_ ? "input ended" : "reading"; }

  private:
    void take(const Line &line, const Taker &taker) {
        const char *fault = line.kind == Line::Kind::oversize ? "longer than an event may be" : nullptr;
        const auto rejected = counters_.rejected.load();
        judge_.take(line.text, fault, taker);
        if (line.kind == Line::Kind::tail && counters_.rejected != rejected) counters_.torn++;
    }

    Counters &counters_;
    Judge judge_;
    LookingReader reader_;
    bool ended_ = false;
};

class StreamInput : public Input {
  public:
    StreamInput(const TopOptions &o, Counters &counters)
        : counters_(counters),
          judge_(counters),
          stream_({o.url, o.token, o.tls, std::string("bletop/") + program_version}) {}

    int fd() const override { return stream_.fd(); }
    std::optional<Clock::time_point> due() const override { return stream_.due(); }
    bool take(const Taker &taker) override {
        const auto events = stream_.step();
        for (const std::string &event : events) judge_.take(event, nullptr, taker);
        counters_.connected = stream_.connected() ? 1 : 0;
        const std::string before = std::exchange(status_, stream_.status());
        if (status_ != before) tell();
        return !events.empty() || status_ != before;
    }
    bool ended() const override { return false; }
    std::string status() const override { return status_; }

  private:
    // Each loss once, however often it is tried again for the same reason.
    void tell() {
        if (stream_.connected()) told_.clear();
        const auto reason = status_.substr(0, status_.find("; next try"));
        if (status_.starts_with("no connection") && std::exchange(told_, reason) != reason)
            log_warning(reason);
    }

    Counters &counters_;
    Judge judge_;
    EventStream stream_;
    std::string status_ = "connecting", told_;
};

}  // namespace

std::unique_ptr<Input> make_input(const TopOptions &options, Counters &counters) {
    if (options.url.empty()) return std::make_unique<PipeInput>(counters);
    return std::make_unique<StreamInput>(options, counters);
}

}  // namespace ble
