#include "radio/air/ad_structure.hpp"

#include <algorithm>

#include "base/hex_text.hpp"
#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

using Bytes = std::span<const std::uint8_t>;

// Assigned Numbers, 2.3: AD types.
enum : std::uint8_t {
    flags_type = 0x01,
    some_uuids_16 = 0x02,
    all_uuids_16 = 0x03,
    some_uuids_32 = 0x04,
    all_uuids_32 = 0x05,
    some_uuids_128 = 0x06,
    all_uuids_128 = 0x07,
    short_name = 0x08,
    complete_name = 0x09,
    tx_power = 0x0a,
    service_data_16 = 0x16,
    appearance_type = 0x19,
    service_data_32 = 0x20,
    service_data_128 = 0x21,
    manufacturer = 0xff,
};

// `bytes` holds 2, 4 or 16 bytes, least significant first.
Uuid read_uuid(Bytes bytes) {
    if (bytes.size() == 2) return expand_uuid(load_little<std::uint16_t>(bytes.data()));
    if (bytes.size() == 4) return expand_uuid(load_little<std::uint32_t>(bytes.data()));
    Uuid uuid;
    std::reverse_copy(bytes.begin(), bytes.end(), uuid.begin());
    return uuid;
}

void read_uuids(Bytes data, std::size_t width, Advertisement &out) {
    for (; data.size() >= width; data = data.subspan(width)) {
        const Uuid uuid = read_uuid(data.first(width));
        if (std::find(out.service_uuids.begin(), out.service_uuids.end(), uuid) == out.service_uuids.end())
            out.service_uuids.push_back(uuid);
    }
}

void read_service_data(Bytes data, std::size_t width, Advertisement &out) {
    if (data.size() >= width) out.service_data.push_back({read_uuid(data.first(width)), data.subspan(width)});
}

void read_name(Bytes data, bool complete, Advertisement &out) {
    if (out.name_complete && !complete) return;
    const std::string_view bytes(reinterpret_cast<const char *>(data.data()), data.size());
    const auto text = bytes.substr(0, bytes.find('\0'));
    if (text.empty()) return;
    out.local_name = text;
    out.name_complete = complete;
}

void read_structure(std::uint8_t type, Bytes data, Advertisement &out) {
    switch (type) {
        case flags_type:
            if (!data.empty()) out.flags = data[0];
            return;
        case some_uuids_16:
        case all_uuids_16:
            return read_uuids(data, 2, out);
        case some_uuids_32:
        case all_uuids_32:
            return read_uuids(data, 4, out);
        case some_uuids_128:
        case all_uuids_128:
            return read_uuids(data, 16, out);
        case short_name:
            return read_name(data, false, out);
        case complete_name:
            return read_name(data, true, out);
        case tx_power:
            if (data.size() == 1) out.tx_power_dbm = static_cast<std::int8_t>(data[0]);
            return;
        case appearance_type:
            if (data.size() == 2) out.appearance = load_little<std::uint16_t>(data.data());
            return;
        case service_data_16:
            return read_service_data(data, 2, out);
        case service_data_32:
            return read_service_data(data, 4, out);
        case service_data_128:
            return read_service_data(data, 16, out);
        case manufacturer:
            if (data.size() >= 2)
                out.manufacturer_data.push_back({load_little<std::uint16_t>(data.data()), data.subspan(2)});
            return;
        default:
            return;
    }
}

}  // namespace

Uuid expand_uuid(std::uint32_t short_uuid) {
    Uuid uuid{0,    0, 0, 0,    0,    0,    0x10, 0,
              0x80, 0, 0, 0x80, 0x5f, 0x9b, 0x34, 0xfb};  // the Bluetooth Base UUID
    for (std::size_t i = 0; i < 4; ++i) uuid[i] = static_cast<std::uint8_t>(short_uuid >> (24 - 8 * i));
    return uuid;
}

std::string format_uuid(const Uuid &uuid) {
    std::string text;
    const Bytes bytes(uuid);
    std::size_t start = 0;
    for (const std::size_t length : {4u, 2u, 2u, 2u, 6u}) {
        if (start > 0) text += '-';
        append_hex(text, bytes.subspan(start, length));
        start += length;
    }
    return text;
}

void read_advertisement(Bytes data, Advertisement &out) {
    out.local_name.reset();
    out.name_complete = false;
    out.flags.reset();
    out.tx_power_dbm.reset();
    out.appearance.reset();
    out.service_uuids.clear();
    out.manufacturer_data.clear();
    out.service_data.clear();
    while (!data.empty()) {
        const std::size_t length = data[0];
        if (length >= data.size()) return;
        if (length > 0) read_structure(data[1], data.subspan(2, length - 1), out);
        data = data.subspan(1 + length);
    }
}

}  // namespace ble
