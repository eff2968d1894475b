// Hashes, by libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ble {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view text);
// HMAC-SHA-256 (RFC 2104) of `text` under `key`.
Sha256 hmac_sha256(std::string_view key, std::string_view text);
// Are they equal? In constant time: it does not depend on where they differ, nor on the length of the other.
bool equal_secrets(std::string_view one, std::string_view other);
// Lower-case hexadecimal, two digits a byte.
std::string hex(std::span<const std::uint8_t> bytes);
// 64 random bits from the system, 16 lower-case hex digits: a run_id.
std::string random_id();
// 256 random bits, 64 lower-case hex digits: a key.
std::string random_key();

}  // namespace ble
