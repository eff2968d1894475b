// Reads a descriptor through one fixed buffer, so that memory does not depend on the length of the input. What is compressed by gzip
// (RFC 1952) is unpacked on the way; that shows in its first two bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ble {

class Gunzip;

class ByteSource {
  public:
    static constexpr std::size_t buffer_size = std::size_t{512}
                                               << 10;  // also the most that need() gives at once

    // Blocks until `fd` is readable; false: give up, as if the input ended here.
    using WaitReadable = std::function<bool(int fd)>;

    // `fd` is borrowed; `name` is for messages. Empty `wait`: read(2) itself blocks.
    ByteSource(int fd, std::string name, WaitReadable wait = {});

    ByteSource(ByteSource &&) noexcept;
    ~ByteSource();

    // The next `bytes` bytes, without taking them; nullptr when the input ends before. Valid until the next need().
    // Error(io) when reading fails.
    const std::uint8_t *need(std::size_t bytes);
    // Takes bytes that need() has shown.
    void take(std::size_t bytes) { start_ += bytes; }
    // Takes any number of bytes; false when the input ends before.
    bool skip(std::uint64_t bytes);

    std::size_t available() const { return end_ - start_; }  // bytes in the buffer
    std::uint64_t offset() const { return read_ - available(); }
    // Bytes that were read of the input itself, compressed or not.
    std::uint64_t read_of_input() const { return read_of_input_; }
    bool given_up() const { return given_up_; }
    // What is wrong with the compressed input, as in "ends inside its gzip data"; the bytes before that were right. Empty: nothing.
    const std::string &damage() const { return damage_; }
    const std::string &name() const { return name_; }

  private:
    bool fill();
    std::size_t read(std::uint8_t *into, std::size_t size);
    std::size_t unpack(std::uint8_t *into, std::size_t size);

    int fd_;
    std::string name_;
    WaitReadable wait_;
    std::vector<std::uint8_t> buffer_;
    std::size_t start_ = 0, end_ = 0;
    std::uint64_t read_ = 0, read_of_input_ = 0;
    std::unique_ptr<Gunzip> gunzip_;  // once the input has turned out to be compressed
    std::string damage_;
    bool begun_ = false, ended_ = false, given_up_ = false;
};

}  // namespace ble
