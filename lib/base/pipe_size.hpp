// The size of pipes: large enough for the longest line, and for many lines in one transaction.
#pragma once

#include <cstddef>
#include <string>

namespace ble {

constexpr std::size_t pipe_capacity = 1u << 20;

// Raises the pipe to pipe_capacity, or leaves it when it is larger; returns its capacity in bytes. Error(system) naming
// the sysctl when the user's quota or the system's limit forbids it: a small pipe could never show a whole line.
std::size_t raise_pipe_size(int fd, const std::string &name);

// Is `fd` a pipe with bytes in it that nobody has read yet? Then a writer that begins writes a LF first: the writer before it
// may have been killed in the middle of a line, and a torn line must not join a good one.
bool has_leftovers(int fd);

// Bytes that can be written to `fd` (no regular file) now without blocking, when nobody else writes to it; 0: none, wait
// for POLLOUT. After a hang-up it is not 0: write(2) then says why.
std::size_t room_now(int fd);

}  // namespace ble
