// Beacon formats inside advertising data: iBeacon, AltBeacon, Eddystone UID, URL, TLM (plain and encrypted) and EID.
#pragma once

#include <array>
#include <string>

#include "radio/air/ad_structure.hpp"

namespace ble {

enum class BeaconKind { ibeacon, altbeacon, eddystone_uid, eddystone_url, eddystone_tlm, eddystone_eid };
constexpr std::size_t beacon_kinds = 6;

// "ibeacon", "altbeacon", "eddystone_uid" …
std::string_view beacon_name(BeaconKind kind);

// The newest frame of each kind as the text of a JSON object, empty: none was heard. One advertiser may send several.
//   ibeacon        uuid, major, minor, tx_power (dBm measured at 1 m)
//   altbeacon      uuid, major, minor (the 20 bytes of the beacon id), tx_power (at 1 m), reserved (hex)
//   eddystone_uid  tx_power (dBm at 0 m), namespace, instance (hex)
//   eddystone_url  tx_power (at 0 m), url
//   eddystone_tlm  voltage_mv, temperature_c (null: not measured), advertisements, uptime_s; encrypted: etlm, salt, mic (hex)
//   eddystone_eid  tx_power (at 0 m), eid (hex)
using Beacons = std::array<std::string, beacon_kinds>;

void read_beacons(const Advertisement &advertisement, Beacons &beacons);

}  // namespace ble
