"""Packets as the programs that record them write them: each format of a capture that blescan reads.

A record is (seconds since 1970, packet) or (seconds, packet, number of the adapter). A packet has its H4 type in front, and is
framed as the link type wants it; for link types that are not HCI's it stays as it is.
"""
import struct

COMMAND, ACL, SCO, EVENT = 1, 2, 3, 4
_BTSNOOP_EPOCH = 0x00DCDDB30F2F8000  # btsnoop counts microseconds from the year 0
_MONITOR_OPCODES = {COMMAND: 2, EVENT: 3, ACL: 5, SCO: 7}  # those of received packets, for the last two
_LOGGER_KINDS = {COMMAND: 0, EVENT: 1, ACL: 3, SCO: 9}


def _micros(record):
    return round(record[0] * 1e6)


def _adapter(record):
    return record[2] if len(record) > 2 else 0


def _received(packet):
    return packet[0] != COMMAND


def btsnoop(records, link=1002):
    """link: 1001 (without H4 types), 1002 (H4) or 2001 (Linux monitor, which names adapters)."""
    out = [b"btsnoop\0" + struct.pack(">II", 1, link)]
    for record in records:
        packet = record[1]
        flags, body = _received(packet) | (packet[0] in (COMMAND, EVENT)) << 1, packet[1:]
        if link == 1002:
            body = packet
        elif link == 2001:
            flags = _adapter(record) << 16 | _MONITOR_OPCODES[packet[0]]
        out.append(struct.pack(">IIIIQ", len(body), len(body), flags, 0, _BTSNOOP_EPOCH + _micros(record)) + body)
    return b"".join(out)


def _framed(record, link):
    """link: as it is for 187 (H4) and those of others, 201 (H4 behind its direction), 254 (Linux monitor, which names adapters)."""
    packet = record[1]
    if link == 201:
        return struct.pack(">I", _received(packet)) + packet
    if link == 254:
        return struct.pack(">HH", _adapter(record), _MONITOR_OPCODES[packet[0]]) + packet[1:]
    return packet


def pcap(records, link=201, order="<", nanoseconds=False, framed=False):
    """framed: the packets are as the link type has them already."""
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)]
    for record in records:
        body = record[1] if framed else _framed(record, link)
        seconds, micros = divmod(_micros(record), 1_000_000)
        fraction = micros * 1000 + 999 if nanoseconds else micros  # below a microsecond it is cut off
        out.append(struct.pack(order + "IIII", seconds, fraction, len(body), len(body)) + body)
    return b"".join(out)


class _Section:
    def __init__(self, order):
        self.order = order
        self.out = []
        self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1))

    def pack(self, layout, *values):
        return struct.pack(self.order + layout, *values)

    def block(self, kind, body):
        body += bytes(-len(body) % 4)
        length = len(body) + 12
        self.out.append(self.pack("II", kind, length) + body + self.pack("I", length))

    def option(self, code, value):
        return self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4)


def pcapng(*sections, links=(201,), order="<", digits=6):
    """Each section has its own interfaces, one for each link and each adapter, and another byte order than the one before it.

    links: of the interfaces; the last is that of all further ones, too. digits: how many of a second's decimal digits its times
    have. Blocks that hold no packets stand in between.
    """
    def link_of(adapter):
        return links[min(adapter, len(links) - 1)]
    out = []
    for records in sections:
        section = _Section(order)
        for adapter in range(max([len(links), *(1 + _adapter(record) for record in records)])):
            options = section.option(2, b"hci%d" % adapter) + section.option(9, bytes((digits,))) + section.option(0, b"")
            section.block(1, section.pack("HHI", link_of(adapter), 0, 65535) + options)
        for number, record in enumerate(records):
            body = _framed(record, link_of(_adapter(record)))
            ticks = _micros(record) * 10 ** (digits - 6)
            head = ticks >> 32, ticks & 0xFFFFFFFF, len(body), len(body)
            if number % 5 == 3:  # the obsolete kind of packet block
                section.block(2, section.pack("HHIIII", _adapter(record), 0, *head) + body)
            else:
                comment = section.option(1, b"a comment") + section.option(0, b"")
                section.block(6, section.pack("IIIII", _adapter(record), *head) + body + bytes(-len(body) % 4) + comment)
            if number % 7 == 0:
                section.block(4 if number % 2 else 0x0BAD, b"neither packet nor interface")
        out += section.out
        order = "<" if order == ">" else ">"
    return b"".join(out)


def packet_logger(records, order=">"):
    """As Apple's PacketLogger writes it."""
    out = []
    for record in records:
        packet = record[1]
        head = (9 + len(packet) - 1, *divmod(_micros(record), 1_000_000), _LOGGER_KINDS[packet[0]])
        out.append(struct.pack(order + "IIIB", *head) + packet[1:])
    return b"".join(out)
