"""scripts/soak: a line for each round, and a table at the end, also when Ctrl-C is the end."""
import os
import signal
import subprocess
import tempfile
import unittest

from faults.faults import FAULTS
from harness import DEADLINE_S, source_path


class Soak(unittest.TestCase):
    def test_ctrl_c_after_a_round_ends_it_with_the_table(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-soak-") as keep:
            words = ["--no-install", "--bin", os.environ["BLEPIPE_BIN"], "--seed", "1", "--jobs", "1", "--keep", keep]
            with subprocess.Popen([source_path("scripts", "soak"), *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) as soak:
                try:
                    self.assertIn("soak begun", soak.stdout.readline())
                    self.assertRegex(soak.stdout.readline(), r"^round 1 seed 1: \d+ batches, .* 0 lost, 0 duplicated; .*: ok$")
                finally:
                    soak.send_signal(signal.SIGINT)
                    said = soak.stdout.read()
                self.assertEqual(soak.wait(DEADLINE_S), 0, said)
        for fault in FAULTS:
            self.assertIn(f"| {fault.name} | ", said)
        self.assertIn(" 1 rounds, 0 failed; ", said)

    def test_usage(self):
        done = subprocess.run([source_path("scripts", "soak"), "--help"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True)
        self.assertIn("--minutes", done.stdout)


if __name__ == "__main__":
    unittest.main()
