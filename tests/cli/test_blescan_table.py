"""blescan --format table: columns for people, plain in a pipe, with colours on a terminal."""
import json
import re
import unittest

from harness import source_path
from harness.process import run
from harness.tmux import Tmux

SAMPLE = source_path("examples", "sample.btsnoop")
DETECTION = re.compile(r"  [0-9a-f]{8}  +(-?\d+) dBm  (near  |medium|far   )  +(\d+) reports  \d\d:\d\d:\d\d\.\d{3}(  .+)?")
REPORT = re.compile(r"\d\d:\d\d:\d\d\.\d{6}  ([0-9a-f:]{17}) (\w+) +(ADV_\w+|SCAN_RSP|EXT \w*) +(-?\d+|-) dBm  \[ *(\d+)\] ([0-9a-f ]*)")


class Table(unittest.TestCase):
    def scan(self, *words):
        code, out, err = run("blescan", "--replay", SAMPLE, *words)
        self.assertEqual(code, 0, err)
        return out.decode().splitlines()

    def test_batches_have_what_the_lines_have(self):
        table = self.scan("--format", "table", "--detail", "--names")
        batches = [json.loads(line) for line in self.scan("--detail", "--names")]
        heads = [line for line in table if not line.startswith("  ")]
        self.assertEqual([int(re.search(r"(\d+) advertisers$", line)[1]) for line in heads], [len(b["detections"]) for b in batches])
        found = [DETECTION.fullmatch(line) for line in table if line.startswith("  ")]
        self.assertNotIn(None, found)
        self.assertEqual(sorted((int(f[1]), f[2].strip(), int(f[3])) for f in found),
                         sorted((d["rssi"], d["zone"], d["count"]) for b in batches for d in b["detections"]))
        self.assertTrue(any("Thermo Hall" in line for line in table))
        self.assertFalse(any("\x1b" in line for line in table))

    def test_reports_have_what_the_lines_have(self):
        found = [REPORT.fullmatch(line) for line in self.scan("--each", "--format", "table")]
        self.assertNotIn(None, found)
        reports = [json.loads(line) for line in self.scan("--each")]
        self.assertEqual([(f[1], f[2], f[4], f[6].replace(" ", "")) for f in found],
                         [(r["address"], r["address_type"], str(r["rssi"]), r["data"]) for r in reports])

    def test_counts(self):
        self.assertRegex(self.scan("--counts", "--format", "table")[0], r"  near \d+  medium \d+  far \d+$")

    def test_a_format_that_there_is_not(self):
        self.assertEqual(run("blescan", "--replay", SAMPLE, "--format", "xml")[0], 64)

    def test_colours_on_a_terminal_only_where_they_are_wanted(self):
        for before, coloured in (("", True), ("NO_COLOR=1", False), ("TERM=dumb", False)):
            with Tmux(160, 40) as term:
                term.run(f"clear; {before} blescan -q --replay {SAMPLE} --each --format table --count 20; echo end of it")
                term.wait("\nend of it")
                self.assertEqual("\x1b[32m" in term.screen(escapes=True), coloured, before)
