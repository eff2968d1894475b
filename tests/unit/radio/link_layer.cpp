#include "catch.hpp"

#include "base/counters.hpp"
#include "captures.hpp"
#include "radio/hci/report_reader.hpp"

using namespace captures;

namespace {

constexpr std::uint8_t no_channel = ble::AirPacket::no_channel;
constexpr unsigned truncated = 0x40, scan_response = 0x08;
const Bytes one = from_hex("01000000f7c4"), two = from_hex("02000000f7c4");  // c4:f7:00:00:00:01 and :02
const std::string anonymous = "00:00:00:00:00:00";

// The payload of extended advertising: its header's fields are in hexadecimal.
Bytes extended(unsigned flags, const Bytes &fields, const Bytes &data = {}, unsigned mode = 0) {
    const auto length = static_cast<std::uint8_t>(flags == 0 ? 0 : fields.size() + 1);
    Bytes out{static_cast<std::uint8_t>(mode << 6 | length)};
    if (flags != 0) out = out + Bytes{static_cast<std::uint8_t>(flags)} + fields;
    return out + data;
}
constexpr unsigned advertiser = 0x01, set = 0x08, pointer = 0x10;

// To the channel, 1.5 ms from here.
Bytes points_to(std::uint8_t channel) {
    return Bytes{channel, 50, 0};
}
const Bytes set_3 = from_hex("2331"), set_3_with_new_data = from_hex("2431"), set_5 = from_hex("0150");

class Air {
  public:
    // A packet `ms` milliseconds after the last one, without its checksum.
    Air &packet(double ms, std::uint8_t channel, std::uint8_t type, const Bytes &payload,
                std::uint32_t interface = 0) {
        now_ += std::chrono::microseconds(static_cast<int>(ms * 1000));
        const Bytes data =
            from_hex("d6be898e") +
            Bytes{static_cast<std::uint8_t>(0x40 | type), static_cast<std::uint8_t>(payload.size())} +
            payload;
        ble::HciPacket packet{now_, ble::HciPacket::sniffed, data};
        packet.interface = interface;
        packet.air.channel = channel;
        packet.air.rssi_dbm = -50;
        reader_.advance(now_);
        reader_.read(packet);
        return *this;
    }
    Air &extended_packet(double ms, std::uint8_t channel, const Bytes &payload, std::uint32_t interface = 0) {
        return packet(ms, channel, 7, payload, interface);
    }

    // "address event_type data" of each report.
    std::vector<std::string> reports() {
        reader_.finish();
        return reports_;
    }

  private:
    ble::Time now_{std::chrono::hours(1000)};
    ble::Counters counters_;
    std::vector<std::string> reports_;
    ble::ReportReader reader_{counters_, [this](const ble::Report &report) {
                                  reports_.push_back(ble::format_address(report.address) + " " +
                                                     std::to_string(report.event_type) + " " +
                                                     std::string(report.data.begin(), report.data.end()));
                              }};
};

Bytes text(const std::string &words) {
    return {words.begin(), words.end()};
}
std::string told(const std::string &address, unsigned type, const std::string &data) {
    return address + " " + std::to_string(type) + " " + data;
}
std::string of_one(unsigned type, const std::string &data) {
    return told("c4:f7:00:00:00:01", type, data);
}
std::string of_two(unsigned type, const std::string &data) {
    return told("c4:f7:00:00:00:02", type, data);
}
using Reports = std::vector<std::string>;

const Bytes beginning = extended(advertiser | set | pointer, one + set_3 + points_to(11), text("abc"));
const Bytes rest = extended(set, set_3, text("xyz"));

}  // namespace

TEST_CASE("parts of extended advertising are joined along their pointers") {
    for (const auto channel : {std::uint8_t{10}, no_channel})
        CHECK(Air()
                  .extended_packet(0, channel == no_channel ? channel : 37,
                                   extended(set | pointer, set_3 + points_to(10)))
                  .extended_packet(1.5, channel, beginning)
                  .extended_packet(1.5, channel == no_channel ? channel : 11, rest)
                  .reports() == Reports{of_one(0, "abcxyz")});
}

TEST_CASE("chains of several advertisers at once are told apart by channel and set") {
    CHECK(Air()
              .extended_packet(0, 10, beginning)
              .extended_packet(.1, 20,
                               extended(advertiser | set | pointer, two + set_5 + points_to(11), text("uvw")))
              .extended_packet(1, 11, rest)
              .extended_packet(1, 11, extended(set, set_5, text("123")))
              .reports() == Reports{of_one(0, "abcxyz"), of_two(0, "uvw123")});
}

TEST_CASE("a packet that names its advertiser begins anew, whatever has been promised") {
    const Bytes new_data = extended(advertiser | set, one + set_3, text("new"));
    CHECK(Air().extended_packet(0, 10, beginning).extended_packet(20, 11, new_data).reports() ==
          Reports{of_one(truncated, "abc"), of_one(0, "new")});
    const Bytes new_beginning =
        extended(advertiser | set | pointer, one + set_3_with_new_data + points_to(12), text("new"));
    CHECK(Air()
              .extended_packet(0, 10, beginning)
              .extended_packet(20, 11, new_beginning)
              .extended_packet(1.5, 12, extended(set, set_3_with_new_data, text("est")))
              .reports() == Reports{of_one(truncated, "abc"), of_one(0, "newest")});
}

TEST_CASE("a part that was not heard leaves both what is before it and what is behind it truncated") {
    const Bytes middle = extended(set | pointer, set_3 + points_to(12), text("klm"));
    CHECK(Air().extended_packet(0, 10, beginning).extended_packet(3, 12, rest).reports() ==
          Reports{of_one(truncated, "abc"), told(anonymous, truncated, "xyz")});
    // The same where no channel is told: it comes too late for the part that was promised.
    CHECK(Air().extended_packet(0, no_channel, beginning).extended_packet(3, no_channel, rest).reports() ==
          Reports{of_one(truncated, "abc"), told(anonymous, truncated, "xyz")});
    CHECK(Air().extended_packet(0, 11, middle).extended_packet(1.5, 12, rest).reports() ==
          Reports{told(anonymous, truncated, "klmxyz")});
}

TEST_CASE("a promise is kept on its interface, and within the reach of a pointer") {
    CHECK(Air().extended_packet(0, 10, beginning).extended_packet(1.5, 11, rest, 1).reports() ==
          Reports{of_one(truncated, "abc"), told(anonymous, truncated, "xyz")});
    CHECK(Air().extended_packet(0, 10, beginning).extended_packet(2501, 11, rest).reports() ==
          Reports{of_one(truncated, "abc"), told(anonymous, truncated, "xyz")});
}

TEST_CASE("an answer to a question is a scan response, with its chain") {
    const Bytes question = two + one;
    for (const auto channel : {std::uint8_t{10}, no_channel}) {
        const auto next = channel == no_channel ? channel : std::uint8_t{11};
        CHECK(Air()
                  .packet(0, channel, 3, question)
                  .extended_packet(.4, channel, beginning)
                  .extended_packet(1.5, next, rest)
                  .extended_packet(5, channel, extended(advertiser | set, one + set_3, text("adv")))
                  .reports() == Reports{of_one(scan_response, "abcxyz"), of_one(0, "adv")});
    }
    CHECK(Air().packet(0, 10, 3, question).extended_packet(11, 10, extended(advertiser, one)).reports() ==
          Reports{of_one(0, "")});
    CHECK(Air().packet(0, 37, 3, question).extended_packet(.4, 10, extended(advertiser, one)).reports() ==
          Reports{of_one(0, "")});
    CHECK(Air().packet(0, 10, 3, one + two).extended_packet(.4, 10, extended(advertiser, one)).reports() ==
          Reports{of_one(0, "")});
}

TEST_CASE("promises that nobody keeps are bounded, and forgotten first those made first") {
    Air air;
    for (unsigned i = 0; i <= ble::LinkLayerReader::most_pointers; ++i) {
        const Bytes number{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(0x30 | i >> 8)};
        air.extended_packet(.001, 37, extended(advertiser | set | pointer, one + number + points_to(10)));
    }
    CHECK(air.extended_packet(1, 10, extended(set, from_hex("0030"), text("first")))
              .extended_packet(1, 10, extended(set, from_hex("0130"), text("second")))
              .reports() == Reports{told(anonymous, truncated, "first"), of_one(0, "second")});
}

TEST_CASE("a packet of the link layer cut at any byte, or with any flags, gives no more than what is in it") {
    const Bytes whole =
        extended(0x7f, one + two + Bytes{0} + set_3 + points_to(11) + Bytes(18) + Bytes{4}, text("abc"));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        for (const auto channel : {std::uint8_t{37}, std::uint8_t{10}, no_channel}) {
            const auto got = Air().extended_packet(0, channel, cut).reports();
            // With its header whole; where no channel is told it is taken for a mere pointer without its data.
            const std::size_t least = whole.size() - (channel == no_channel ? 2 : 3);
            CHECK(got.size() == (channel != 37 && length >= least ? 1 : 0));
        }
    }
    for (unsigned first = 0; first < 256; ++first)
        for (unsigned flags = 0; flags < 256; ++flags)
            Air().extended_packet(0, 10,
                                  Bytes{static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(flags)} +
                                      Bytes(first % 41));
}
