"""blescan: window_ms is the time in which the radio listened, when somebody switches its scan off meanwhile."""
import json
import os
import signal
import tempfile
import time
import unittest

from harness.bluez import BEACON, HCI0, HCI1, LiveTest, MonitorChannel
from harness.bluez_vm import MOMENT_S, comparable, rested_s
from harness.capture import T0, btsnoop, legacy, replay, scan_enabled
from harness.capture_writers import packet_logger, pcap, pcapng

FLAGS = b"\x02\x01\x06"


SCANS = [(0, 10.24), (15.24, 25.5), (30.5, 40.1)]  # as bluetoothd rests when it thinks that nobody minds


def in_order(records):
    return sorted(records, key=lambda record: record[0])


def reports(begin, end):
    """Ten a second."""
    return [(T0 + i / 10, legacy(FLAGS), 0) for i in range(401) if begin <= i / 10 < end]


def resting():
    records = [(T0 + SCANS[-1][1], legacy(FLAGS), 0)]
    for begin, end in SCANS:
        records += scan_enabled(True, T0 + begin) + reports(begin, end)
    for _, end in SCANS[:-1]:
        records += scan_enabled(False, T0 + end)
    return in_order(records)


class Recorded(unittest.TestCase):
    def test_the_rests_of_bluetoothd_are_no_listening(self):
        lengths = [10_000, 5000, 5500, 9500]
        for name, capture in (("btsnoop, H4", btsnoop(resting())), ("btsnoop, HCI", btsnoop(resting(), link=1001)),
                              ("btsnoop, monitor", btsnoop(resting(), link=2001)), ("pcap", pcap(resting())),
                              ("pcapng, monitor", pcapng(resting(), links=(254,))), ("pklg", packet_logger(resting()))):
            for speed in ("max", "100"):
                with self.subTest(name, speed=speed):
                    batches, err = replay("--speed", speed, capture=capture)
                    self.assertEqual(lengths, [batch["window_ms"] for batch in batches][:4])
                    self.assertEqual([10_000] * 5, [batch["interval_ms"] for batch in batches])
                    self.assertEqual(302, sum(d["count"] for batch in batches for d in batch["detections"]))
                    self.assertIn("for 10 s of the windows the radio did not scan", err)

    def test_a_window_in_which_nobody_listened_is_no_empty_room(self):
        batches, _ = replay("--window", "1", "--detail", capture=btsnoop(resting()))
        self.assertEqual(list(range(len(batches))), [batch["seq"] for batch in batches])
        self.assertTrue(all(batch["detections"] for batch in batches))
        self.assertEqual(28, sum(batch["window_ms"] == 1000 for batch in batches))
        self.assertAlmostEqual(10, rested_s(batches), delta=MOMENT_S)

    def test_a_scan_that_is_only_started_anew_has_no_rests(self):
        records = reports(0, 30)
        for at in range(1, 30, 3):
            records += scan_enabled(False, T0 + at + 0.01) + scan_enabled(True, T0 + at + 0.09)
        batches, err = replay(capture=btsnoop(in_order(records)))
        self.assertEqual([10_000, 10_000, 9900], [batch["window_ms"] for batch in batches])
        self.assertNotIn("did not scan", err)

    def test_two_adapters_listen_while_one_of_them_does(self):
        records = resting() + [(T0 + 0.05, legacy(FLAGS, "c0:00:00:00:00:02"), 1)]
        for both, lengths in ((records, [10_000] * 4),
                              (records + scan_enabled(False, T0 + 1, 1), [10_000, 5000, 5500, 9500])):
            batches, _ = replay(capture=btsnoop(in_order(both), link=2001))
            self.assertEqual(lengths, [batch["window_ms"] for batch in batches][:4])

    def test_counts_have_the_same_windows(self):
        batches, _ = replay("--counts", capture=btsnoop(resting()))
        self.assertEqual([10_000, 5000, 5500, 9500], [batch["window_ms"] for batch in batches][:4])


class Live(LiveTest):
    def setUp(self):
        super().setUp()
        self.channel = self.enterContext(MonitorChannel())
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="blepipe-rests-"))

    def rest(self, seconds, adapter=0):
        """The scan is off for so long: the least and the most that it can have been."""
        before_off = time.time()
        self.channel.scan_enabled(False, adapter)
        after_off = time.time()
        time.sleep(seconds)
        before_on = time.time()
        self.channel.scan_enabled(True, adapter)
        return before_on - after_off, time.time() - before_off

    def until_heard(self, tool, address, adapter=0):
        """Its lines up to the one with that advertiser."""
        lines = []
        while not lines or address not in lines[-1]:
            self.channel.report(address, adapter=adapter)
            lines.append(tool.line().decode())
        return lines

    def scan_monitor(self, *argv):
        tool = self.scan("--source", "monitor", "--window", "0.5", "--interval", "0", "--addresses", *argv, env=self.channel.env)
        tool.wait_err("scanning hci")
        return tool

    def test_a_rest_is_taken_off_and_a_replay_of_the_recording_knows_it(self):
        self.fake()
        record = os.path.join(self.folder, "a.btsnoop")
        tool = self.scan_monitor("--record", record)
        self.channel.scan_enabled(True)
        lines = self.until_heard(tool, BEACON)
        least, most = self.rest(2)
        lines += self.until_heard(tool, "c0:00:00:00:00:02")
        tool.signal(signal.SIGTERM)
        tool.wait()
        lines += [line.decode() for line in tool.lines()]
        batches = [json.loads(line) for line in lines]
        self.assertGreater(rested_s(batches), least - MOMENT_S - 0.01)
        self.assertLess(rested_s(batches), most + 0.01)
        replayed, _ = replay("--window", "0.5", "--addresses", capture=open(record, "rb").read())
        self.assertEqual(comparable("\n".join(lines)), comparable("\n".join(map(json.dumps, replayed))))

    def test_the_scan_of_an_adapter_that_is_not_ours_does_not_count(self):
        self.fake(("hci0", HCI0), ("hci1", HCI1))
        tool = self.scan_monitor("--adapter", "hci0")
        self.channel.scan_enabled(True, 1)
        lines = self.until_heard(tool, BEACON)
        least, _ = self.rest(1, adapter=0)
        lines += self.until_heard(tool, "c0:00:00:00:00:02")
        self.assertGreater(rested_s([json.loads(line) for line in lines]), least - MOMENT_S - 0.01)


if __name__ == "__main__":
    unittest.main()
