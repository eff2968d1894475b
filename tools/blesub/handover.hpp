// From messages to lines of standard output, and to the answer whether they are safe there.
#pragma once

#include <cstdint>
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

// All are borrowed.
class Handover {
  public:
    enum class Believes {
        anybody,
        topic,  // the last level of the topic is the device that a line may be of, and the sender that is written behind it
    };
    // `on_safe` is called by settle() with a message's topic and lines when they are safe, those that are batches or gap lines; it may
    // be empty.
    using OnSafe = std::function<void(std::string_view topic, std::vector<NamedLine> lines)>;
    Handover(CountingWriter &writer, RejectFile &rejects, Counters &counters, Believes believes,
             OnSafe on_safe)
        : writer_(writer),
          rejects_(rejects),
          counters_(counters),
          believes_(believes),
          on_safe_(std::move(on_safe)) {}

    // Takes the message's batches, one a line. A line that is longer than a line may be, names its own sender, or is not of the topic's
    // device goes to the reject file; a message without any other is safe at once, as is a confirmation, which a wildcard may bring here.
    void take(std::string_view topic, std::string_view payload);

    // Writes what the reader has room for. True: all that was taken is safe.
    bool settle();
    std::uint64_t waiting() const { return lines_; }  // lines that are not safe yet

  private:
    std::optional<std::string> fault_of(std::string_view topic, const ParsedLine &parsed) const;

    CountingWriter &writer_;
    RejectFile &rejects_;
    Counters &counters_;
    Believes believes_;
    OnSafe on_safe_;
    BatchParser parser_;

    // Taken and not safe yet.
    struct Message {
        std::string topic;
        std::vector<NamedLine> named;
    };
    std::uint64_t position_ = 0, lines_ = 0;
    std::optional<Time> newest_;
    std::vector<Message> messages_;  // with on_safe_
};

}  // namespace ble
