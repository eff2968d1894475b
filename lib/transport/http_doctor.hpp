// --doctor of what speaks to an HTTP server: how far the leg goes, step by step, and what to type where it ends.
#pragma once

#include "batch/finding.hpp"
#include "transport/http.hpp"

namespace ble {

// For each server: "name" (its address is found), "server" (/health is answered as a backend does; else what is at this port), "key" (it lets
// us in). Nothing is posted: with a wrong key blerecv refuses every other path as well, which is not known of another server. Takes up to
// `options.timeout` for each question, and 5 s for the look at a port that is another one.
Findings examine_http_servers(const HttpOptions &options);

}  // namespace ble
