#include "blesub/handover.hpp"

#include "base/limits.hpp"
#include "batch/message.hpp"
#include "batch/sender.hpp"
#include "batch/topic.hpp"

namespace ble {

void Handover::take(std::string_view topic, std::string_view payload) {
    if (is_confirmation_topic(topic) && parse_confirmation(payload)) return;
    const std::string sender = "mqtt " + std::string(last_level(topic));
    std::vector<NamedLine> named;
    std::vector<Rejected> bad;
    // Who has a topic of its own has a share of the reject file only.
    const auto from = believes_ == Believes::topic ? std::optional(sender) : std::nullopt;
    const auto lines = split_message(payload);
    for (const auto &line : lines) {
        ++counters_.in;
        if (line.size() > max_line) {
            bad.push_back({line, "longer than " + std::to_string(max_line) + " bytes", from});
            continue;
        }
        const ParsedLine parsed = parser_.parse(line);
        if (auto fault = fault_of(topic, parsed)) {
            bad.push_back({line, std::move(*fault), from});
            continue;
        }
        position_ = writer_.take_line(believes_ == Believes::topic ? with_sender(line, sender) : line);
        ++lines_;
        if (const auto *batch = std::get_if<ParsedBatch>(&parsed); batch != nullptr && batch->batch.timestamp)
            newest_ = batch->batch.timestamp;
        if (!on_safe_) continue;
        if (auto name = name_line(parsed, line)) named.push_back(std::move(*name));
    }
    rejects_.add(bad);
    counters_.rejected += bad.size();
    if (on_safe_) messages_.push_back({std::string(topic), std::move(named)});
}

bool Handover::settle() {
    writer_.pump();
    if (writer_.committed() < position_) return false;
    counters_.out += std::exchange(lines_, 0);
    counters_.note_window(std::exchange(newest_, std::nullopt));
    for (auto &message : std::exchange(messages_, {})) on_safe_(message.topic, std::move(message.named));
    return true;
}

// Why a line is set aside; empty: it may pass.
std::optional<std::string> Handover::fault_of(std::string_view topic, const ParsedLine &parsed) const {
    if (has_sender(parsed)) return "it has a member \"sender\", which only blesub and blerecv may write";
    if (believes_ == Believes::anybody) return {};
    const std::string by = "topic " + std::string(topic) + " ";
    if (const auto *invalid = std::get_if<InvalidLine>(&parsed))
        return by + "may carry batches of its own device only, and the device of this line is not known: " +
               invalid->reason;
    if (device_of(parsed) == last_level(topic)) return {};
    return by + "may not carry batches of " + std::string(device_of(parsed));
}

}  // namespace ble
