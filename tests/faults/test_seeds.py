"""Rounds of fixed seeds: in each of them every batch is stored exactly once or named by a gap, whatever is done to the chain."""
import concurrent.futures
import os
import unittest

from faults.faults import FAULTS
from faults.round import Round, run_round
from harness import source_path
from harness.mounts import private_mounts

SEEDS = range(49, 61)  # all faults are in them
AT_ONCE = 2


class Seeds(unittest.TestCase):
    def test_a_loss_in_none_of_the_rounds(self):
        private_mounts()
        keep_in = source_path("build", "faults", os.path.basename(os.path.dirname(os.environ["BLEPIPE_BIN"])))
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in concurrent.futures.as_completed([pool.submit(run_round, seed, keep_in) for seed in SEEDS]):
                outcome = done.result()
                print(f"seed {outcome.seed}: {outcome.end}, {outcome.account.sent} batches, {outcome.kills} kills, {outcome.seconds:.1f} s",
                      flush=True)
                with self.subTest(seed=outcome.seed):
                    self.assertTrue(outcome.good, outcome.report())

    def test_every_fault_occurs_in_the_fixed_seeds(self):
        occurring = set().union(*(Round(seed).fault_names for seed in SEEDS))
        self.assertEqual(occurring, {fault.name for fault in FAULTS})


if __name__ == "__main__":
    unittest.main()
