// Writes lines to standard output and knows how many of them the reader has consumed: the pipe is the acknowledgement.
//
// Pipe: a line is committed when none of its bytes are in the pipe any more (FIONREAD). Regular file: after fdatasync.
// Terminal, /dev/null and other character devices: after the write. Anything else (a socket) is Error(config): FIONREAD says nothing there.
// The descriptor is borrowed and its flags are never changed. No member blocks. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace ble {

class CountingWriter {
  public:
    enum class Promise {
        committed,  // the above; a pipe is raised to 1 MiB, or Error(system) names the sysctl
        written,    // a line counts as committed once it is written (--ack received); any descriptor will do
    };
    CountingWriter(int fd, Promise promise);

    // Takes a line (without LF) and returns its position, to be compared with committed(). Writes nothing yet: pump() does.
    // Positions grow; a line is committed when committed() >= its position.
    std::uint64_t take_line(std::string_view line);
    // Writes what fits of the lines taken, and looks at what was consumed. Call when event_fd() is readable. ReaderGone is never
    // thrown: see gone().
    void pump();

    std::uint64_t committed() const { return committed_; }
    std::uint64_t position() const { return taken_; }   // of the last line taken
    bool idle() const { return committed_ >= taken_; }  // all is committed
    std::size_t unwritten() const {
        return pending_.size() - pending_start_;
    }                                    // bytes taken and not yet written
    bool gone() const { return gone_; }  // the reader hung up, or writing failed for good: why()
    const std::string &why() const { return why_; }

    // Readable on each consumption and on hang-up. Readers that use plain read(2) and old kernels do not always wake it: while !idle(),
    // also call pump() at growing intervals of up to 100 ms; wait_hint() says which. Never readable if this is no pipe.
    int event_fd() const { return epoll_.get(); }
    std::chrono::microseconds wait_hint();

  private:
    enum class Kind { pipe, file, device, other };
    void write_pending();
    void refresh(bool told);  // by the descriptor, that something was consumed
    void lose(const std::string &why);

    int fd_;
    Promise promise_;
    Kind kind_;
    UniqueFd epoll_;
    std::string pending_;
    std::size_t pending_start_ = 0;
    std::uint64_t taken_ = 0, written_ = 0, committed_ = 0;
    bool gone_ = false;
    std::string why_;
    std::chrono::microseconds hint_;
};

}  // namespace ble
