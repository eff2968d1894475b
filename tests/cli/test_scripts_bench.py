"""scripts/bench, with a compiler, valgrind and measurements that only pretend: what it compares, writes and says, and when it fails."""
import json
import os
import shutil
import sys
import unittest

from harness import FolderTest, source_path
from harness.process import run

sys.path.insert(0, source_path("bench"))
import quick  # noqa: E402

VALGRIND = '#!/bin/sh\necho "==1== Collected : $INSTRUCTIONS" >&2\n'
MEASUREMENT = '#!/bin/sh\n# """Of one thing."""\n[ -z "$BROKEN" ] || exit 1\necho "$PRINTS ($BENCH_ROUNDS rounds)"\n'


class Judge(unittest.TestCase):
    def judge(self, now, before=1000):
        lines, fine = quick.judge({"loop": before}, {"loop": now})
        self.assertEqual(len(lines), 1)
        return lines[0], fine

    def test_within_five_percent_is_as_recorded(self):
        for now in (951, 1000, 1049):
            self.assertTrue(self.judge(now)[1], now)

    def test_six_percent_slower_is_not_and_neither_is_faster(self):
        line, fine = self.judge(1060)
        self.assertFalse(fine)
        self.assertIn("+6.0%", line)
        self.assertIn("SLOWER", line)
        line, fine = self.judge(940)
        self.assertFalse(fine)
        self.assertIn("FASTER", line)

    def test_a_loop_that_only_one_side_has_fails(self):
        lines, fine = quick.judge({"old": 1, "same": 1}, {"new": 1, "same": 1})
        self.assertFalse(fine)
        self.assertEqual(len(lines), 3)
        self.assertIn("not measured", lines[0])
        self.assertIn("not recorded", lines[2])


class ScriptsBench(FolderTest):
    def setUp(self):
        super().setUp()
        self.top = self.folder / "clone"
        for name in ("scripts", "bench", "examples"):
            (self.top / name).mkdir(parents=True)
        shutil.copy(source_path("scripts", "bench"), self.top / "scripts")
        for name in ("quick.py", "batches.py"):
            shutil.copy(source_path("bench", name), self.top / "bench")
        shutil.copy(source_path("examples", "sample.btsnoop"), self.top / "examples")
        self.results, self.record = self.top / "bench" / "results.md", self.top / "bench" / "instructions.json"
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self.program(self.programs / "cmake", "#!/bin/sh\n")
        self.program(self.programs / "valgrind", VALGRIND)
        for name in ("one", "two"):
            self.program(self.top / "bench" / f"bench-{name}", MEASUREMENT)
        self.env = {"PATH": f"{self.programs}:{os.environ['PATH']}", "INSTRUCTIONS": "1000", "PRINTS": "| a | b |"}

    def program(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def bench(self, *argv, code=0, **env):
        got, out, err = run(self.top / "scripts" / "bench", "--no-install", *argv, env={**self.env, **env})
        self.assertEqual(got, code, out.decode() + err)
        return out.decode() + err

    def test_what_is_recorded_nowhere_is_not_compared_and_does_not_pass(self):
        self.record.write_text(json.dumps({"debian-1 z80": {"packages": {}, "instructions": {}}}))
        said = self.bench("--quick", code=3)
        self.assertIn("NOT COMPARED", said)
        self.assertIn("debian-1 z80", said)
        self.assertIn("--accept", said)

    def test_a_record_is_accepted_compared_and_broken(self):
        self.record.write_text(json.dumps({"debian-1 z80": {"packages": {}, "instructions": {}}}))
        self.bench("--quick", "--accept")
        self.assertIn("as recorded", self.bench("--quick"))
        self.assertIn("as recorded", self.bench("--quick", INSTRUCTIONS="1049"))
        said = self.bench("--quick", code=1, INSTRUCTIONS="1060")
        self.assertIn("SLOWER", said)
        self.assertIn("--quick --accept", said)
        self.bench("--quick", "--accept", INSTRUCTIONS="1060")
        self.bench("--quick", INSTRUCTIONS="1060")
        self.assertIn("debian-1 z80", json.loads(self.record.read_text()))  # of others nothing changes

    def test_packages_that_changed_are_named(self):
        self.bench("--quick", "--accept")
        record = json.loads(self.record.read_text())
        next(iter(record.values()))["packages"]["libc6"] = "1.0"
        self.record.write_text(json.dumps(record))
        self.assertIn("libc6 1.0 then", self.bench("--quick"))

    def test_a_count_that_fails_is_no_count(self):
        self.program(self.programs / "valgrind", "#!/bin/sh\necho none such >&2\nexit 1\n")
        self.assertIn("none such", self.bench("--quick", code=1))

    def test_a_build_that_fails_is_said_with_its_words(self):
        self.program(self.programs / "cmake", "#!/bin/sh\necho no compiler\nexit 1\n")
        self.assertIn("no compiler", self.bench("one", code=1))

    def test_results_keep_what_was_not_run_again(self):
        self.bench(PRINTS="| first |")
        said = self.bench("--rounds", "3", "two", PRINTS="| second | **missed** |")
        self.assertIn("Bars that are missed", said)
        text = self.results.read_text()
        self.assertIn("\n## one\n\nOf one thing.", text)
        self.assertIn("| first | (5 rounds)", text)
        self.assertIn("| second | **missed** | (3 rounds)", text)
        self.assertEqual(text.count("| first |"), 1)
        self.assertIn("| machine |", text)

    def test_what_is_no_table_is_shown_as_it_is(self):
        self.bench("one", PRINTS="42 apples")
        self.assertIn("\n    42 apples (5 rounds)\n", self.results.read_text())

    def test_a_measurement_that_fails_changes_no_results_and_is_named(self):
        self.bench(PRINTS="| before |")
        before = self.results.read_text()
        self.assertIn("FAILED: one two", self.bench(code=1, BROKEN="yes"))
        self.assertEqual(self.results.read_text(), before)

    def test_usage(self):
        self.assertIn("there are: one two", self.bench("three", code=64))
        self.bench("--accept", code=64)
        self.bench("--quick", "one", code=64)
        self.bench("--bogus", code=64)
        self.assertIn("--quick", self.bench("--help"))
