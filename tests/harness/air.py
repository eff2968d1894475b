"""Packets of the link layer as sniffers record them, for tests: Core Specification 5.4, Vol 6 Part B 2.3 and 3.1.1."""
import struct

ADV_IND, ADV_DIRECT_IND, ADV_NONCONN_IND, SCAN_REQ, SCAN_RSP, ADV_SCAN_IND, ADV_EXT_IND = 0, 1, 2, 3, 4, 6, 7
LINK_LAYER, WITH_RADIO, NORDIC = 251, 256, 272


def crc(pdu):
    """Bit by bit, as the specification draws it: the register is sent from its highest bit on."""
    register = 0x555555
    for byte in pdu:
        for bit in range(8):
            feedback = (register >> 23 ^ byte >> bit) & 1
            register = (register << 1) & 0xFFFFFF ^ (0x00065B if feedback else 0)
    return int(f"{register:024b}"[::-1], 2).to_bytes(3, "little")


def address_bytes(address):
    return bytes.fromhex(address.replace(":", ""))[::-1]


def pdu(kind, payload, random=True, random_target=False):
    return bytes([kind | (0x40 if random else 0) | (0x80 if random_target else 0), len(payload)]) + payload


def extended(data=b"", mode=0, address=None, target=None, adi=None, pointer=None, tx_power=None):
    """The payload of extended advertising; adi: (SID, DID); pointer: (channel, offset in units of 30 us)."""
    fields = b"".join([
        address_bytes(address) if address else b"", address_bytes(target) if target else b"",
        struct.pack("<H", adi[0] << 12 | adi[1]) if adi else b"",
        struct.pack("<BH", pointer[0], pointer[1]) if pointer else b"", struct.pack("b", tx_power) if tx_power is not None else b""])
    flags = sum(bit for bit, field in [(1, address), (2, target), (8, adi), (16, pointer), (64, tx_power is not None)] if field)
    header = bytes([flags]) + fields if flags else b""
    return bytes([mode << 6 | len(header)]) + header + data


def packet(body, link, channel=37, rssi=-50, damaged=False, access_address=0x8E89BED6, coded=False, told=True, dewhitened=True,
           auxiliary=0, version=3):
    """The record of a sniffer: of a damaged one the checksum is wrong, and the sniffer says so where it can, if it is `told`.

    auxiliary: 0 AUX_ADV_IND, 1 AUX_CHAIN_IND, 3 AUX_SCAN_RSP, told with the packets of secondary channels by nRF Sniffer (version: of its
    header).
    """
    check = bytes(3 - i for i in range(3)) if damaged else crc(body)
    air = struct.pack("<I", access_address) + (b"\0" if coded else b"") + body + check
    secondary = channel < 37 and access_address == 0x8E89BED6
    if link == LINK_LAYER:
        return air
    if link == WITH_RADIO:
        index = {37: 0, 38: 12, 39: 39}.get(channel, channel + 1 if channel < 11 else channel + 2)
        flags = 0x0002 | 0x0010 | (0x0001 if dewhitened else 0) | (0x0080 if secondary else 0) | (0x8000 if coded else 0)
        if told:
            flags |= 0x0400 | (0 if damaged else 0x0800)
        return struct.pack("<BbbBIH", index, rssi, 0, 0, access_address, flags) + air
    flags = (0 if damaged else 1) | (auxiliary << 1 if secondary else 0) | (0x20 if coded else 0)
    head = struct.pack("<BBBHI", flags, channel, -rssi, 0, 0)
    kind = 2 if access_address == 0x8E89BED6 and version > 1 else 6  # advertising, or of a connection
    size = 1 + len(head) + len(air)
    start = struct.pack("<HBHB", size, version, 1, kind) if version > 1 else struct.pack("<BBBHB", 6, size, version, 1, kind)
    return b"\0" + start + bytes([1 + len(head)]) + head + air
