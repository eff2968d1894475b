// A number that a tool may not know, or not yet. Not known is different from 0. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace ble {

class Reading {
  public:
    Reading &operator=(std::uint64_t number) {
        number_ = number;
        return *this;
    }
    // What is not known is 0 before that.
    Reading &operator+=(std::uint64_t more) {
        std::uint64_t none = unknown;
        number_.compare_exchange_strong(none, 0);
        number_ += more;
        return *this;
    }
    Reading &operator++() { return *this += 1; }

    std::optional<std::uint64_t> get() const {
        const std::uint64_t number = number_;
        return number != unknown ? std::optional(number) : std::nullopt;
    }

  private:
    static constexpr std::uint64_t unknown = UINT64_MAX;
    std::atomic<std::uint64_t> number_{unknown};
};

}  // namespace ble
