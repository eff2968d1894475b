// Error: "cannot go on". Thrown anywhere, caught once, in run_tool(). Expected trouble (a bad line, a lost link)
// is a value instead.
#pragma once

#include <stdexcept>
#include <string>

#include "base/exit_code.hpp"

namespace ble {

class Error : public std::runtime_error {
  public:
    // `text` says what failed, on what, why, and what the user can do: "unable to X: reason".
    Error(ExitCode code, const std::string &text) : std::runtime_error(text), code_(code) {}

    ExitCode code() const noexcept { return code_; }

  private:
    ExitCode code_;
};

// The reader of our standard output is gone (`| head`): ends the tool with 74 and without a message.
class ReaderGone : public Error {
  public:
    ReaderGone() : Error(ExitCode::io, "the reader of standard output is gone") {}
};

// Error from errno: "unable to WHAT: strerror".
Error system_error(const std::string &what, ExitCode code = ExitCode::system);

}  // namespace ble
