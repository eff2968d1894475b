"""scripts/soak: a line for each round, and a table at the end, also when Ctrl-C is the end."""
import os
import signal
import subprocess
import tempfile
import unittest

from faults.faults import FAULTS
from harness import DEADLINE_S, source_path, tool_path


class Soak(unittest.TestCase):
    def test_ctrl_c_after_a_round_ends_it_with_the_table(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-soak-") as keep:
            words = ["--no-install", "--bin", os.environ["BLEPIPE_BIN"], "--seed", "1", "--jobs", "1", "--keep", keep]
            with subprocess.Popen([source_path("scripts", "soak"), *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) as soak:
                try:
                    self.assertIn("soak begun", soak.stdout.readline())
                    self.assertRegex(soak.stdout.readline(), r"^round 1 seed 1: \d+ batches into \w+, .* 0 lost, 0 duplicated; .*: ok$")
                finally:
                    soak.send_signal(signal.SIGINT)
                    said = soak.stdout.read()
                self.assertEqual(soak.wait(DEADLINE_S), 0, said)
        for fault in FAULTS:
            self.assertIn(f"| {fault.name} | ", said)
        self.assertIn(" 1 rounds, 0 failed; ", said)

    def test_a_part_that_fails_is_told_and_ends_it_with_1(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-soak-") as folder:
            for name in os.listdir(os.environ["BLEPIPE_BIN"]):
                os.symlink(tool_path(name), os.path.join(folder, name))
            os.remove(os.path.join(folder, "blerecv"))
            with open(os.path.join(folder, "blerecv"), "x", encoding="ascii") as f:
                f.write("#!/bin/sh\nexit 3\n")
            os.chmod(f.name, 0o755)
            keep = os.path.join(folder, "kept")
            done = subprocess.run([source_path("scripts", "soak"), "--no-install", "--bin", folder, "--rounds", "1", "--keep", keep],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stdout, r"round of seed \d+ into \w+ FAILED\n")
            self.assertIn("blerecv ended with 3", done.stdout)
            self.assertEqual(os.listdir(keep), [f"seed-{done.stdout.split('round of seed ')[1].split(' ')[0]}"])

    def test_usage(self):
        done = subprocess.run([source_path("scripts", "soak"), "--help"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True)
        self.assertIn("--minutes", done.stdout)


if __name__ == "__main__":
    unittest.main()
