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
// Lower-case hexadecimal, two digits a byte.
std::string hex(std::span<const std::uint8_t> bytes);
// 64 random bits from the system, 16 lower-case hex digits: a run_id.
std::string random_id();

}  // namespace ble
