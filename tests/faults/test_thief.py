"""A thief and a liar alone: what they do arrives, and changes nothing for honest Pis."""
import unittest

from faults.faults import Step
from faults.round import run_round
from harness import source_path
from harness.mounts import private_mounts


class Thief(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        private_mounts()

    def test_every_honest_batch_is_stored_once(self):
        plan = [Step(at_s, "stolen account", "pi-thief", 0) for at_s in (0.5, 2.0, 3.5)]
        plan += [Step(1.0 + i, "hostile broker", link, 1.5) for i, link in enumerate(("mqtt-1", "mqtt-2", "mqtt-3"))]
        outcome = run_round(20261129, source_path("build", "faults", "thief"), plan=plan)
        self.assertTrue(outcome.good, outcome.report())
        self.assertGreater(outcome.account.stored, 50)
        # What two Pis have sent and will send, on the thief's own topic: of one whole bout at least, for the round may end within others.
        self.assertGreater(outcome.account.forged, 2 * 100)


if __name__ == "__main__":
    unittest.main()
