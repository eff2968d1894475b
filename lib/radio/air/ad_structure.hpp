// Advertising data: the AD structures (Core Specification Supplement, Part A) inside a report.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

using Uuid = std::array<std::uint8_t, 16>;  // most significant byte first

// The 128-bit form of a 16- or 32-bit UUID.
Uuid expand_uuid(std::uint32_t short_uuid);
// "0000feaa-0000-1000-8000-00805f9b34fb"
std::string format_uuid(const Uuid &uuid);

struct ManufacturerData {
    std::uint16_t company_id;
    std::span<const std::uint8_t> data;  // without the company identifier
};

struct ServiceData {
    Uuid uuid;
    std::span<const std::uint8_t> data;
};

// What one report's data says. Spans and views point into it.
struct Advertisement {
    std::optional<std::string_view> local_name;  // up to its first NUL; any bytes, never empty
    bool name_complete = false;                  // false: the shortened name
    std::optional<std::uint8_t> flags;
    std::optional<std::int8_t> tx_power_dbm;
    std::optional<std::uint16_t> appearance;
    std::vector<Uuid> service_uuids;
    std::vector<ManufacturerData> manufacturer_data;
    std::vector<ServiceData> service_data;
};

// Reads the AD structures into `out`, whose buffers are reused. Tolerant: a structure of length zero is padding and
// skipped, one that is too short for its type is skipped, one that runs past the end ends the reading.
void read_advertisement(std::span<const std::uint8_t> data, Advertisement &out);

}  // namespace ble
