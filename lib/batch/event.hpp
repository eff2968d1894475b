// Events: what bleingest prints, blews passes on and a dashboard gets. One JSON object a line: {"type":…,"data":…}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/timestamp.hpp"
#include "batch/batch.hpp"

namespace ble {

// Longest event in bytes, without LF: the longest line in its envelope.
constexpr std::size_t max_event = max_line + 64;

// `line`: a batch as it came, with all detections stored. Its bytes are the event's data, without the sender that a receiver
// added: only the backend needs that.
std::string detection_event(std::string_view line);
// A batch of which detections were rejected: the event holds the stored ones only, and no unknown members of the batch.
std::string detection_event(const Batch &stored);
// The same as several events where one would be longer than max_event: a line may grow when it is printed anew.
std::vector<std::string> detection_events(const Batch &stored);
// `line`: a gap line as it came.
std::string gap_event(std::string_view line);

std::string two_at_once_event(const Twins &twins);

// To one client. `status`: "connected".
// `history`: questions about what is stored are answered there.
std::string connection_status(std::string_view status, std::size_t clients, Time time, bool history = false);
// To one client that was too slow: how many events it missed.
std::string lagged(std::uint64_t missed);
// To one client whose message was refused: why.
std::string error_event(std::string_view reason);
// `counters`: a JSON object.
std::string stats_update(std::string_view counters);

}  // namespace ble
