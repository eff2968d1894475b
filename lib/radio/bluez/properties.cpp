#include "radio/bluez/properties.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>

#include "radio/air/report.hpp"

namespace ble {

namespace {

class Malformed {};

// Throws Malformed for an error; true: there was something.
bool check(int result) {
    if (result < 0) throw Malformed();
    return result > 0;
}

std::string_view read_text(sd_bus_message *m) {
    const char *text = nullptr;
    check(sd_bus_message_read_basic(m, 's', &text));
    return text;
}

template <class Value>
Value read_value(sd_bus_message *m, char type) {
    Value value{};
    check(sd_bus_message_read_basic(m, type, &value));
    return value;
}

bool read_bool(sd_bus_message *m) {
    return read_value<int>(m, 'b') != 0;
}

std::span<const std::uint8_t> read_bytes(sd_bus_message *m) {
    const void *data = nullptr;
    std::size_t size = 0;
    check(sd_bus_message_read_array(m, 'y', &data, &size));
    return {static_cast<const std::uint8_t *>(data), size};
}

// Enters the variant that comes next when it has this type; else skips it.
template <class Read>
void read_variant(sd_bus_message *m, std::string_view wanted, Read read) {
    const char *contents = nullptr;
    char type = 0;
    check(sd_bus_message_peek_type(m, &type, &contents));
    if (type != 'v') throw Malformed();
    if (contents != wanted) {
        check(sd_bus_message_skip(m, "v"));
        return;
    }
    check(sd_bus_message_enter_container(m, 'v', contents));
    read();
    check(sd_bus_message_exit_container(m));
}

// For each entry of an array of dictionary entries: `read` reads all of it.
template <class Read>
void read_entries(sd_bus_message *m, const char *entry, Read read) {
    const std::string array = std::string("{") + entry + "}";
    check(sd_bus_message_enter_container(m, 'a', array.c_str()));
    while (check(sd_bus_message_enter_container(m, 'e', entry))) {
        read();
        check(sd_bus_message_exit_container(m));
    }
    check(sd_bus_message_exit_container(m));
}

bool guarded(const std::function<void()> &read) {
    try {
        read();
        return true;
    } catch (const Malformed &) {
        return false;
    }
}

// A byte, as a whole AD structure's data.
void add_byte(BluezDevice &device, DevicePart part, std::uint8_t ad_type, int value) {
    const auto byte = static_cast<std::uint8_t>(value);
    device.clear(part);
    device.add(part, ad_type, {&byte, 1});
}

void add_text(BluezDevice &device, std::string_view text) {
    device.clear(DevicePart::local_name);
    if (!text.empty())
        device.add(DevicePart::local_name, 0x09,
                   {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()});
}

void add_appearance(BluezDevice &device, std::uint16_t value) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8)};
    device.clear(DevicePart::appearance);
    device.add(DevicePart::appearance, 0x19, bytes);
}

template <class Read>
void read_texts(sd_bus_message *m, Read read) {
    check(sd_bus_message_enter_container(m, 'a', "s"));
    while (!check(sd_bus_message_at_end(m, 0))) read(read_text(m));
    check(sd_bus_message_exit_container(m));
}

void add_uuids(sd_bus_message *m, BluezDevice &device) {
    device.clear(DevicePart::service_uuids);
    read_texts(m, [&](std::string_view uuid) { device.add_service_uuid(uuid); });
}

void add_manufacturer_data(sd_bus_message *m, BluezDevice &device) {
    device.clear(DevicePart::manufacturer_data);
    read_entries(m, "qv", [&] {
        const auto company = read_value<std::uint16_t>(m, 'q');
        read_variant(m, "ay", [&] { device.add_manufacturer_data(company, read_bytes(m)); });
    });
}

void add_service_data(sd_bus_message *m, BluezDevice &device) {
    device.clear(DevicePart::service_data);
    read_entries(m, "sv", [&] {
        const auto uuid = read_text(m);
        read_variant(m, "ay", [&] { device.add_service_data(uuid, read_bytes(m)); });
    });
}

void add_other(sd_bus_message *m, BluezDevice &device) {
    device.clear(DevicePart::other);
    read_entries(m, "yv", [&] {
        const auto type = read_value<std::uint8_t>(m, 'y');
        read_variant(m, "ay", [&] { device.add(DevicePart::other, type, read_bytes(m)); });
    });
}

void read_device_property(sd_bus_message *m, std::string_view name, BluezDevice &device,
                          std::optional<std::int8_t> &rssi_dbm) {
    if (name == "RSSI") {
        read_variant(m, "n", [&] { rssi_dbm = known_dbm(read_value<std::int16_t>(m, 'n')); });
    } else if (name == "AddressType") {
        read_variant(m, "s", [&] {
            device.address.type =
                read_text(m) == "public" ? AddressType::public_device : AddressType::random_device;
        });
    } else if (name == "ManufacturerData") {
        read_variant(m, "a{qv}", [&] { add_manufacturer_data(m, device); });
    } else if (name == "ServiceData") {
        read_variant(m, "a{sv}", [&] { add_service_data(m, device); });
    } else if (name == "UUIDs") {
        read_variant(m, "as", [&] { add_uuids(m, device); });
    } else if (name == "Name") {
        read_variant(m, "s", [&] { add_text(device, read_text(m)); });
    } else if (name == "TxPower") {
        read_variant(m, "n",
                     [&] { add_byte(device, DevicePart::tx_power, 0x0a, read_value<std::int16_t>(m, 'n')); });
    } else if (name == "Appearance") {
        read_variant(m, "q", [&] { add_appearance(device, read_value<std::uint16_t>(m, 'q')); });
    } else if (name == "AdvertisingFlags") {
        read_variant(m, "ay", [&] {
            const auto flags = read_bytes(m);
            device.clear(DevicePart::flags);
            // bluetoothd says 00 of those that send none, too.
            const bool any = std::any_of(flags.begin(), flags.end(), [](auto byte) { return byte != 0; });
            if (any) device.add(DevicePart::flags, 0x01, flags);
        });
    } else if (name == "AdvertisingData") {
        read_variant(m, "a{yv}", [&] { add_other(m, device); });
    } else {
        check(sd_bus_message_skip(m, "v"));
    }
}

}  // namespace

bool read_adapter(sd_bus_message *m, AdapterChange &change) {
    return guarded([&] {
        read_entries(m, "sv", [&] {
            const auto name = read_text(m);
            if (name == "Address") {
                read_variant(m, "s", [&] { change.address = read_text(m); });
            } else if (name == "Powered") {
                read_variant(m, "b", [&] { change.powered = read_bool(m); });
            } else if (name == "Discovering") {
                read_variant(m, "b", [&] { change.discovering = read_bool(m); });
            } else {
                check(sd_bus_message_skip(m, "v"));
            }
        });
    });
}

bool read_device(sd_bus_message *m, BluezDevice &device, std::optional<std::int8_t> &rssi_dbm) {
    return guarded([&] {
        read_entries(m, "sv", [&] {
            const auto name = read_text(m);
            read_device_property(m, name, device, rssi_dbm);
        });
    });
}

bool read_interfaces(sd_bus_message *m, const VisitInterface &visit) {
    return guarded([&] {
        read_entries(m, "sa{sv}", [&] {
            if (!visit(read_text(m))) check(sd_bus_message_skip(m, "a{sv}"));
        });
    });
}

bool read_objects(sd_bus_message *m, const std::function<void(const std::string &path)> &visit) {
    return guarded([&] { read_entries(m, "oa{sa{sv}}", [&] { visit(read_word(m)); }); });
}

std::string read_word(sd_bus_message *m) {
    char type = 0;
    const char *text = nullptr;
    if (sd_bus_message_peek_type(m, &type, nullptr) <= 0 || (type != 's' && type != 'o')) return {};
    return sd_bus_message_read_basic(m, type, &text) > 0 ? text : "";
}

std::vector<std::string> read_words(sd_bus_message *m) {
    std::vector<std::string> words;
    guarded([&] { read_texts(m, [&](std::string_view text) { words.emplace_back(text); }); });
    return words;
}

std::vector<std::string> read_variant_words(sd_bus_message *m) {
    std::vector<std::string> words;
    guarded([&] { read_variant(m, "as", [&] { words = read_words(m); }); });
    return words;
}

}  // namespace ble
