// Finds out which protocol a port without TLS speaks, if it is not the expected one. Each is tried in a connection of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace ble {

enum class Spoken { unknown, http, mqtt };

// A connection to a numeric address, not blocking. Empty: there is none before `end`.
UniqueFd dial(const std::string &address, std::uint16_t port, std::chrono::steady_clock::time_point end);

// True: poll(2) has told of `events` before `end`.
bool wait_for(int fd, short events, std::chrono::steady_clock::time_point end);

// An HTTP request that any server answers.
std::string http_question(const std::string &host);

// Blocks until `end` at most.
Spoken ask_in_plain(const std::string &address, std::uint16_t port,
                    std::chrono::steady_clock::time_point end);

}  // namespace ble
