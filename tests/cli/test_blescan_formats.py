"""blescan in each format and link type: every report that a generated capture holds, and no other."""
import collections
import datetime
import gzip
import itertools
import math
import statistics
import unittest

from harness.capture import replay
from harness.capture_writers import btsnoop, packet_logger, pcap, pcapng
from harness.generated_air import Air

SEEDS = (1, 2, 3)


def captures(air):
    """(name, capture) of all formats that can hold it: not each of them tells adapters apart."""
    middle = air.beginnings[len(air.beginnings) // 2]
    halves = air.records[:middle], air.records[middle:]
    if air.adapters == 1:
        for link in (1001, 1002):
            yield f"btsnoop {link}", btsnoop(air.records, link)
        for order in "<>":
            yield f"PacketLogger {order}", packet_logger(air.records, order)
    yield "btsnoop 2001", btsnoop(air.records, 2001)
    for link in (187, 201, 254) if air.adapters == 1 else (254,):
        for order, nanoseconds in itertools.product("<>", (False, True)):
            yield f"pcap {link} {order} {nanoseconds}", pcap(air.records, link, order, nanoseconds)
    for link, order, digits in itertools.product((187, 201, 254), "<>", (6, 9)):
        yield f"pcapng {link} {order} {digits}", pcapng(*halves, links=[link], order=order, digits=digits)


class Formats(unittest.TestCase):
    maxDiff = None

    def check(self, air, compress=lambda capture: capture):
        for name, capture in captures(air):
            with self.subTest(name):
                rows, err = replay("--each", capture=compress(capture))
                for number, (row, owed) in enumerate(zip(rows, air.rows)):
                    self.assertEqual(list(row.items()), list(owed.items()), f"report {number}")
                self.assertEqual(len(rows), len(air.rows))
                self.assertIn(f" {air.malformed} malformed events", " " + err)
                self.assertEqual(err.count("\n"), 0, err)

    def test_one_adapter(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(Air(seed))

    def test_several_adapters(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(Air(seed, adapters=3))

    def test_compressed(self):
        for adapters in (1, 3):
            self.check(Air(SEEDS[0], adapters), lambda capture: gzip.compress(capture[:99]) + gzip.compress(capture[99:]))

    def test_what_was_made_has_all_kinds(self):
        air = Air(SEEDS[0], adapters=3)
        self.assertGreater(len(air.rows), 500)
        self.assertGreater(air.malformed, 10)
        self.assertEqual({row["address_type"] for row in air.rows},
                         {"public", "random", "public_identity", "random_identity", "unknown", "anonymous"})
        self.assertIn(None, {row["rssi"] for row in air.rows})
        self.assertEqual(max(len(row["data"]) for row in air.rows), 2 * 1650)

    def test_malformed_events_are_told_by_the_exit_code(self):
        air = Air(SEEDS[0])
        rows, _ = replay("--each", "--strict", capture=pcapng(air.records), code=65)
        self.assertEqual(rows, air.rows)


class Windows(unittest.TestCase):
    """Each report counts in the window in which it was heard."""

    def owed(self, air, seconds, names):
        """(number of the window, address): what its detection has to say."""
        begin = datetime.datetime.fromtimestamp(air.records[0][0], datetime.timezone.utc)
        heard = collections.defaultdict(list)
        for row, adapter in zip(air.rows, air.listeners):
            if row["address_type"] != "anonymous":
                at = datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00")) - begin
                heard[at.total_seconds() // seconds, row["address"]].append((row["rssi"], adapter))
        owed = {}
        for key, reports in heard.items():
            values = [rssi for rssi, _ in reports if rssi is not None]
            adapters = {f"hci{adapter}" for _, adapter in reports} if names else set()
            if values:
                owed[key] = len(reports), math.floor(statistics.median(values)), min(values), max(values), adapters
        return owed

    def check(self, air, capture, seconds, names=True):
        batches, _ = replay("--window", str(seconds), "--addresses", "--detail", capture=capture)
        starts = sorted({batch["timestamp"] for batch in batches})
        found = {(starts.index(batch["timestamp"]), one["address"]):
                 (*(one[key] for key in ("count", "rssi", "rssi_min", "rssi_max")), set(one.get("adapters", ())))
                 for batch in batches for one in batch["detections"]}
        self.assertEqual(found, self.owed(air, seconds, names))

    def test_one_window(self):
        air = Air(SEEDS[0])
        self.check(air, btsnoop(air.records), 604_800, names=False)

    def test_many_windows(self):
        for seed in SEEDS:
            air = Air(seed, adapters=3)
            for capture in (btsnoop(air.records, 2001), pcap(air.records, 254), pcapng(air.records, links=[254])):
                self.check(air, capture, 10)


if __name__ == "__main__":
    unittest.main()
