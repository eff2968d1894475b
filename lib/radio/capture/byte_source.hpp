// Reads a descriptor through one fixed buffer, so that memory does not depend on the length of the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ble {

class ByteSource {
  public:
    static constexpr std::size_t buffer_size = std::size_t{512}
                                               << 10;  // also the most that need() gives at once

    // Blocks until `fd` is readable; false: give up, as if the input ended here.
    using WaitReadable = std::function<bool(int fd)>;

    // `fd` is borrowed; `name` is for messages. Empty `wait`: read(2) itself blocks.
    ByteSource(int fd, std::string name, WaitReadable wait = {});

    // The next `bytes` bytes, without taking them; nullptr when the input ends before. Valid until the next need().
    // Error(io) when reading fails.
    const std::uint8_t *need(std::size_t bytes);
    // Takes bytes that need() has shown.
    void take(std::size_t bytes) { start_ += bytes; }
    // Takes any number of bytes; false when the input ends before.
    bool skip(std::uint64_t bytes);

    std::size_t available() const { return end_ - start_; }  // bytes in the buffer
    std::uint64_t offset() const { return read_ - available(); }
    bool given_up() const { return given_up_; }
    const std::string &name() const { return name_; }

  private:
    bool fill();

    int fd_;
    std::string name_;
    WaitReadable wait_;
    std::vector<std::uint8_t> buffer_;
    std::size_t start_ = 0, end_ = 0;
    std::uint64_t read_ = 0;
    bool ended_ = false, given_up_ = false;
};

}  // namespace ble
