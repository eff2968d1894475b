// --doctor for questions about a database: can it be read, and is its data recent?
#pragma once

#include <string>

#include "batch/finding.hpp"
#include "server/workers.hpp"

namespace ble {

// "database": asks `workers` how the Pis are, as a client would. `db`: its path or URI. A file that is not there yet is a warning, since
// the rest is served. Blocks until the answer is there, or their limit has passed.
Finding examine_history(Workers::Options workers, const std::string &db);

}  // namespace ble
