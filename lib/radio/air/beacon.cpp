#include "radio/air/beacon.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/hex_text.hpp"
#include "batch/json_text.hpp"
#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

using Bytes = std::span<const std::uint8_t>;

// A JSON object that grows member by member.
class Object {
  public:
    Object &number(const char *name, std::int64_t value) { return plain(name, std::to_string(value)); }
    Object &hex(const char *name, Bytes value) {
        std::string text = "\"";
        append_hex(text, value);
        return plain(name, text += '"');
    }
    Object &text(const char *name, std::string_view value) {
        std::string quoted;
        append_json_string(quoted, value);
        return plain(name, quoted);
    }
    Object &plain(const char *name, std::string_view value) {
        out_ += out_.size() > 1 ? ",\"" : "\"";
        out_.append(name).append("\":").append(value);
        return *this;
    }
    std::string done() { return std::move(out_ += '}'); }

  private:
    std::string out_ = "{";
};

std::int64_t signed_byte(std::uint8_t byte) {
    return static_cast<std::int8_t>(byte);
}

// 20 bytes as both iBeacon and AltBeacon share them out.
Object proximity(Bytes id) {
    Uuid uuid;
    std::copy_n(id.begin(), uuid.size(), uuid.begin());
    Object object;
    object.text("uuid", format_uuid(uuid));
    object.number("major", load_big<std::uint16_t>(id.data() + 16));
    object.number("minor", load_big<std::uint16_t>(id.data() + 18));
    return object;
}

// Apple, Proximity Beacon Specification: company 76, type 2, length 21.
std::string read_ibeacon(const ManufacturerData &from) {
    constexpr std::uint16_t apple = 76;
    const Bytes data = from.data;
    if (from.company_id != apple || data.size() < 23 || data[0] != 0x02 || data[1] != 0x15) return {};
    return proximity(data.subspan(2)).number("tx_power", signed_byte(data[22])).done();
}

// AltBeacon 1.0: any company, code be ac, 20 bytes of id, power, one reserved byte.
std::string read_altbeacon(const ManufacturerData &from) {
    const Bytes data = from.data;
    if (data.size() < 24 || data[0] != 0xbe || data[1] != 0xac) return {};
    return proximity(data.subspan(2))
        .number("tx_power", signed_byte(data[22]))
        .hex("reserved", data.subspan(23, 1))
        .done();
}

std::string eddystone_url(Bytes encoded) {
    static constexpr const char *schemes[] = {"http://www.", "https://www.", "http://", "https://"};
    static constexpr const char *expansions[] = {".com/", ".org/", ".edu/", ".net/", ".info/",
                                                 ".biz/", ".gov/", ".com",  ".org",  ".edu",
                                                 ".net",  ".info", ".biz",  ".gov"};
    if (encoded.empty() || encoded[0] >= std::size(schemes)) return {};
    std::string url = schemes[encoded[0]];
    for (const auto byte : encoded.subspan(1)) {
        if (byte < std::size(expansions)) {
            url += expansions[byte];
        } else if (byte > 0x20 && byte < 0x7f) {
            url += static_cast<char>(byte);
        } else {
            return {};  // reserved
        }
    }
    return url;
}

std::string hundredths(std::int64_t value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, static_cast<double>(value) / 100,
                                   std::chars_format::fixed, 2);
    return {text, end.ptr};
}

std::string read_tlm(Bytes frame) {
    constexpr std::int16_t not_measured = -32768;
    if (frame.size() >= 18 && frame[1] == 1)
        return Object()
            .hex("etlm", frame.subspan(2, 12))
            .hex("salt", frame.subspan(14, 2))
            .hex("mic", frame.subspan(16, 2))
            .done();
    if (frame.size() < 14 || frame[1] != 0) return {};
    const auto voltage = load_big<std::uint16_t>(frame.data() + 2);
    const auto temperature = load_big<std::int16_t>(frame.data() + 4);  // 8.8 fixed point
    const std::int64_t tenths = load_big<std::uint32_t>(frame.data() + 10);
    Object object;
    object.plain("voltage_mv", voltage ? std::to_string(voltage) : "null");
    object.plain("temperature_c",
                 temperature == not_measured ? "null" : hundredths(std::lround(temperature * 100.0 / 256)));
    object.number("advertisements", load_big<std::uint32_t>(frame.data() + 6));
    object.plain("uptime_s", std::to_string(tenths / 10) + "." + std::to_string(tenths % 10));
    return object.done();
}

// Eddystone: service data of UUID feaa, the first byte says which frame.
void read_eddystone(Bytes frame, Beacons &beacons) {
    if (frame.size() < 2) return;
    const auto set = [&](BeaconKind kind, std::string text) {
        if (!text.empty()) beacons[static_cast<std::size_t>(kind)] = std::move(text);
    };
    const auto power = signed_byte(frame[1]);
    if (frame[0] == 0x00 && frame.size() >= 18) {
        set(BeaconKind::eddystone_uid, Object()
                                           .number("tx_power", power)
                                           .hex("namespace", frame.subspan(2, 10))
                                           .hex("instance", frame.subspan(12, 6))
                                           .done());
    } else if (frame[0] == 0x10) {
        const auto url = eddystone_url(frame.subspan(2));
        if (!url.empty())
            set(BeaconKind::eddystone_url, Object().number("tx_power", power).text("url", url).done());
    } else if (frame[0] == 0x20) {
        set(BeaconKind::eddystone_tlm, read_tlm(frame));
    } else if (frame[0] == 0x30 && frame.size() >= 10) {
        set(BeaconKind::eddystone_eid,
            Object().number("tx_power", power).hex("eid", frame.subspan(2, 8)).done());
    }
}

}  // namespace

std::string_view beacon_name(BeaconKind kind) {
    static constexpr std::string_view names[] = {"ibeacon",       "altbeacon",     "eddystone_uid",
                                                 "eddystone_url", "eddystone_tlm", "eddystone_eid"};
    return names[static_cast<std::size_t>(kind)];
}

void read_beacons(const Advertisement &advertisement, Beacons &beacons) {
    static const Uuid eddystone = expand_uuid(0xfeaa);
    for (const auto &data : advertisement.manufacturer_data) {
        if (auto text = read_ibeacon(data); !text.empty()) beacons[0] = std::move(text);
        if (auto text = read_altbeacon(data); !text.empty()) beacons[1] = std::move(text);
    }
    for (const auto &data : advertisement.service_data)
        if (data.uuid == eddystone) read_eddystone(data.data, beacons);
}

}  // namespace ble
