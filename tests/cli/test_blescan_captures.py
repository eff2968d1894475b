"""blescan and captures of others: compressed ones, those of sniffers, and what is not understood is said."""
import gzip
import json
import unittest

from harness import FolderTest, air
from harness.capture import T0, legacy, replay
from harness.capture_writers import btsnoop, pcap, pcapng
from harness.process import run

LINKS = (air.LINK_LAYER, air.WITH_RADIO, air.NORDIC)
ONE, TWO, THREE = "c4:f7:00:00:00:01", "c4:f7:00:00:00:02", "00:11:22:33:44:55"


def short(lines):
    return [(line["address"], line["address_type"], line["event_type"], line["rssi"], line["data"]) for line in lines]


class Compressed(FolderTest):
    def test_compressed_data_that_is_cut_or_damaged_is_said_and_what_came_before_is_used(self):
        capture = btsnoop([(T0 + i / 100, legacy(bytes([i % 256] * 20))) for i in range(20_000)])
        packed = gzip.compress(capture)
        lines, err = replay("--each", capture=packed[:len(packed) // 2])
        self.assertIn("ends inside its gzip data; all before that was used", err)
        self.assertGreater(len(lines), 5000)
        replay("--each", "--strict", capture=packed[:len(packed) // 2], code=65)
        damaged = packed[:len(packed) // 2] + bytes(64) + packed[len(packed) // 2 + 64:]
        _, err = replay("--each", capture=damaged)
        self.assertIn("is damaged", err)  # which may not show before its checksum, at the end
        for start in (b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b""), gzip.compress(b"nonsense")):
            _, err = replay("--each", capture=start, code=65)
            self.assertNotIn("reading", err)

    def test_now_reads_a_compressed_capture_twice(self):
        path = self.file("c.gz", gzip.compress(btsnoop([(T0 + i, legacy(b"")) for i in range(3)])))
        code, out, err = run("blescan", "--replay", path, "--now")
        self.assertEqual((0, 3), (code, json.loads(out)["detections"][0]["count"]), err)


class LeftOut(FolderTest):
    ETHERNET = 1

    def test_a_capture_of_nothing_that_is_read_is_refused(self):
        for capture in (pcapng([(T0, b"x" * 60), (T0 + 30, b"x" * 60)], links=[self.ETHERNET]), pcap([(T0, b"x" * 60)], self.ETHERNET)):
            for words in ([], ["--strict"], ["--each"]):
                code, out, err = run("blescan", "--replay", "-", *words, input=capture)
                self.assertEqual((65, b""), (code, out), err)
                self.assertIn("187, 201, 251, 254, 256 and 272", err)

    def test_interfaces_that_are_not_read_are_refused_without_any_packet(self):
        _, err = replay(capture=pcapng([], links=[self.ETHERNET]), code=65)
        self.assertIn("has nothing that blescan can read: link type 1;", err)
        self.assertEqual([], replay("--strict", capture=pcapng([], links=[self.ETHERNET, 187]))[0])

    def test_a_cut_capture_of_nothing_that_is_read_is_refused_too(self):
        capture = pcapng([(T0 + i, b"x" * 60) for i in range(3)], links=[self.ETHERNET])
        for packed in (capture[:-10], gzip.compress(capture)[:-5]):
            replay(capture=packed, code=65)

    def test_a_version_of_a_sniffer_that_is_not_known_is_left_out(self):
        body = air.pdu(air.ADV_IND, air.address_bytes(ONE))
        known, unknown = (air.packet(body, air.NORDIC, version=version) for version in (3, 4))
        odd_kind = known[:6] + b"\5" + known[7:]
        for packet in (unknown, odd_kind, known[:16], b""):
            for capture in (pcap([(T0, packet)], air.NORDIC), pcapng([(T0, packet)], links=[air.NORDIC])):
                replay(capture=capture, code=65)
            both = pcap([(T0, known), (T0 + 30, packet)], air.NORDIC)
            batches, err = replay(capture=both)
            self.assertEqual([1], [len(batch["detections"]) for batch in batches])
            self.assertIn("1 packets that are not understood (of link type 272)", err)
            replay("--strict", capture=both, code=65)

    def test_records_shorter_than_what_stands_around_a_packet_are_left_out(self):
        good = {187: legacy(b""), 201: b"\0\0\0\1" + legacy(b""), 254: b"\0\0\0\3" + legacy(b"")[1:],
                256: air.packet(air.pdu(air.ADV_IND, air.address_bytes(ONE)), 256)}
        for link, head in ((187, 1), (201, 5), (254, 4), (256, 10)):
            for size in range(head):
                lines, err = replay("--each", capture=pcap([(T0, good[link]), (T0, good[link][:size])], link, framed=True))
                self.assertEqual(1, len(lines))
                self.assertIn(f"1 packets that are not understood (of link type {link})", err)

    def test_of_a_mixed_capture_what_was_left_out_is_counted(self):
        records = [(T0, b"x" * 60, 1), (T0 + 1, legacy(b"")), (T0 + 2, b"x" * 60, 1), (T0 + 50, b"x" * 60, 1)]
        capture = pcapng(records, links=[187, self.ETHERNET])
        batches, err = replay(capture=capture)
        self.assertIn("3 packets that are not understood (of link type 1) in standard input were left out", err)
        self.assertEqual([1], [len(batch["detections"]) for batch in batches])  # nobody listened for the 50 s
        replay("--strict", capture=capture, code=65)


class Sniffers(FolderTest):
    def capture(self, link, packets):
        """packets: (seconds after T0, channel, PDU and options of air.packet())."""
        return pcap([(T0 + at, air.packet(body, link, channel, **options)) for at, channel, body, options in packets], link)

    def legacy_packets(self):
        kinds = (air.ADV_IND, air.ADV_NONCONN_IND, air.SCAN_RSP, air.ADV_SCAN_IND)
        for i in range(200):
            address, random = (ONE, True) if i % 3 else (THREE, False)
            body = air.pdu(kinds[i % 4], air.address_bytes(address) + bytes([2, 1, 6, i % 24 + 3, 255]) + bytes(i % 24 + 2), random)
            yield i / 100, 37 + i % 3, body, {"rssi": -40 - i % 50, "damaged": i % 10 == 9}
        yield 3, 37, air.pdu(air.ADV_DIRECT_IND, air.address_bytes(ONE) + air.address_bytes(TWO)), {}
        yield 3.1, 37, air.pdu(air.SCAN_REQ, air.address_bytes(TWO) + air.address_bytes(ONE)), {}
        yield 3.2, 12, b"\x02\x05hello", {"access_address": 0x50655535}  # of a connection

    def test_legacy_advertising(self):
        event_types = {air.ADV_IND: 0, air.ADV_DIRECT_IND: 1, air.ADV_SCAN_IND: 2, air.ADV_NONCONN_IND: 3, air.SCAN_RSP: 4}
        for link in LINKS:
            with self.subTest(link=link):
                expected = []
                for _, _, body, options in self.legacy_packets():
                    if options.get("damaged") or "access_address" in options or body[0] & 15 == air.SCAN_REQ:
                        continue
                    address = body[2:8][::-1].hex(":")
                    expected.append((address, "random" if body[0] & 0x40 else "public", event_types[body[0] & 15],
                                     None if link == air.LINK_LAYER else options.get("rssi", -50),
                                     "" if body[0] & 15 == air.ADV_DIRECT_IND else body[8:].hex()))
                lines, err = replay("--each", "--strict", capture=self.capture(link, self.legacy_packets()))
                self.assertEqual(expected, short(lines))
                self.assertIn("20 packets were damaged on the air", err)

    def test_where_no_rssi_is_told_there_are_no_detections(self):
        packet = [(0, 37, air.pdu(air.ADV_IND, air.address_bytes(ONE)), {})]
        for link, detections in ((air.LINK_LAYER, 0), (air.WITH_RADIO, 1)):
            batches, err = replay(capture=self.capture(link, packet))
            self.assertEqual([detections], [len(batch["detections"]) for batch in batches])
            self.assertEqual(detections == 0, "1 reports of advertisers without RSSI left out" in err)

    def test_what_sniffers_say_of_a_packet_is_heeded(self):
        body, hurt = (air.pdu(air.ADV_IND, air.address_bytes(ONE) + b"\x02\x01\x06"), {"damaged": True})
        for version in (1, 2, 3):
            for coded in (False, True):
                lines, err = replay("--each", "--strict", capture=self.capture(air.NORDIC, [
                    (0, 37, body, {"version": version, "coded": coded}), (1, 37, body, {"version": version, "coded": coded, **hurt})]))
                self.assertEqual([(ONE, "random", 0, -50, "020106")], short(lines), (version, coded))
                self.assertIn("1 packets were damaged", err)
        for options in ({}, {"coded": True}, {"told": False}, {"told": False, "coded": True}, {"dewhitened": False}):
            lines, err = replay("--each", "--strict", capture=self.capture(air.WITH_RADIO, [
                (0, 37, body, options), (1, 37, body, {**options, **hurt})]))
            self.assertEqual([(ONE, "random", 0, -50, "020106")], short(lines), options)
            self.assertIn("1 packets were damaged", err)

    def test_extended_advertising_is_followed_as_far_as_the_capture_holds_it(self):
        adi, other = (3, 0x123), (3, 0x456)
        long = bytes([0xFF]) * 180
        packets = [
            # Three pointers to one packet, and that packet with all the data.
            *[(i / 1000, 37 + i, air.pdu(air.ADV_EXT_IND, air.extended(adi=adi, pointer=(10, 50))), {}) for i in range(3)],
            (0.010, 10, air.pdu(air.ADV_EXT_IND, air.extended(b"\x02\x01\x06", 0, ONE, adi=adi, tx_power=4)), {"rssi": -61}),
            # Two chains with the same set number at once.
            (1.000, 37, air.pdu(air.ADV_EXT_IND, air.extended(adi=adi, pointer=(10, 50), mode=1)), {}),
            (1.001, 37, air.pdu(air.ADV_EXT_IND, air.extended(adi=other, pointer=(20, 50))), {}),
            (1.002, 10, air.pdu(air.ADV_EXT_IND, air.extended(long + b"1", 1, ONE, adi=adi, pointer=(11, 50))), {}),
            (1.003, 20, air.pdu(air.ADV_EXT_IND, air.extended(long + b"2", 0, TWO, adi=other, pointer=(21, 50))), {}),
            (1.004, 11, air.pdu(air.ADV_EXT_IND, air.extended(b"one", adi=adi)), {}),
            (1.005, 21, air.pdu(air.ADV_EXT_IND, air.extended(b"two", adi=other)), {}),
            # A chain whose rest is not there.
            (2.000, 10, air.pdu(air.ADV_EXT_IND, air.extended(b"cut", 0, ONE, adi=adi, pointer=(12, 50))), {}),
            # No pointer: no data.
            (3.000, 37, air.pdu(air.ADV_EXT_IND, air.extended(address=TWO, adi=None)), {}),
            # Asked and answered.
            (4.000, 10, air.pdu(air.SCAN_REQ, air.address_bytes(THREE) + air.address_bytes(ONE), random_target=True), {}),
            (4.001, 10, air.pdu(air.ADV_EXT_IND, air.extended(b"\x03\x09hi", 0, ONE, adi=adi)), {}),
            # A continuation without its beginning.
            (6.000, 15, air.pdu(air.ADV_EXT_IND, air.extended(b"rest", adi=(5, 9))), {}),
            # Directed.
            (8.000, 37, air.pdu(air.ADV_EXT_IND, air.extended(mode=1, adi=(6, 1), pointer=(30, 5))), {}),
            (8.001, 30, air.pdu(air.ADV_EXT_IND, air.extended(mode=1, address=ONE, target=TWO, adi=(6, 1))), {}),
        ]
        truncated, response = 0x40, 0x08
        expected = [(ONE, 0, "020106"), (ONE, 1, (long + b"1one").hex()), (TWO, 0, (long + b"2two").hex()),
                    (ONE, truncated, b"cut".hex()), (TWO, 0, ""), (ONE, response, b"\x03\x09hi".hex()),
                    ("00:00:00:00:00:00", truncated, b"rest".hex()), (ONE, 5, "")]
        for link in (air.WITH_RADIO, air.NORDIC):
            with self.subTest(link=link):
                lines, err = replay("--each", "--strict", capture=self.capture(link, packets))
                self.assertEqual(expected, [(line["address"], line["event_type"], line["data"]) for line in lines])
                self.assertEqual("", err)
        # Where no channel is told, the chains are joined by their sets.
        lines, _ = replay("--each", capture=self.capture(air.LINK_LAYER, packets[:10]))
        self.assertEqual(expected[:3], [(line["address"], line["event_type"], line["data"]) for line in lines])

    def test_a_packet_cut_at_any_byte_is_malformed_or_left_out_and_nothing_else(self):
        body = air.pdu(air.ADV_EXT_IND, air.extended(b"data", 1, ONE, TWO, (3, 1), (10, 50), 4))
        for link in LINKS:
            whole = air.packet(body, link, 10)
            records = [(T0 + i, whole[:i]) for i in range(len(whole))]
            lines, _ = replay("--each", capture=pcap(records, link))
            self.assertLessEqual(len(lines), 3)  # those that miss some of the checksum only


if __name__ == "__main__":
    unittest.main()
