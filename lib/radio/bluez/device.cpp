#include "radio/bluez/device.hpp"

#include <algorithm>
#include <string>

#include "radio/air/ad_structure.hpp"

namespace ble {

namespace {

using Bytes = std::vector<std::uint8_t>;

std::optional<Uuid> parse_uuid(std::string_view text) {
    constexpr std::size_t length = 36;
    if (text.size() != length) return {};
    Uuid uuid{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < length; ++i) {
        const char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') return {};
            continue;
        }
        const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!letter && (c < '0' || c > '9')) return {};
        const int value = letter ? (c | 0x20) - 'a' + 10 : c - '0';
        auto &byte = uuid[digits++ / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | value);
    }
    return uuid;
}

// Its shortest form, 2, 4 or 16 bytes, least significant first, as AD structures have it.
Bytes shortest(const Uuid &uuid) {
    const Uuid base = expand_uuid(0);
    if (!std::equal(uuid.begin() + 4, uuid.end(), base.begin() + 4)) return {uuid.rbegin(), uuid.rend()};
    if (uuid[0] == 0 && uuid[1] == 0) return {uuid[3], uuid[2]};
    return {uuid[3], uuid[2], uuid[1], uuid[0]};
}

std::uint8_t by_width(std::size_t width, std::uint8_t two, std::uint8_t four, std::uint8_t sixteen) {
    return width == 2 ? two : width == 4 ? four : sixteen;
}

}  // namespace

std::string_view bluez_adapter(std::string_view path) {
    if (!path.starts_with(bluez_root)) return {};
    return path.substr(0, path.find('/', bluez_root.size()));
}

std::optional<Address> bluez_address(std::string_view path) {
    constexpr std::string_view mark = "/dev_";
    const auto start = bluez_adapter(path).size();
    if (start == 0 || path.substr(start, mark.size()) != mark) return {};
    std::string text(path.substr(start + mark.size()));
    std::replace(text.begin(), text.end(), '_', ':');
    auto address = parse_address(text);
    if (address) address->type = AddressType{0xfe};
    return address;
}

void BluezDevice::add(DevicePart part, std::uint8_t ad_type, std::span<const std::uint8_t> data) {
    constexpr std::size_t longest_structure = 254, longest_part = 1650;
    auto &out = at(part);
    if (data.size() > longest_structure || out.size() + data.size() + 2 > longest_part) return;
    out.push_back(static_cast<std::uint8_t>(data.size() + 1));
    out.push_back(ad_type);
    out.insert(out.end(), data.begin(), data.end());
}

void BluezDevice::add_service_uuid(std::string_view text) {
    const auto uuid = parse_uuid(text);
    if (!uuid) return;
    const Bytes bytes = shortest(*uuid);
    add(DevicePart::service_uuids, by_width(bytes.size(), 0x03, 0x05, 0x07), bytes);
}

void BluezDevice::add_service_data(std::string_view text, std::span<const std::uint8_t> data) {
    const auto uuid = parse_uuid(text);
    if (!uuid) return;
    Bytes bytes = shortest(*uuid);
    const auto type = by_width(bytes.size(), 0x16, 0x20, 0x21);
    bytes.insert(bytes.end(), data.begin(), data.end());
    add(DevicePart::service_data, type, bytes);
}

void BluezDevice::add_manufacturer_data(std::uint16_t company_id, std::span<const std::uint8_t> data) {
    Bytes bytes{static_cast<std::uint8_t>(company_id), static_cast<std::uint8_t>(company_id >> 8)};
    bytes.insert(bytes.end(), data.begin(), data.end());
    add(DevicePart::manufacturer_data, 0xff, bytes);
}

void BluezDevice::advertising_data(std::vector<std::uint8_t> &out) const {
    out.clear();
    for (const auto &part : parts_) out.insert(out.end(), part.begin(), part.end());
}

BluezDevice *BluezDevices::find(std::uint64_t key) {
    const auto place = places_.find(key);
    if (place == places_.end()) return nullptr;
    devices_.splice(devices_.begin(), devices_, place->second);
    return &place->second->second;
}

BluezDevice &BluezDevices::get(std::uint64_t key) {
    if (auto *known = find(key)) return *known;
    if (places_.size() == most) erase(devices_.back().first);
    devices_.emplace_front(key, BluezDevice());
    places_[key] = devices_.begin();
    return devices_.front().second;
}

void BluezDevices::erase(std::uint64_t key) {
    const auto place = places_.find(key);
    if (place == places_.end()) return;
    devices_.erase(place->second);
    places_.erase(place);
}

void BluezDevices::clear() {
    devices_.clear();
    places_.clear();
}

}  // namespace ble
