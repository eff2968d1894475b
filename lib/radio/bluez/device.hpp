// What BlueZ knows of an advertiser (org.bluez.Device1), kept as the AD structures it came from, so that a report over
// D-Bus can be read like one from a controller.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "radio/air/address.hpp"

namespace ble {

// Where bluetoothd has its adapters: "/org/bluez/hci0".
inline constexpr std::string_view bluez_root = "/org/bluez/";
// The path of the adapter that an object is, or belongs to; empty: it is no such object.
std::string_view bluez_adapter(std::string_view path);
// The address in a device's path, "/org/bluez/hci0/dev_C0_11_22_33_44_01", of a type not known; empty: another object.
std::optional<Address> bluez_address(std::string_view path);

// A Device1 property that comes from advertising data. In the order they are put together.
enum class DevicePart : std::uint8_t {
    flags,
    service_uuids,
    local_name,
    tx_power,
    appearance,
    manufacturer_data,
    service_data,
    other,
};

class BluezDevice {
  public:
    BluezDevice() = default;
    explicit BluezDevice(const Address &of) : address(of) {}

    Address address;
    std::int8_t rssi_dbm = 127;  // the last that was told of; 127: not available

    // A signal replaces whole properties: clear the part, then add to it. What fits in no AD structure (254 bytes) or
    // is no UUID is left out; a part ends at 1650 bytes, the longest advertising data there is.
    void clear(DevicePart part) { at(part).clear(); }
    void add(DevicePart part, std::uint8_t ad_type, std::span<const std::uint8_t> data);
    void add_service_uuid(std::string_view uuid);
    void add_service_data(std::string_view uuid, std::span<const std::uint8_t> data);
    void add_manufacturer_data(std::uint16_t company_id, std::span<const std::uint8_t> data);

    // All parts, one after the other, into `out`.
    void advertising_data(std::vector<std::uint8_t> &out) const;

  private:
    using Bytes = std::vector<std::uint8_t>;
    Bytes &at(DevicePart part) { return parts_[static_cast<std::size_t>(part)]; }

    std::array<Bytes, 8> parts_;
};

// The devices heard last. Bounded: who has not been heard for longest makes room.
class BluezDevices {
  public:
    static constexpr std::size_t most = 4096;

    BluezDevice *find(std::uint64_t key);  // nullptr: not there; else it is now the last heard
    BluezDevice &get(std::uint64_t key);   // makes it when it is not there; valid until the next get()
    void erase(std::uint64_t key);
    void clear();
    std::size_t size() const { return places_.size(); }

  private:
    using Entry = std::pair<std::uint64_t, BluezDevice>;
    std::list<Entry> devices_;  // the last heard first
    std::unordered_map<std::uint64_t, std::list<Entry>::iterator> places_;
};

}  // namespace ble
