"""Advertising as controllers report it, made up by chance, and the rows that `blescan --each` owes for it: who made it knows.

What Air makes comes in happenings, from one report to parts that are never completed. They are longer apart than any part
waits for the next one.
"""
import collections
import datetime
import random
import struct

LEGACY, DIRECTED, EXTENDED = 0x02, 0x0B, 0x0D  # subevents
SCAN_RESPONSE, LEGACY_PDU, MORE, TRUNCATED = 0x08, 0x10, 0x20, 0x40  # extended event types
LONGEST_PART, LONGEST_DATA, LONGEST_EVENT = 229, 1650, 255
ADDRESS_TYPES = {0: "public", 1: "random", 2: "public_identity", 3: "random_identity", 4: "unknown", 0xFF: "anonymous"}
NOBODY = (0, bytes(6))  # how some controllers fill in the address of a later part
ANONYMOUS = (0xFF, bytes(6))

Said = collections.namedtuple("Said", "who kind rssi data set", defaults=(0xFF,))  # who: (address type, address)


def encode(subevent, said):
    address, rssi = bytes(reversed(said.who[1])), struct.pack("b", said.rssi)
    if subevent == LEGACY:
        return bytes((said.kind, said.who[0])) + address + bytes((len(said.data),)) + said.data + rssi
    if subevent == DIRECTED:
        return bytes((said.kind, said.who[0])) + address + b"\x01" + b"\x42" * 6 + rssi
    head = struct.pack("<HB", said.kind, said.who[0]) + address + bytes((1, 2, said.set, 8)) + rssi
    return head + bytes(9) + bytes((len(said.data),)) + said.data


def event(subevent, reports, count=None):
    body = bytes((subevent, len(reports) if count is None else count)) + b"".join(encode(subevent, said) for said in reports)
    return bytes((0x04, 0x3E, len(body))) + body


def known(rssi):
    return -127 <= rssi <= 20


class Air:
    """`records` for a capture writer; `rows`, and the number of the adapter that heard each (`listeners`); how many events are
    `malformed`; and the records at which happenings begin."""

    def __init__(self, seed, adapters=1, happenings=300):
        self.chance = random.Random(seed)
        self.adapters = adapters
        self.records, self.rows, self.listeners, self.beginnings, self.malformed = [], [], [], [], 0
        self.micros = 1_700_000_000_000_000 + self.chance.randrange(1_000_000_000)
        self.neighbours = [self.anybody() for _ in range(15)]
        kinds = [self.reports, self.reports, self.parts, self.mingled_parts, self.never_completed, self.a_late_rest, self.begun_anew,
                 self.without_address, self.too_long, self.malformed_event, self.no_report]
        if adapters > 1:
            kinds.append(self.two_adapters)
        order = kinds * (happenings // len(kinds))
        self.chance.shuffle(order)
        for happen in order:
            self.wait(100_000, 2_500_000)
            self.beginnings.append(len(self.records))
            self.adapter = self.chance.randrange(adapters)
            happen()

    # What chance gives.
    def anybody(self):
        return self.chance.randrange(4), self.chance.randbytes(6)

    def rssi(self):
        return self.chance.randrange(-128, 128) if self.chance.random() < 0.1 else self.chance.randrange(-105, -25)

    def data(self, longest, shortest=0):
        return self.chance.randbytes(self.chance.randint(shortest, longest))

    def one(self, subevent):
        who = self.chance.choice(self.neighbours)
        if subevent == LEGACY:
            return Said(who, self.chance.randrange(5), self.rssi(), self.data(31))
        if subevent == DIRECTED:
            return Said(who, 1, self.rssi(), b"")
        who = self.chance.choice((who, who, ANONYMOUS, (4, who[1])))
        kind = self.chance.choice((0, 1, 2, 3, SCAN_RESPONSE | 2, 4, LEGACY_PDU | 3, LEGACY_PDU | 0xB))
        return Said(who, kind | 0x80, self.rssi(), self.data(LONGEST_PART), self.chance.randrange(16))

    def some(self, subevent, most=12):
        """As many as fit into an event."""
        said = [self.one(subevent) for _ in range(self.chance.randint(1, most))]
        while sum(len(encode(subevent, one)) for one in said) > LONGEST_EVENT - 2:
            said.pop()
        return said

    def long_data(self, parts=None, last=0):
        """One advertiser's data in parts."""
        who, kind, number = self.anybody(), self.chance.choice((0, 1, 2, SCAN_RESPONSE | 2)), self.chance.randrange(16)
        parts = [Said(who, kind | MORE, self.rssi(), self.data(LONGEST_PART, 1), number)
                 for _ in range(parts or self.chance.randint(2, 7))]
        return parts[:-1] + [parts[-1]._replace(kind=kind | last)]

    # What is heard, and what is owed.
    def wait(self, shortest, longest):
        self.micros += self.chance.randint(shortest, longest)

    def hear(self, packet):
        self.records.append((self.micros / 1e6, packet, self.adapter))

    def hear_parts(self, *parts):
        for said in parts:
            self.wait(200, 20_000)
            self.hear(event(EXTENDED, [said]))

    def owe(self, said):
        second = datetime.datetime.fromtimestamp(self.micros // 1_000_000, datetime.timezone.utc)
        self.listeners.append(self.adapter)
        self.rows.append({
            "timestamp": f"{second:%Y-%m-%dT%H:%M:%S}.{self.micros % 1_000_000:06}Z", "address": said.who[1].hex(":"),
            "address_type": ADDRESS_TYPES[said.who[0]], "event_type": said.kind & 0x7F,
            "rssi": said.rssi if known(said.rssi) else None, "data": said.data.hex()})

    def owe_joined(self, *parts, cut=False):
        """What the parts are together, as of now."""
        heard = [said.rssi for said in parts if known(said.rssi)]
        data = b"".join(said.data for said in parts)
        cut = cut or len(data) > LONGEST_DATA or parts[-1].kind & TRUNCATED
        self.owe(parts[0]._replace(kind=parts[0].kind & ~MORE & ~TRUNCATED | (TRUNCATED if cut else 0), data=data[:LONGEST_DATA],
                                   rssi=heard[-1] if heard else 127))

    # The happenings.
    def reports(self):
        subevent = self.chance.choice((LEGACY, DIRECTED, EXTENDED))
        said = self.some(subevent)
        self.hear(event(subevent, said))
        for one in said:
            self.owe(one)

    def parts(self):
        parts = self.long_data(last=self.chance.choice((0, 0, TRUNCATED)))
        self.hear_parts(*parts)
        self.owe_joined(*parts)

    def mingled_parts(self):
        """Of two advertisers, at times in one event, and between them a legacy report of one of them."""
        a, b = self.long_data(3), self.long_data(2)
        self.hear_parts(a[0], b[0])
        legacy = a[0]._replace(kind=a[2].kind | LEGACY_PDU, data=self.data(31))
        self.hear(event(EXTENDED, [legacy]))
        self.owe(legacy)
        a[1], b[1] = a[1]._replace(data=a[1].data[:80]), b[1]._replace(data=b[1].data[:80])
        self.hear(event(EXTENDED, [a[1], b[1]]))
        self.owe_joined(*b)
        self.hear_parts(a[2])
        self.owe_joined(*a)

    def never_completed(self):
        parts = self.long_data()[:-1]
        self.hear_parts(*parts)
        self.owe_joined(*parts, cut=True)

    def a_late_rest(self):
        """A part waits 80 ms for the next one; what comes later was not the whole either."""
        *parts, rest = self.long_data()
        self.hear_parts(*parts)
        self.owe_joined(*parts, cut=True)
        self.wait(81_000, 700_000)
        self.hear(event(EXTENDED, [rest]))
        self.owe_joined(rest, cut=True)

    def begun_anew(self):
        first, *others = self.long_data()
        self.hear_parts(first)
        self.owe_joined(first, cut=True)
        self.hear_parts(first, *others)
        self.owe_joined(first, *others)

    def without_address(self):
        parts = self.long_data()
        self.hear_parts(parts[0], *(said._replace(who=self.chance.choice((NOBODY, ANONYMOUS))) for said in parts[1:]))
        self.owe_joined(*parts)

    def too_long(self):
        parts = [said._replace(data=self.chance.randbytes(LONGEST_PART)) for said in self.long_data(8)]
        self.hear_parts(*parts)
        self.owe_joined(*parts)

    def two_adapters(self):
        """Both hear the same advertiser at the same time, one with a part less."""
        parts = self.long_data(4)
        both = self.chance.sample(range(self.adapters), 2)
        for number, said in enumerate(parts):
            self.wait(200, 2_000)
            for self.adapter in both if number != 1 else both[:1]:
                self.hear(event(EXTENDED, [said]))
        for self.adapter, heard in zip(both, (parts, parts[:1] + parts[2:])):
            self.owe_joined(*heard)

    def malformed_event(self):
        """What stands in it whole is owed all the same."""
        self.malformed += 1
        subevent = self.chance.choice((LEGACY, DIRECTED, EXTENDED))
        said = self.some(subevent)
        fault = self.chance.choice(("promises more", "is cut off", "says it is shorter", "is empty"))
        if fault == "promises more":
            self.hear(event(subevent, said, len(said) + self.chance.randint(1, 9)))
        elif fault == "is empty":
            self.hear(self.chance.choice((b"\x04", b"\x04\x3e", b"\x04\x3e\x00", b"\x04\x3e\x01" + bytes((subevent,)))))
            return
        else:
            less = self.chance.randint(1, len(encode(subevent, said[-1])))
            whole = event(subevent, said)
            self.hear(whole[:-less] if fault == "is cut off" else whole[:2] + bytes((whole[2] - less,)) + whole[3:])
            said.pop()
        for one in said:
            self.owe(one)

    def no_report(self):
        """Other packets, with what would be a report in an event."""
        body = event(LEGACY, self.some(LEGACY))[1:]
        for packet in (bytes((1,)) + body, bytes((2,)) + body, bytes((3,)) + body, b"\x04\x0e" + body[1:],
                       b"\x04\x3e" + body[1:2] + b"\x01" + body[3:], event(LEGACY, []), event(EXTENDED, [])):
            self.hear(packet)
