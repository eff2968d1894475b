// From a message to lines of standard output, and to the answer whether they are safe there.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/counters.hpp"
#include "base/counting_writer.hpp"
#include "batch/reject_file.hpp"

namespace ble {

// All are borrowed, and used by the one thread that calls take().
class Handover {
  public:
    // `on_safe` is called with a message's topic and lines when they are safe; it may be empty.
    using OnSafe = std::function<void(std::string_view topic, const std::vector<std::string> &lines)>;
    Handover(CountingWriter &writer, RejectFile &rejects, Counters &counters, OnSafe on_safe)
        : writer_(writer), rejects_(rejects), counters_(counters), on_safe_(std::move(on_safe)) {}

    // Writes the message's batches, one a line, and waits until the writer calls the last of them committed. False: the
    // reader is gone, writing failed, or `stop_fd` became readable. A batch longer than a line may be goes to the reject
    // file; a message without any batch is safe at once, as is a confirmation, which a wildcard may bring here.
    bool take(std::string_view topic, std::string_view payload, int stop_fd);

    // Did take() return false because of the output? From any thread; why() is settled before failed() is true.
    bool failed() const { return failed_; }
    const std::string &why() const { return writer_.why(); }

  private:
    CountingWriter &writer_;
    RejectFile &rejects_;
    Counters &counters_;
    OnSafe on_safe_;
    std::atomic<bool> failed_{false};
};

}  // namespace ble
