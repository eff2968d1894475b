// Unpacks a stream of gzip data (RFC 1952), of one member or several, in pieces of any size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ble {

class Gunzip {
  public:
    // `start`: what has been read already; copied. Error(system) when there is no memory.
    explicit Gunzip(std::span<const std::uint8_t> start);
    ~Gunzip();

    // Unpacks at most `size` bytes; 0: it wants more input, or is damaged().
    std::size_t unpack(std::uint8_t *into, std::size_t size);
    // Where more input goes, when unpack() gave 0; then fed() says how much came.
    std::span<std::uint8_t> room();
    void fed(std::size_t bytes);

    bool damaged() const { return damaged_; }
    // Would the input end well here?
    bool complete() const { return complete_; }

  private:
    struct Stream;
    std::unique_ptr<Stream> stream_;
    std::vector<std::uint8_t> input_;
    std::size_t start_ = 0, end_ = 0;
    bool complete_ = false, damaged_ = false;
};

}  // namespace ble
