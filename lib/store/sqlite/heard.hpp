// RSSI, zone and count of a detection as the table `detections` keeps them.
#pragma once

#include <cstdint>
#include <optional>

namespace ble {

// rssi_dbm: -128 to 127; zone: 0 near, 1 medium, 2 far. Of no more than 62 reports, the number has two bytes in the file.
inline std::int64_t heard_of(int rssi_dbm, std::int64_t zone, std::optional<std::uint32_t> count) {
    const std::int64_t told = count ? std::int64_t{*count} + 1 : 0;
    return (told * 4 + zone) * 256 + rssi_dbm + 128 - 32768;
}

}  // namespace ble
