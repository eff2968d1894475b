// From a message to lines of standard output, and to the answer whether they are safe there.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/counters.hpp"
#include "base/counting_writer.hpp"
#include "batch/batch.hpp"
#include "batch/confirmation.hpp"
#include "batch/reject_file.hpp"

namespace ble {

// All are borrowed, and used by the one thread that calls take().
class Handover {
  public:
    enum class Believes {
        anybody,
        topic,  // the last level of the topic is the device that a line may be of, and the sender that is written behind it
    };
    // `on_safe` is called with a message's topic and lines when they are safe, those that are batches or gap lines; it may be
    // empty.
    using OnSafe = std::function<void(std::string_view topic, std::vector<NamedLine> lines)>;
    Handover(CountingWriter &writer, RejectFile &rejects, Counters &counters, Believes believes,
             OnSafe on_safe)
        : writer_(writer),
          rejects_(rejects),
          counters_(counters),
          believes_(believes),
          on_safe_(std::move(on_safe)) {}

    // Writes the message's batches, one a line, and waits until the writer calls the last of them committed. False: the
    // reader is gone, writing failed, or `stop_fd` became readable. A line that is longer than a line may be, names its own
    // sender, or is not of the topic's device goes to the reject file; a message without any other is safe at once, as is a
    // confirmation, which a wildcard may bring here.
    bool take(std::string_view topic, std::string_view payload, int stop_fd);

    // Did take() return false because of the output? From any thread; why() is settled before failed() is true.
    bool failed() const { return failed_; }
    const std::string &why() const { return writer_.why(); }

  private:
    std::optional<std::string> fault_of(std::string_view topic, const ParsedLine &parsed) const;

    CountingWriter &writer_;
    RejectFile &rejects_;
    Counters &counters_;
    Believes believes_;
    OnSafe on_safe_;
    BatchParser parser_;
    std::atomic<bool> failed_{false};
};

}  // namespace ble
