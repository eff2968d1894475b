"""Rounds of fixed seeds with three brokers, five backends and PostgreSQL with a standby: each batch is stored exactly once or named by a gap."""
import os
import unittest

from faults.round import run_round
from harness import source_path
from harness.mounts import private_mounts

SEEDS = (1, 3)


class Cluster(unittest.TestCase):
    def test_a_loss_in_none_of_the_rounds(self):
        private_mounts()
        keep_in = source_path("build", "faults", f"cluster-{os.path.basename(os.path.dirname(os.environ['BLEPIPE_BIN']))}")
        for seed in SEEDS:
            outcome = run_round(seed, keep_in, site="cluster")
            print(f"seed {outcome.seed}: {outcome.account.sent} batches, {outcome.kills} kills, {outcome.seconds:.1f} s", flush=True)
            with self.subTest(seed=seed):
                self.assertTrue(outcome.good, outcome.report())


if __name__ == "__main__":
    unittest.main()
