// What commands to controllers, and their answers, say about who listens.
#include "catch.hpp"

#include "captures.hpp"
#include "radio/hci/scan_state.hpp"

using namespace captures;
using std::chrono::milliseconds;

namespace {

const ble::Time start{std::chrono::seconds(1'700'000'000)};
constexpr unsigned set_parameters = 0x200b, set_enable = 0x200c, set_extended_parameters = 0x2041,
                   set_extended_enable = 0x2042, reset = 0x0c03;

// Writes down what is told, as milliseconds after the start.
struct Scans {
    std::string told;
    ble::ScanState state{[this](bool listens, ble::Time since) {
        told += (listens ? "on@" : "off@") +
                std::to_string(std::chrono::floor<milliseconds>(since - start).count()) + " ";
    }};

    Scans &packet(int ms, std::uint8_t type, const Bytes &data, std::uint16_t adapter = 0) {
        state.read({start + milliseconds(ms), type, data, adapter});
        return *this;
    }
    Scans &ask(int ms, unsigned opcode, const std::string &parameters, std::uint16_t adapter = 0) {
        const auto data = from_hex(parameters);
        return packet(ms, ble::HciPacket::command,
                      u16(opcode, false) + Bytes{static_cast<std::uint8_t>(data.size())} + data, adapter);
    }
    Scans &answer(int ms, unsigned opcode, std::uint8_t status = 0, std::uint16_t adapter = 0) {
        return packet(ms, ble::HciPacket::event, Bytes{0x0e, 0x04, 0x01} + u16(opcode, false) + Bytes{status},
                      adapter);
    }
    // Asked 5 ms before it is done.
    Scans &scan(int ms, bool on, std::uint16_t adapter = 0) {
        return ask(ms - 5, set_enable, on ? "0101" : "0000", adapter).answer(ms, set_enable, 0, adapter);
    }
    Scans &hear(int ms, std::uint16_t adapter = 0) {
        return packet(ms, ble::HciPacket::event, legacy_event(), adapter);
    }
};

}  // namespace

TEST_CASE("somebody listens until a scan is seen to end, and again when it begins") {
    CHECK(Scans().hear(0).told.empty());
    CHECK(Scans().scan(0, true).scan(10'000, false).scan(15'000, true).told == "off@10000 on@15000 ");
    CHECK(Scans().scan(10'000, false).scan(15'000, true).told == "off@10000 on@15000 ");
}

TEST_CASE("extended scans are scans, and their time may run out") {
    CHECK(Scans()
              .ask(0, set_extended_enable, "000000000000")
              .answer(1, set_extended_enable)
              .ask(5000, set_extended_enable, "010000000000")
              .answer(5001, set_extended_enable)
              .packet(6000, ble::HciPacket::event, Bytes{0x3e, 0x01, 0x11})
              .told == "off@1 on@5001 off@6000 ");
}

TEST_CASE("what counts is that the controller has done it") {
    constexpr std::uint8_t disallowed = 0x0c;
    CHECK(Scans().ask(0, set_enable, "0000").told.empty());
    CHECK(Scans().ask(0, set_enable, "0000").answer(1, set_enable, disallowed).told.empty());
    CHECK(Scans().answer(1, set_enable).told.empty());  // of a command that was not seen
    CHECK(Scans().ask(0, set_enable, "0000").answer(1, set_extended_enable).told.empty());
    CHECK(Scans().ask(0, set_enable, "0000").answer(1, set_enable, 0, 1).told.empty());
}

TEST_CASE("a reset ends a scan, and so does an adapter that goes") {
    CHECK(Scans().scan(0, true).answer(1000, reset).told == "off@1000 ");
    CHECK(Scans().scan(0, true).packet(1000, ble::HciPacket::gone, {}).told == "off@1000 ");
    // Of one that nobody has seen to scan it says nothing.
    CHECK(Scans().answer(1000, reset).packet(1001, ble::HciPacket::gone, {}).told.empty());
}

TEST_CASE("of several adapters one that scans is enough, and one that never did does not count") {
    CHECK(Scans()
              .scan(0, true, 0)
              .hear(1, 1)
              .ask(2, set_parameters, "01100010000000", 2)
              .answer(3, set_parameters, 0, 2)
              .scan(1000, false, 0)
              .scan(2000, false, 1)
              .scan(3000, true, 0)
              .told == "off@2000 on@3000 ");
}

TEST_CASE("a report shows that an adapter scans, but not the last ones of a scan that has ended") {
    CHECK(Scans().scan(0, false).hear(1).hear(200).told == "off@0 ");
    CHECK(Scans().scan(0, false).hear(300).told == "off@0 on@300 ");
    CHECK(Scans().scan(0, false).hear(-5000).told == "off@0 on@-5000 ");  // the clock was set back
    CHECK(Scans().scan(0, false).packet(300, ble::HciPacket::event, extended_event(0, {})).told ==
          "off@0 on@300 ");
}

TEST_CASE("a scan for the accept list only hears nobody else") {
    CHECK(Scans()
              .scan(0, false)
              .ask(10, set_parameters, "01100010000001")
              .answer(11, set_parameters)
              .scan(20, true)
              .hear(1000)
              .scan(5000, false)
              .ask(5010, set_parameters, "01100010000000")
              .answer(5011, set_parameters)
              .scan(5020, true)
              .told == "off@0 on@5020 ");
    CHECK(Scans()
              .ask(10, set_extended_parameters,
                   "00010101100010"
                   "00")
              .answer(11, set_extended_parameters)
              .ask(20, set_extended_enable, "010000000000")
              .answer(21, set_extended_enable)
              .told == "off@21 ");
}

TEST_CASE("packets that are cut short say nothing") {
    Scans scans;
    for (const auto *data : {"", "0c", "0c20", "0c2002", "0b200701100010"})
        scans.packet(0, ble::HciPacket::command, from_hex(data))
            .answer(1, set_enable)
            .answer(2, set_parameters);
    for (const auto *data : {"", "0e", "0e04", "0e04010c20", "3e01"})
        scans.packet(0, ble::HciPacket::event, from_hex(data));
    CHECK(scans.told.empty());
}

TEST_CASE("each kind of capture tells of commands") {
    const auto off = from_hex("0c20020000"), done = from_hex("0e04010c2000");
    const auto told = [](const Bytes &capture) {
        const auto fd = memory_file(capture);
        ble::ByteSource source(fd.get(), "capture");
        ble::CaptureFile file(source);
        int changes = 0;
        ble::ScanState scans([&](bool, ble::Time) { ++changes; });
        while (const auto packet = file.next()) scans.read(*packet);
        return changes == 1;
    };
    CHECK(told(btsnoop_header(1001) + btsnoop_record(off, 2) + btsnoop_record(done, 3)));
    CHECK(told(btsnoop_header(1002) + btsnoop_record(Bytes{1} + off, 2) + btsnoop_record(h4(done), 3)));
    CHECK(told(btsnoop_header(2001) + btsnoop_record(off, 0x00010002) + btsnoop_record(done, 0x00010003)));
    CHECK(told(pcap_header(187, false) + pcap_record(Bytes{1} + off, false) + pcap_record(h4(done), false)));
    CHECK(told(pcap_header(201, false) + pcap_record(u32(0, true) + Bytes{1} + off, false) +
               pcap_record(u32(1, true) + h4(done), false)));
    CHECK(told(pcap_header(254, false) + pcap_record(u32(2, true) + off, false) +
               pcap_record(u32(3, true) + done, false)));
    CHECK(told(packet_logger_record(off, true, sample_us, 0) + packet_logger_record(done, true)));
    // Unplugged: DEL_INDEX.
    CHECK(told(btsnoop_header(2001) + btsnoop_record(legacy_event(), 0x00010003) +
               btsnoop_record({}, 0x00010001)));
}
