// AES-128 (FIPS 197), one block at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace ble {

class Aes128 {
  public:
    using Block = std::array<std::uint8_t, 16>;

    // `key`: in the order of FIPS 197, its most significant byte first. Copied; erased with the object.
    explicit Aes128(const Block &key);
    ~Aes128();
    Aes128(Aes128 &&) noexcept;
    Aes128 &operator=(Aes128 &&) noexcept;

    Block encrypt(const Block &plain) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
