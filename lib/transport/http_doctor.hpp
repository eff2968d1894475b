// --doctor for the way to an HTTP server: which steps work, and what to type for the first one that does not.
#pragma once

#include "batch/finding.hpp"
#include "transport/http.hpp"

namespace ble {

// For each server: "name" (its address is found), "server" (/health is answered as a backend does; else what is at this port), "key" (it accepts
// ours). Nothing is posted: with a wrong key blerecv refuses every other path as well; other servers may not. Takes up to
// `options.timeout` for each question, and 5 s for the look at a port that is another one.
Findings examine_http_servers(const HttpOptions &options);

}  // namespace ble
