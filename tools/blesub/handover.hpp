// From a message to lines of standard output, and to the answer whether they are safe there.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "base/counters.hpp"
#include "base/counting_writer.hpp"
#include "batch/reject_file.hpp"

namespace ble {

// All are borrowed, and used by the one thread that calls take().
class Handover {
  public:
    Handover(CountingWriter &writer, RejectFile &rejects, Counters &counters)
        : writer_(writer), rejects_(rejects), counters_(counters) {}

    // Writes the message's batches, one a line, and waits until the writer calls the last of them committed. False: the
    // reader is gone, writing failed, or `stop_fd` became readable. A batch longer than a line may be goes to the reject
    // file; a message without any batch is safe at once.
    bool take(std::string_view payload, int stop_fd);

    // Did take() return false because of the output? From any thread; why() is settled before failed() is true.
    bool failed() const { return failed_; }
    const std::string &why() const { return writer_.why(); }

  private:
    CountingWriter &writer_;
    RejectFile &rejects_;
    Counters &counters_;
    std::atomic<bool> failed_{false};
};

}  // namespace ble
