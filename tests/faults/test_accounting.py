"""The accounts find each kind of loss and of repetition, and name the batch."""
import contextlib
import json
import pathlib
import sqlite3
import tempfile
import types
import unittest

from faults.accounting import account, unaccounted
from faults.agents import Agent
from harness import Database
from harness.process import run


class Accounts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-accounts-")
        self.addCleanup(folder.cleanup)
        folder = pathlib.Path(folder.name)
        self.agent = Agent("one", "00000000000000aa", seed=1, detections=2, pace=1, spool_max=10)
        self.agent.sent = 20
        services = {name: types.SimpleNamespace(kills=0, exits=0, counters=[]) for name in ("blesub", "blerecv", "bleingest")}
        self.chain = types.SimpleNamespace(folder=folder, database=Database(folder / "ble.db"), agents=[self.agent],
                                           services=services, of_kind=lambda *tools: [services[tool] for tool in tools])

    def ingest(self, lines):
        code, _, err = run("bleingest", "--db", self.chain.database.path, input="".join(f"{line}\n" for line in lines),
                           cwd=self.chain.folder)
        self.assertEqual(code, 0, err)

    def change(self, sql):
        with contextlib.closing(sqlite3.connect(self.chain.database.path)) as database, database:
            database.execute(sql)

    def reject(self, line):
        with open(self.chain.folder / "bleingest.rejected.ndjson", "a", encoding="utf-8") as f:
            f.write(json.dumps({"time": "now", "reason": "no batch", "line": line}) + "\n")

    def sent(self):
        return self.agent.lines[:self.agent.sent]

    def found(self):
        result = account(self.chain)
        return result.lost, result.duplicated, result.wrong

    def test_all_stored(self):
        self.ingest(self.sent())
        self.assertEqual(self.found(), ([], [], []))
        self.assertEqual(unaccounted(self.chain.database, self.chain.agents), 0)

    def test_one_that_is_nowhere(self):
        self.ingest(self.sent()[:7] + self.sent()[8:])
        self.assertEqual(self.found(), ([("pi-one", 7)], [], []))
        self.assertEqual(unaccounted(self.chain.database, self.chain.agents), 1)

    def test_the_last_one(self):
        self.ingest(self.sent()[:-1])
        self.assertEqual(self.found(), ([("pi-one", 19)], [], []))
        self.assertEqual(unaccounted(self.chain.database, self.chain.agents), 1)

    def gap(self):
        return json.dumps({"format": 1, "device_id": "pi-one", "run_id": self.agent.run_id,
                           "gap": {"from_seq": 3, "to_seq": 4, "reason": "buffer_full"}})

    def test_a_gap_that_says_why(self):
        self.ingest([*self.sent()[:3], self.gap(), *self.sent()[5:]])
        self.assertEqual(self.found(), ([], [], []))
        self.assertEqual(account(self.chain).gapped, 2)
        self.assertEqual(unaccounted(self.chain.database, self.chain.agents), 0)

    def test_a_gap_of_a_spool_with_room_for_all(self):
        self.agent.spool_max = None
        self.ingest([*self.sent()[:3], self.gap(), *self.sent()[5:]])
        self.assertEqual(len(self.found()[2]), 1)

    def test_a_gap_over_what_is_stored(self):
        self.ingest(self.sent())
        self.change("INSERT INTO gaps (run, from_seq, to_seq, reason, noticed_at) VALUES (1, 5, 5, 'buffer_full', 0)")
        self.assertEqual(len(self.found()[2]), 1)

    def test_a_batch_stored_twice(self):
        self.ingest(self.sent())
        self.change("INSERT INTO batches (device, run, seq, received_at) SELECT device, run, seq, 0 FROM batches WHERE seq = 9")
        self.assertEqual(self.found(), ([], [("pi-one", 9)], []))

    def test_a_detection_stored_twice(self):
        self.ingest(self.sent())
        self.change("INSERT INTO detections (timestamp, batch, n, advertiser, heard) SELECT timestamp, batch, 9, advertiser, heard FROM detections "
                    "WHERE batch = (SELECT id FROM batches WHERE seq = 6) AND n = 0")
        lost, duplicated, wrong = self.found()
        self.assertEqual((lost, duplicated), ([], [("pi-one", 6)]))
        self.assertEqual(len(wrong), 1)  # the advertisers' sums

    def test_a_detection_that_is_not_stored(self):
        self.ingest(self.sent())
        self.change("DELETE FROM detections WHERE batch = (SELECT id FROM batches WHERE seq = 6) AND n = 1")
        self.assertEqual(len(self.found()[2]), 2)

    def test_a_batch_that_was_never_sent(self):
        self.ingest(self.agent.lines[:21])
        self.assertEqual(len(self.found()[2]), 1 + 2)

    def test_a_batch_set_aside_is_named_and_yet_not_excused(self):
        self.ingest(self.sent()[:-1])
        self.reject(self.sent()[-1])
        lost, _, wrong = self.found()
        self.assertEqual((lost, len(wrong)), ([], 1))

    def test_what_no_broker_takes_is_named_by_a_gap_and_set_aside_whole(self):
        self.agent.spool_max = None
        self.agent.poisoned = {3, 4}
        self.ingest([*self.sent()[:3], self.gap(), *self.sent()[5:]])
        self.reject(self.sent()[3])
        self.assertEqual(len(self.found()[2]), 1)
        self.reject(self.sent()[4])
        self.assertEqual(self.found(), ([], [], []))
        self.agent.poisoned = {3}
        self.assertEqual(len(self.found()[2]), 2)  # a gap of a spool with room for all; a line set aside

    def test_torn_lines_of_writers_that_died_and_of_others(self):
        self.ingest(self.sent())
        self.reject(self.sent()[2][:50])
        self.assertEqual(len(self.found()[2]), 1)
        self.chain.services["blesub"].kills = 1
        self.assertEqual(self.found(), ([], [], []))
        self.reject("nothing of ours")
        self.assertEqual(len(self.found()[2]), 1)


if __name__ == "__main__":
    unittest.main()
