// Who sent a line, as the receiver that let the sender in knows it: "key pi-lab-1", "mqtt pi-lab-1". It travels as the last member of
// the line, behind what the sender wrote:
//
//     {"format":1,"device_id":"pi-lab-1",…,"sender":"key pi-lab-1"}
//
// Only a receiver may add it: a receiver refuses a line that already has the member, and blesend removes it.
#pragma once

#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "batch/batch.hpp"

namespace ble {

// `line` is a JSON object with at least one member. Of `sender` 128 characters at most count; what is not printable ASCII, and
// '"' and '\\', become '?'. At most sender_room bytes longer than `line`.
std::string with_sender(std::string_view line, std::string_view sender);

// Does a valid line have the member?
bool has_sender(const ParsedLine &parsed);

// The line as its sender wrote it, byte for byte.
std::string without_sender(std::string_view line);

// SHA-256 of the line as its sender wrote it: names a batch that has no other name, and tells two of one name apart.
Sha256 content_digest(std::string_view line);

}  // namespace ble
