""".ci/run, with scripts that only pretend: what it runs, what it says, and when it fails."""
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import FolderTest, source_path
from harness.process import run, wait_until

# Notes what it was asked for; the one that was asked for $FAILING fails, the one that was asked for $STAYING stays.
SCRIPT = """#!/bin/bash
echo "${0##*/} $*" >>"$ASKED"
echo "said by ${0##*/} $*"
case " ${0##*/} $* " in
*" $FAILING "*) echo "what is wrong" && exit 1 ;;
*" $STAYING "*) echo $$ >"$ASKED.staying" && exec sleep 600 ;;
esac
"""
STEPS = 10


class CiRun(FolderTest):
    def setUp(self):
        super().setUp()
        self.top, self.asked = self.folder / "clone", self.folder / "asked"
        for name in ("scripts", ".ci"):
            (self.top / name).mkdir(parents=True)
        shutil.copy(source_path(".ci", "run"), self.top / ".ci")
        for name in ("check", "test", "test-fresh", "fuzz", "bench", "packages"):
            (self.top / "scripts" / name).write_text(SCRIPT)
            (self.top / "scripts" / name).chmod(0o755)
        self.env = {"PATH": os.environ["PATH"], "ASKED": str(self.asked), "TMPDIR": str(self.folder), "FAILING": "-", "STAYING": "-"}

    def run_ci(self, code=0, **env):
        got, out, err = run(self.top / ".ci" / "run", env={**self.env, **env})
        self.assertEqual(got, code, out.decode() + err)
        return out.decode()

    def test_each_step_is_run_and_its_seconds_are_said(self):
        out = self.run_ci()
        asked = self.asked.read_text().splitlines()
        self.assertEqual(len(asked), STEPS)
        self.assertTrue(asked[0].startswith("packages "), asked)
        self.assertEqual(asked[-1], "check --no-install clean")
        for line in asked:
            self.assertIn(f"said by {line}", out)
        table = out[out.index("began  took"):]
        self.assertEqual(len(re.findall(r"^ +\d+ +\d+ +\d+  ok ", table, re.M)), STEPS)
        self.assertRegex(table, r"\nCI passed in \d+ s\.\n$")

    def test_a_step_that_fails_is_shown_fails_the_run_and_stops_no_other(self):
        out = self.run_ci(code=1, FAILING="check --no-install tidy")
        self.assertIn("tidy\nwhat is wrong\n", out)
        self.assertRegex(out, r"\d+ +\d+ +\d+  FAILED  nice -n 19 scripts/check --no-install tidy\n")
        self.assertTrue(out.endswith("\nCI FAILED.\n"), out)
        self.assertEqual(len(self.asked.read_text().splitlines()), STEPS)

    def test_without_its_packages_it_begins_nothing(self):
        self.run_ci(code=1, FAILING="packages build test check tidy quick fresh package browser")
        self.assertEqual(len(self.asked.read_text().splitlines()), 1)

    def test_who_ends_it_ends_all_that_it_started(self):
        staying = self.folder / "asked.staying"
        with subprocess.Popen([self.top / ".ci" / "run"], env={**self.env, "STAYING": "check --no-install tidy"}, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as ci:
            wait_until(lambda: staying.exists() and staying.read_text().endswith("\n"), "a step to run")
            ci.send_signal(signal.SIGTERM)
            self.assertEqual(ci.wait(60), 1)
        pid = staying.read_text().strip()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the step to end")


if __name__ == "__main__":
    unittest.main()
