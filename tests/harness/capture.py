"""Captures made for a test, and what blescan reads in them."""
import json
import struct

from .capture_writers import btsnoop
from .process import run

T0 = 1_700_000_000.0


def legacy(data, address="c0:11:22:33:44:01", rssi=-60, kind=0, address_type=1):
    report = struct.pack("BB", kind, address_type) + bytes.fromhex(address.replace(":", ""))[::-1]
    report += struct.pack("B", len(data)) + data + struct.pack("b", rssi)
    return b"\x04\x3e" + struct.pack("BBB", len(report) + 2, 0x02, 1) + report


def extended(data, address="c0:11:22:33:44:01", rssi=-60, kind=0):
    report = struct.pack("<HB", kind, 1) + bytes.fromhex(address.replace(":", ""))[::-1]
    report += struct.pack("<BBBbb", 1, 0, 0, 127, rssi) + bytes(9) + struct.pack("B", len(data)) + data
    return b"\x04\x3e" + struct.pack("BBB", len(report) + 2, 0x0D, 1) + report


def scan_enabled(on, at, adapter=0):
    """Records: a controller is asked to scan or not, and does so."""
    return [(at, b"\x01\x0c\x20\x02" + bytes([on, 0]), adapter), (at, b"\x04\x0e\x04\x01\x0c\x20\x00", adapter)]


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
