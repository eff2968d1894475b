"""blescan and tshark read the same reports in generated captures of each kind, one by one."""
import datetime
import gzip
import json
import random
import subprocess
import unittest

from harness import FolderTest, air
from harness.capture import T0, extended, legacy
from harness.capture_writers import btsnoop, packet_logger, pcap
from harness.process import run

ADDRESSES = ["c4:f7:00:00:00:01", "c4:f7:00:00:00:02", "7a:00:00:00:00:03", "00:11:22:33:44:55"]  # the last is public


def tshark(path, *words):
    return subprocess.run(["tshark", "-n", "-r", path, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def rows(path, fields):
    """A list of texts for each packet."""
    words = [word for field in fields for word in ("-e", field)]
    return [row.split("\t") for row in tshark(path, "-T", "fields", *words).split("\n")[:-1]]


def link_layers(path):
    """The bytes of each packet, from its access address on."""
    for packet in json.loads(tshark(path, "-T", "jsonraw", "-J", "btle")):
        yield bytes.fromhex(packet["_source"]["layers"]["btle_raw"][0])


def number(text):
    return {"": None, "True": 1, "False": 0}[text] if text in ("", "True", "False") else int(text, 0)


class Compared(FolderTest):
    def blescan(self, path):
        code, out, err = run("blescan", "--replay", path, "--each", "--strict")
        self.assertEqual(0, code, err)
        for line in map(json.loads, out.splitlines()):
            whole = datetime.datetime.fromisoformat(line["timestamp"][:19] + "+00:00")
            line["at"] = f"{int(whole.timestamp())}{line['timestamp'][19:26]}"  # microseconds, as tshark's first 17 characters
            yield line

    def as_pcapng(self, capture):
        """As Wireshark writes it."""
        path = self.file("c.pcap", capture)
        subprocess.run(["editcap", "-F", "pcapng", path, self.folder / "c.pcapng"], check=True)
        return (self.folder / "c.pcapng").read_bytes()


class Hosts(Compared):
    def records(self):
        for i in range(300):
            data = bytes([2, 1, 6, i % 20 + 3, 0xFF, 0xFE, 0xFF]) + bytes(i % 20)
            address, rssi, random_address = ADDRESSES[i % 4], -30 - i % 60 if i % 7 else 127, i % 4 != 3
            if i % 2:
                yield T0 + i / 50, extended(data, address, rssi, kind=(0, 1, 2, 4, 0x0A, 0x13, 0x1B)[i % 7])  # tells of random addresses
            else:
                yield T0 + i / 50, legacy(data, address, rssi, kind=i // 2 % 5, address_type=int(random_address))

    def kinds(self):
        records = list(self.records())
        yield "btsnoop", btsnoop(records)
        yield "pklg", packet_logger(records)
        yield "little-endian pklg", packet_logger(records, "<")
        for link in (187, 201, 254):
            yield f"pcap {link}", pcap(records, link)
            yield f"pcapng {link}", self.as_pcapng(pcap(records, link))

    def test_each_report_of_a_host_is_the_same(self):
        fields = ["frame.time_epoch", "bthci_evt.bd_addr", "bthci_evt.le_peer_address_type", "bthci_evt.le_advts_event_type",
                  "bthci_evt.le_ext_advts_event_type", "bthci_evt.rssi", "bthci_evt.data_length"]
        for name, capture in self.kinds():
            with self.subTest(name):
                expected = [(at[:17], address, ("public", "random")[number(kind)], number(old) if old else number(new),
                             None if rssi in ("", "127") else int(rssi), int(size))
                            for at, address, kind, old, new, rssi, size in rows(self.file("c", capture), fields)]
                self.assertEqual(300, len(expected))
                for packed in (capture, gzip.compress(capture)):
                    self.assertEqual(expected, [(line["at"], line["address"], line["address_type"], line["event_type"], line["rssi"],
                                                 len(line["data"]) // 2) for line in self.blescan(self.file("c", packed))])


class Sniffers(Compared):
    FIELDS = ["frame.time_epoch", "btle.advertising_header.pdu_type", "btle.advertising_address", "btle.advertising_header.randomized_tx",
              "btle.advertising_header.length", "btle.crc.incorrect", "nordic_ble.crcok", "btle.extended_advertising_header.length",
              "btle.extended_advertising_header.mode", "btle.extended_advertising.advertising_data_info",
              "btle.extended_advertising_header.aux_pointer.aux_offset"]
    RSSI = {air.LINK_LAYER: "frame.number", air.WITH_RADIO: "btle_rf.signal_dbm", air.NORDIC: "nordic_ble.rssi"}
    EVENT_TYPES = {0: 0, 1: 1, 6: 2, 2: 3, 4: 4}  # of legacy PDUs

    def legacy_packets(self, chance):
        for i in range(300):
            address, kind = chance.choice(ADDRESSES), chance.choice([air.ADV_IND, air.ADV_NONCONN_IND, air.SCAN_RSP, air.ADV_SCAN_IND])
            size = chance.randrange(28)  # well-formed, else tshark does not come to the checksum behind it
            data = bytes([size + 3, 0xFF, 0xFE, 0xFF]) + chance.randbytes(size)
            yield i / 50, 37 + i % 3, air.pdu(kind, air.address_bytes(address) + data, address != ADDRESSES[3]), {
                "rssi": chance.randrange(-99, -20), "damaged": chance.random() < 0.1}
        yield 7, 37, air.pdu(air.ADV_DIRECT_IND, air.address_bytes(ADDRESSES[0]) + air.address_bytes(ADDRESSES[1])), {}
        yield 7.1, 37, air.pdu(air.SCAN_REQ, air.address_bytes(ADDRESSES[1]) + air.address_bytes(ADDRESSES[0])), {}

    def extended_event(self, at, chance, who):
        """Three pointers, the packet with the advertiser's address, and up to five continuations of it."""
        address, adi, mode = ADDRESSES[who], (who + 4, chance.randrange(4096)), chance.choice([0, 1])
        channels = [chance.randrange(37) for _ in range(chance.randrange(1, 7))]
        steps = [(channel, 100 + 10 * who + 3 * i) for i, channel in enumerate(channels)] + [None]  # by 30 us
        for i in range(3):
            yield at + i * 0.0006, 37 + i, air.pdu(7, air.extended(b"", mode, adi=adi, pointer=(channels[0], 100 - 20 * i)), False), {}
        at += 0.0030
        for i, channel in enumerate(channels):
            first = {"address": address, "tx_power": 4} if i == 0 else {}
            data = chance.randbytes(chance.randrange(1, 200))
            body = air.pdu(7, air.extended(data, mode if i == 0 else 0, adi=adi, pointer=steps[i + 1], **first), address != ADDRESSES[3])
            yield at, channel, body, {"rssi": chance.randrange(-99, -20), "auxiliary": min(i, 1)}
            at += steps[i + 1][1] * 30e-6 if steps[i + 1] else 0

    def extended_packets(self, chance):
        packets = [packet for i in range(60) for who in range(4) for packet in self.extended_event(i * 0.1 + who * 0.00017, chance, who)]
        return sorted(packets, key=lambda packet: packet[0])

    def of_tshark(self, path, link):
        chains = {}
        for row, raw in zip(rows(path, [*self.FIELDS, self.RSSI[link]]), link_layers(path), strict=True):
            at, pdu, address, is_random, length, wrong, right, head, mode, adi, pointer, rssi = row
            if not pdu or wrong or number(right) == 0:
                continue
            address_type = "random" if number(is_random) else "public"
            rssi = None if link == air.LINK_LAYER else int(rssi)
            start, end = 4 + 2 + 6, 4 + 2 + int(length)
            if number(pdu) in self.EVENT_TYPES:
                data = b"" if number(pdu) == air.ADV_DIRECT_IND else raw[start:end]
                yield at[:17], address, address_type, self.EVENT_TYPES[number(pdu)], rssi, data.hex()
            elif number(pdu) == air.ADV_EXT_IND:
                data = raw[4 + 2 + 1 + int(head):end]
                if number(head) >= 10:  # with an address: a beginning (tshark itself knows the address of some of the others)
                    chains[adi] = (address, address_type, number(mode), b"")
                if adi not in chains:
                    continue  # a pointer to a beginning
                address, address_type, event_type, before = chains.pop(adi)
                if pointer:
                    chains[adi] = (address, address_type, event_type, before + data)
                else:
                    yield at[:17], address, address_type, event_type, rssi, (before + data).hex()

    def compare(self, packets, least):
        for link in (air.LINK_LAYER, air.WITH_RADIO, air.NORDIC):
            records = [(T0 + at, air.packet(body, link, channel, **options)) for at, channel, body, options in packets]
            whole = pcap(records, link)
            expected = list(self.of_tshark(self.file("c", whole), link))
            self.assertGreaterEqual(len(expected), least)
            for capture in (whole, gzip.compress(whole), self.as_pcapng(whole)):
                with self.subTest(link=link, start=capture[:4]):
                    self.assertEqual(expected, [(line["at"], line["address"], line["address_type"], line["event_type"], line["rssi"],
                                                 line["data"]) for line in self.blescan(self.file("c", capture))])

    def test_each_legacy_report_is_the_same(self):
        self.compare(list(self.legacy_packets(random.Random(1))), 230)

    def test_each_extended_report_is_the_same(self):
        self.compare(self.extended_packets(random.Random(2)), 240)


if __name__ == "__main__":
    unittest.main()
