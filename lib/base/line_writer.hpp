// Writes lines to a descriptor that is borrowed, blocking, for tools whose output carries no promise.
#pragma once

#include <string>
#include <string_view>

namespace ble {

class LineWriter {
  public:
    explicit LineWriter(int fd) : fd_(fd) {}

    // Appends the line and its LF; written at the latest when 64 KiB have gathered. ReaderGone when the reader is
    // gone, Error(io) when writing fails. Copes with O_NONBLOCK set by others.
    void line(std::string_view text);
    void flush();

  private:
    int fd_;
    std::string buffer_;
};

}  // namespace ble
