#include <algorithm>

#include "catch.hpp"

#include "radio/air/ad_structure.hpp"
#include "radio/bluez/device.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes data_of(const ble::BluezDevice &device) {
    Bytes data;
    device.advertising_data(data);
    return data;
}

}  // namespace

TEST_CASE("what BlueZ tells of a device is read like an advertisement") {
    ble::BluezDevice device;
    const Bytes one{1, 2, 3}, power{0xf9}, name{'t', 'a', 'g'};
    device.add_manufacturer_data(0x004c, one);
    device.add_service_data("0000feaa-0000-1000-8000-00805f9b34fb", one);
    device.add_service_data("12345678-0000-1000-8000-00805F9B34FB", one);
    device.add_service_uuid("0000180f-0000-1000-8000-00805f9b34fb");
    device.add_service_uuid("fb349b5f-8000-0080-0010-00000fff0000");
    device.add(ble::DevicePart::tx_power, 0x0a, power);
    device.add(ble::DevicePart::local_name, 0x09, name);
    const Bytes data = data_of(device);
    ble::Advertisement read;
    ble::read_advertisement(data, read);
    CHECK(read.local_name == "tag");
    CHECK(read.tx_power_dbm == -7);
    REQUIRE(read.service_uuids.size() == 2);
    CHECK(read.service_uuids[0] == ble::expand_uuid(0x180f));
    CHECK(ble::format_uuid(read.service_uuids[1]) == "fb349b5f-8000-0080-0010-00000fff0000");
    REQUIRE(read.service_data.size() == 2);
    CHECK(read.service_data[0].uuid == ble::expand_uuid(0xfeaa));
    CHECK(read.service_data[1].uuid == ble::expand_uuid(0x12345678));
    REQUIRE(read.manufacturer_data.size() == 1);
    CHECK(read.manufacturer_data[0].company_id == 0x4c);
    CHECK(std::ranges::equal(read.manufacturer_data[0].data, one));
}

TEST_CASE("what fits in no AD structure is left out, and a part is bounded") {
    ble::BluezDevice device;
    device.add_manufacturer_data(1, Bytes(253));
    for (const auto *text :
         {"", "feaa", "0000feaa-0000-1000-8000-00805f9b34fx", "0000feaa00000-1000-8000-00805f9b34fb"})
        device.add_service_uuid(text);
    CHECK(data_of(device).empty());
    for (std::uint16_t i = 0; i < 1000; ++i) device.add_manufacturer_data(i, Bytes(252));
    CHECK(data_of(device).size() == 1536);
    device.clear(ble::DevicePart::manufacturer_data);
    CHECK(data_of(device).empty());
}

TEST_CASE("of very many devices those heard last are kept") {
    ble::BluezDevices devices;
    constexpr std::uint64_t all = 100'000, most = ble::BluezDevices::most;
    for (std::uint64_t key = 0; key < all; ++key) {
        devices.get(key);
        devices.get(0);  // one that is heard all the time
    }
    CHECK(devices.size() == most);
    CHECK(devices.find(0) != nullptr);
    CHECK(devices.find(all - most + 1) != nullptr);
    CHECK(devices.find(all - most) == nullptr);
    devices.erase(0);
    CHECK(devices.find(0) == nullptr);
    CHECK(devices.size() == most - 1);
}
