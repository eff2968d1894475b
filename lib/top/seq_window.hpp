// Which batches of a run have not come: from the numbers that have. Late ones are made good as far back as 64 numbers.
#pragma once

#include <cstdint>
#include <string>

namespace ble {

class SeqWindow {
  public:
    // A batch of this run has come. True: not before, as far as is known.
    bool add(const std::string &run_id, std::uint64_t seq);
    // In all runs, from the first number that came on.
    std::uint64_t missing() const { return missing_; }

  private:
    std::string run_id_;
    std::uint64_t last_ = 0, seen_ = 0;  // bit n: last_ - n has come
    std::uint64_t begun_ = 0;            // the first of this run: what is before it is not missed
    std::uint64_t missing_ = 0;
};

}  // namespace ble
