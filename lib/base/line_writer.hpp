// Writes lines to a borrowed descriptor and waits for its reader. For tools that promise nothing about their output.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace ble {

class LineWriter {
  public:
    // Before each wait for the reader `stopping` is called; true limits the waiting. A wait ends when `stop_fd` is
    // readable.
    explicit LineWriter(int fd, int stop_fd = -1, std::function<bool()> stopping = {});

    // Appends the line and its LF, after a LF of its own when the pipe was not empty at the start; written at the latest when 64 KiB have gathered. ReaderGone when the reader is gone,
    // Error(io) when writing fails, or when asked to stop and the reader does not take the rest within a second. Others
    // may have set O_NONBLOCK.
    void line(std::string_view text);
    void flush();

  private:
    void write_some(std::string_view &rest);
    void wait_for_reader();

    int fd_, stop_fd_;
    std::function<bool()> stopping_;
    bool file_ = false, torn_before_ = false;
    std::string buffer_;
};

}  // namespace ble
