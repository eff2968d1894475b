#include "radio/hci/link_layer.hpp"

#include <algorithm>

#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t advertising_access_address = 0x8e89bed6;  // Vol 6 Part B 2.1.2
constexpr std::size_t access_address_size = 4, header_size = 2, crc_size = 3, address_size = 6;
constexpr std::uint8_t first_primary_channel = 37;
constexpr std::uint16_t no_set = 0xffff;  // DID and SID of all ones: taken for none
constexpr std::uint16_t connectable = 0x01, scannable = 0x02, directed = 0x04, scan_response = 0x08,
                        more_to_come = 0x20, truncated = 0x40;
// The farthest that a pointer reaches (13 bits of 300 us), and some for the packets' lengths and the sniffer's clock.
constexpr std::chrono::milliseconds pointer_reach{2500}, answer_reach{10};
// How exact a sniffer's clock has to be where it alone tells a packet from the next one, which comes 2.4 ms later when both are full.
constexpr std::chrono::milliseconds clock_error{1};

// PDU types on the advertising channels (2.3, table 2.3) and the event types of their legacy reports (Vol 4 Part E 7.7.65.2).
enum Pdu : std::uint8_t {
    adv_ind = 0,
    adv_direct_ind = 1,
    adv_nonconn_ind = 2,
    scan_req = 3,
    scan_rsp = 4,
    adv_scan_ind = 6,
    adv_ext_ind = 7
};

int legacy_event_type(std::uint8_t pdu_type) {
    switch (pdu_type) {
        case adv_ind:
            return 0;
        case adv_direct_ind:
            return 1;
        case adv_scan_ind:
            return 2;
        case adv_nonconn_ind:
            return 3;
        case scan_rsp:
            return 4;
        default:
            return -1;
    }
}

// Vol 6 Part B 3.1.1: x^24 + x^10 + x^9 + x^6 + x^4 + x^3 + x + 1, bits in the order of the air; 0x555555 at the start.
std::uint32_t crc_of(Bytes bytes) {
    constexpr std::uint32_t start = 0xaaaaaa, polynomial = 0xda6000;
    std::uint32_t crc = start;
    for (std::uint32_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ polynomial : crc >> 1;
    }
    return crc;
}

Address address_at(const std::uint8_t *bytes, bool random) {
    Address address;
    address.type = random ? AddressType::random_device : AddressType::public_device;
    std::reverse_copy(bytes, bytes + address_size, address.bytes.begin());
    return address;
}

}  // namespace

// The Common Extended Advertising Payload (2.3.4).
struct LinkLayerReader::Extended {
    std::uint8_t mode = 0;
    std::optional<Address> advertiser;
    bool is_directed = false;
    std::uint16_t set = no_set;
    std::optional<std::uint8_t> next_channel;
    std::chrono::microseconds next_in{0};  // from the start of this packet to that of the next
    std::int8_t tx_power_dbm = Report::not_available;
    Bytes data;

    // False: it contradicts itself.
    bool read(Bytes payload, bool random) {
        if (payload.empty()) return false;
        const std::size_t length = payload[0] & 0x3f;
        mode = payload[0] >> 6;
        if (payload.size() < 1 + length) return false;
        data = payload.subspan(1 + length);
        Bytes rest = payload.subspan(1, length);
        if (rest.empty()) return true;
        const auto flags = rest[0];
        rest = rest.subspan(1);
        // The fields that are there, in the order of their flags.
        constexpr std::size_t sizes[] = {6, 6, 1, 2, 3, 18, 1};
        for (unsigned field = 0; field < std::size(sizes); ++field) {
            if ((flags >> field & 1) == 0) continue;
            if (rest.size() < sizes[field]) return false;
            if (field == 0) advertiser = address_at(rest.data(), random);
            if (field == 1) is_directed = true;
            if (field == 3) set = load_little<std::uint16_t>(rest.data());
            if (field == 4) {
                next_channel = rest[0] & 0x3f;
                const int units = load_little<std::uint16_t>(rest.data() + 1) & 0x1fff;
                next_in = std::chrono::microseconds(units * (rest[0] & 0x80 ? 300 : 30));
            }
            if (field == 6) tx_power_dbm = known_dbm(static_cast<std::int8_t>(rest[0]));
            rest = rest.subspan(sizes[field]);
        }
        return true;
    }
    std::uint16_t event_type() const {
        return static_cast<std::uint16_t>((mode & 1 ? connectable : 0) | (mode & 2 ? scannable : 0) |
                                          (is_directed ? directed : 0));
    }
};

LinkLayerReader::Outcome LinkLayerReader::read(const HciPacket &packet, std::vector<Report> &reports) {
    Bytes rest = packet.data;
    if (rest.size() < access_address_size) return Outcome::malformed;
    if (load_little<std::uint32_t>(rest.data()) != advertising_access_address) return Outcome::fine;
    rest = rest.subspan(access_address_size);
    if (packet.air.coded) {  // the coding indicator
        if (rest.empty()) return Outcome::malformed;
        rest = rest.subspan(1);
    }
    if (packet.air.checksum == AirPacket::Checksum::wrong) return Outcome::wrong_checksum;
    if (rest.size() < header_size || rest.size() < header_size + rest[1]) return Outcome::malformed;
    const auto pdu = rest.first(header_size + rest[1]);
    const auto crc = rest.subspan(pdu.size());
    if (packet.air.checksum == AirPacket::Checksum::not_told && crc.size() >= crc_size &&
        crc_of(pdu) != (std::uint32_t{crc[0]} | std::uint32_t{crc[1]} << 8 | std::uint32_t{crc[2]} << 16))
        return Outcome::wrong_checksum;
    const std::uint8_t type = pdu[0] & 0x0f;
    const bool random = pdu[0] & 0x40;
    const auto payload = pdu.subspan(header_size);
    if (type == adv_ext_ind) return read_extended(packet, pdu, reports);
    const bool auxiliary =
        packet.air.channel < first_primary_channel || packet.air.channel == AirPacket::no_channel;
    if (type == scan_req && auxiliary && payload.size() >= 2 * address_size) {
        asked_ = address_at(payload.data() + address_size, pdu[0] & 0x80);
        asked_at_ = packet.timestamp;
    }
    const int event_type = legacy_event_type(type);
    if (event_type < 0) return Outcome::fine;
    if (payload.size() < address_size) return Outcome::malformed;
    Report report;
    report.timestamp = packet.timestamp;
    report.address = address_at(payload.data(), random);
    report.event_type = static_cast<std::uint16_t>(event_type);
    report.rssi_dbm = packet.air.rssi_dbm;
    if (type != adv_direct_ind) report.data = payload.subspan(address_size);
    reports.push_back(report);
    return Outcome::fine;
}

LinkLayerReader::Outcome LinkLayerReader::read_extended(const HciPacket &packet, Bytes pdu,
                                                        std::vector<Report> &reports) {
    Extended header;
    if (!header.read(pdu.subspan(header_size), pdu[0] & 0x40)) return Outcome::malformed;
    Report report;
    report.timestamp = packet.timestamp;
    report.extended = true;
    report.event_type = header.event_type();
    report.address.type = AddressType::anonymous;
    if (header.set != no_set) report.advertising_set = static_cast<std::uint8_t>(header.set >> 12);
    report.rssi_dbm = packet.air.rssi_dbm;
    report.tx_power_dbm = header.tx_power_dbm;
    report.data = header.data;
    if (header.advertiser) report.address = *header.advertiser;

    // Where the capture does not tell the channel: what points on and has no data is a beginning.
    const bool primary = packet.air.channel == AirPacket::no_channel
                             ? header.next_channel && header.data.empty()
                             : packet.air.channel >= first_primary_channel;
    if (primary && header.next_channel) {  // the beginning is elsewhere
        keep_pointer(packet, header, report, false);
        return Outcome::fine;
    }
    Pointer from;
    ++last_chain_;
    chain_ = last_chain_;
    if (!primary && take_pointer(packet, header, from)) {
        if (!header.advertiser) report.address = from.report.address;
        if (from.has_data) {
            report.event_type = from.report.event_type;
            report.advertising_set = from.report.advertising_set;
            chain_ = from.chain;
        }
    } else if (!primary && !header.advertiser) {
        report.event_type |= truncated;
    }
    const bool answers = !primary && header.advertiser && header.advertiser->number() == asked_.number() &&
                         packet.timestamp >= asked_at_ && packet.timestamp - asked_at_ < answer_reach;
    if (answers) {
        report.event_type |= scan_response;
        asked_ = {};
    }
    if (header.next_channel) {
        keep_pointer(packet, header, report, true);
        report.event_type = static_cast<std::uint16_t>((report.event_type & ~truncated) | more_to_come);
    }
    reports.push_back(report);
    return Outcome::fine;
}

bool LinkLayerReader::may_be(const Pointer &pointer, const HciPacket &packet, const Extended &header) {
    if (pointer.interface != packet.interface) return false;
    if (header.set != no_set && pointer.set != no_set && pointer.set != header.set) return false;
    const auto &promised = pointer.report.address;
    // A continuation does not name its advertiser again (2.3.4.4): this is a beginning.
    if (header.advertiser && (pointer.has_data || (promised.type != AddressType::anonymous &&
                                                   promised.number() != header.advertiser->number())))
        return false;
    if (packet.air.channel != AirPacket::no_channel) return pointer.channel == packet.air.channel;
    return !pointer.has_data || std::chrono::abs(packet.timestamp - pointer.due) <= clock_error;
}

// The promise that this packet keeps: of the same set, on that channel as far as the capture tells it.
bool LinkLayerReader::take_pointer(const HciPacket &packet, const Extended &header, Pointer &found) {
    std::erase_if(pointers_, [&](const Pointer &pointer) { return pointer.until < packet.timestamp; });
    const auto kept = std::find_if(pointers_.rbegin(), pointers_.rend(),
                                   [&](const Pointer &pointer) { return may_be(pointer, packet, header); });
    if (kept == pointers_.rend()) return false;
    found = *kept;
    // Each of the three primary channels has pointed there.
    std::erase_if(pointers_, [&](const Pointer &pointer) {
        return pointer.interface == found.interface && pointer.set == found.set &&
               pointer.channel == found.channel && pointer.has_data == found.has_data;
    });
    return true;
}

void LinkLayerReader::keep_pointer(const HciPacket &packet, const Extended &header, const Report &report,
                                   bool has_data) {
    if (pointers_.size() == most_pointers) pointers_.pop_front();
    pointers_.push_back({packet.interface, header.set, *header.next_channel, has_data, chain_, report,
                         packet.timestamp + header.next_in, packet.timestamp + pointer_reach});
    pointers_.back().report.data = {};
}

}  // namespace ble
