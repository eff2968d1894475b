// --doctor of what speaks to an HTTP server: how far the leg goes, step by step, and what to type where it ends.
#pragma once

#include "batch/finding.hpp"
#include "transport/http.hpp"

namespace ble {

// For each server: "name" (its address is found), "server" (/health is answered as a backend does), "key" (it lets us in). Nothing is
// posted: with a wrong key blerecv refuses every other path as well. Takes up to `options.timeout` for each question.
Findings examine_http_servers(const HttpOptions &options);

}  // namespace ble
