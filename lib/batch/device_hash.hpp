// The pseudonym of an advertiser, blepipe-batch(5): 64 lower-case hexadecimal digits. A value; it allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string_view>

namespace ble {

class DeviceHash {
  public:
    static constexpr std::size_t length = 64;
    using Digits = std::array<char, length>;

    DeviceHash() { digits_.fill('0'); }
    // They are what they have to be: who makes one sees to that.
    explicit DeviceHash(const Digits &digits) : digits_(digits) {}
    // Throws std::length_error when they are not 64.
    explicit DeviceHash(std::string_view digits) {
        if (digits.size() != length) throw std::length_error("a device_hash has 64 digits");
        std::copy_n(digits.data(), length, digits_.data());
    }

    std::string_view text() const { return {digits_.data(), length}; }  // lives as long as this
    bool operator==(const DeviceHash &) const = default;

  private:
    Digits digits_;
};

}  // namespace ble

template <>
struct std::hash<ble::DeviceHash> {
    std::size_t operator()(const ble::DeviceHash &one) const {
        return std::hash<std::string_view>()(one.text());
    }
};
