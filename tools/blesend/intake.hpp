// Intake moves lines from the input to the spool. A line is consumed only once it is in the spool: what has not been
// taken is still in the pipe when this process dies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "base/looking_reader.hpp"
#include "batch/batch.hpp"
#include "batch/reject_file.hpp"
#include "spool/spool.hpp"

namespace ble {

class Intake {
  public:
    // Borrows all. Ends after `limit` batches; 0: at the end of input.
    Intake(LookingReader &reader, Spool &spool, RejectFile &reject, Counters &counters, std::uint64_t limit);

    // Looks at the input when nothing is in hand, and gives the spool what it takes. Never blocks.
    void take(WhenFull when_full);
    // Lines are in hand that the spool has no room for: the input is not looked at.
    bool blocked() const { return given_ < lines_.size(); }
    // The end of input, the limit or stop() was reached: nothing more will come.
    bool finished() const { return finished_; }
    bool reached_limit() const { return limit_ != 0 && counters_.in >= limit_; }
    // Takes no more. What the spool did not take stays in the pipe.
    void stop();
    // Mean time from batch to batch, of late; empty until three intervals are known.
    std::optional<std::chrono::duration<double>> pace() const;

  private:
    using Clock = std::chrono::steady_clock;
    void look();
    void sort(const Line &line, std::size_t index);
    void note_arrivals(std::size_t count);

    LookingReader &reader_;
    Spool &spool_;
    RejectFile &reject_;
    Counters &counters_;
    std::uint64_t limit_;
    BatchParser parser_;
    std::vector<std::string_view> lines_;  // valid ones of the last look, and gap lines for others…
    std::vector<std::size_t> indices_;     // …and their places in it
    std::vector<Rejected> rejected_;       // those of it that are not valid
    std::deque<std::string>
        own_;                // gap lines, and lines without their receiver's word: lines_ points into it
    std::size_t given_ = 0;  // so many of them are in the spool
    bool finished_ = false;
    std::optional<Clock::time_point> last_arrival_;
    double interval_s_ = 0;
    unsigned intervals_ = 0;
};

}  // namespace ble
