// --doctor for a store: is it there and ours, and can it be written?
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "batch/finding.hpp"

namespace ble {

// `name` as make_store() has it, and one that it takes. "database" (it opens, and is of our version), "writable" (a transaction that is
// rolled back), "newest" (how old the newest batch is), and of a file "space". Makes and changes nothing. Waits up to 15 s for a server.
Findings examine_store(const std::string &name);

// For the databases' rooms. Runs `work`, and says what came of it: the text that it gives, or of its Error.
Finding attempt(const char *check, const std::string &advice, const std::function<std::string()> &work);
// Milliseconds since 1970; none: no batch is stored.
Finding judge_newest(std::optional<std::int64_t> newest_ms);

}  // namespace ble
