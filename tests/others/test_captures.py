"""blescan against captures of other people: what it reads is what an independent dissector reads."""
import csv
import datetime
import gzip
import json
import unittest

from harness import shared_path
from harness.capture import replay
from harness.process import run

ADDRESS_TYPES = {"0": "public", "1": "random", "2": "public_identity", "3": "random_identity", "255": "anonymous"}


class Oracles(unittest.TestCase):
    """--each against what an independent dissector reads, row by row."""

    def expected(self, name):
        rows = []
        with gzip.open(shared_path("captures", name + ".reports.csv.gz"), "rt", encoding="ascii") as f:
            for row in csv.DictReader(f):
                seconds, fraction = row["time_epoch"].split(".")
                at = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
                rssi = int(row["rssi_dbm"])
                rows.append({
                    "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + fraction[:6] + "Z", "address": row["address"],
                    "address_type": ADDRESS_TYPES[row["address_type"]], "event_type": int(row["event_type"]),
                    "rssi": None if rssi == 127 else rssi, "data": row["data_hex"]})
        return rows

    def check(self, name, kinds, rows):
        expected = self.expected(name)
        self.assertEqual(len(expected), rows)
        for kind in kinds:
            code, out, err = run("blescan", "--replay", shared_path("captures", f"{name}.{kind}"), "--each")
            self.assertEqual((code, err), (0, ""))
            got = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(got), len(expected))
            for number, (one, other) in enumerate(zip(got, expected), 1):
                self.assertEqual(one, other, f"{name}.{kind}, report {number}")
                self.assertEqual(list(one), list(other))

    def test_extended_reports(self):
        self.check("beacons-287-extended", ["btsnoop"], 465)

    def test_legacy_reports(self):
        self.check("govee-15min-legacy", ["btsnoop"], 9265)

    def test_several_reports_in_one_event(self):
        self.check("multi-report", ["btsnoop"], 59)

    def test_pcap_and_pcapng(self):
        self.check("pi5-legacy", ["pcap", "pcapng"], 1068)

    def test_the_same_from_standard_input(self):
        path = shared_path("captures", "pi5-legacy.pcapng")
        with open(path, "rb") as f:
            lines, _ = replay("--each", capture=f.read())
        self.assertEqual(len(lines), 1068)


class Windows(unittest.TestCase):
    def test_every_detection_of_a_real_capture_is_counted(self):
        path = shared_path("captures", "govee-15min-legacy.btsnoop")
        _, out, _ = run("blescan", "--replay", path, "--near", "-70", "--medium", "-85")
        lines = [json.loads(line) for line in out.splitlines()]
        detections = [d for line in lines for d in line["detections"]]
        self.assertEqual(sum(d["count"] for d in detections), 9265)
        self.assertGreaterEqual(len(lines), 90)
        for d in detections:
            self.assertEqual(d["zone"], "near" if d["rssi"] >= -70 else "medium" if d["rssi"] >= -85 else "far")


if __name__ == "__main__":
    unittest.main()
