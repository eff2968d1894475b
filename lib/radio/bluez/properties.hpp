// Properties of BlueZ's objects, read out of D-Bus messages. What is not known or has an unexpected type is skipped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "radio/bluez/device.hpp"

struct sd_bus_message;

namespace ble {

// Changes to org.bluez.Adapter1; empty: not said.
struct AdapterChange {
    std::optional<std::string> address;
    std::optional<bool> powered, discovering;
};

// These read an a{sv} at the message's present place. False: the message is malformed.
bool read_adapter(sd_bus_message *message, AdapterChange &change);
// The RSSI is said apart: it is the report's, not the device's. 127: not available.
bool read_device(sd_bus_message *message, BluezDevice &device, std::optional<std::int8_t> &rssi_dbm);

// Reads an a{sa{sv}} (interfaces of an object). `visit` reads the properties of those it knows and says true, or says
// false for others.
using VisitInterface = std::function<bool(std::string_view interface)>;
bool read_interfaces(sd_bus_message *message, const VisitInterface &visit);

// Reads an a{oa{sa{sv}}} (all objects of a service); `visit` reads each one's interfaces, by read_interfaces().
bool read_objects(sd_bus_message *message, const std::function<void(const std::string &path)> &visit);
// A string or an object path at the present place; empty: there is none.
std::string read_word(sd_bus_message *message);
// An array of strings, bare or in a variant; empty: there is none.
std::vector<std::string> read_words(sd_bus_message *message);
std::vector<std::string> read_variant_words(sd_bus_message *message);

}  // namespace ble
