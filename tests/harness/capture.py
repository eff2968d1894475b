"""Captures made for a test, and what blescan reads in them."""
import json
import struct

from .process import run

EPOCH = 0x00DCDDB30F2F8000  # btsnoop counts microseconds from the year 0
T0 = 1_700_000_000.0


def btsnoop(records, link=1002):
    """A capture of (seconds since 1970, HCI packet) pairs."""
    out = [b"btsnoop\0" + struct.pack(">II", 1, link)]
    for seconds, packet in records:
        out.append(struct.pack(">IIIIQ", len(packet), len(packet), 3, 0, EPOCH + round(seconds * 1e6)) + packet)
    return b"".join(out)


def pcap(records, link):
    """The same as pcap, of the link type."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)]
    for seconds, packet in records:
        micros = round(seconds * 1e6)
        out.append(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet)
    return b"".join(out)


def pcapng(records, links):
    """(seconds, interface, packet) triples as pcapng, of interfaces of those link types."""
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    out += [block(1, struct.pack("<HHI", link, 0, 0)) for link in links]
    for seconds, interface, packet in records:
        micros = round(seconds * 1e6)
        out.append(block(6, struct.pack("<IIIII", interface, micros >> 32, micros & 0xFFFFFFFF, len(packet), len(packet)) + packet))
    return b"".join(out)


def packet_logger(records, order=">"):
    """The same as Apple's PacketLogger writes it: (seconds, H4 packet) pairs, events only."""
    out = []
    for seconds, packet in records:
        micros = round(seconds * 1e6)
        out.append(struct.pack(order + "IIIB", 9 + len(packet) - 1, micros // 1_000_000, micros % 1_000_000, 1) + packet[1:])
    return b"".join(out)


def legacy(data, address="c0:11:22:33:44:01", rssi=-60, kind=0, address_type=1):
    report = struct.pack("BB", kind, address_type) + bytes.fromhex(address.replace(":", ""))[::-1]
    report += struct.pack("B", len(data)) + data + struct.pack("b", rssi)
    return b"\x04\x3e" + struct.pack("BBB", len(report) + 2, 0x02, 1) + report


def extended(data, address="c0:11:22:33:44:01", rssi=-60, kind=0):
    report = struct.pack("<HB", kind, 1) + bytes.fromhex(address.replace(":", ""))[::-1]
    report += struct.pack("<BBBbb", 1, 0, 0, 127, rssi) + bytes(9) + struct.pack("B", len(data)) + data
    return b"\x04\x3e" + struct.pack("BBB", len(report) + 2, 0x0D, 1) + report


def replay(*argv, capture=b"", code=0, env=None):
    """Standard output's lines as JSON, and standard error."""
    got, out, err = run("blescan", "--replay", "-", *argv, input=capture, env=env)
    if got != code:
        raise AssertionError(f"exit {got}: {err}")
    return [json.loads(line) for line in out.splitlines()], err


def detection(*chunks):
    """The detection of an advertiser that sent these data."""
    records = [(T0 + i / 10, extended(chunk)) for i, chunk in enumerate(chunks)]
    lines, _ = replay("--detail", "--names", capture=btsnoop(records))
    return lines[0]["detections"][0]
