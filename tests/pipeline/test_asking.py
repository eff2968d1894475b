"""blequery asks PostgreSQL as it asks SQLite: the same answers, with the right to read alone, within the time that it is given."""
import contextlib
import json
import pathlib
import signal
import tempfile
import unittest

from harness import Postgres, Tool, make_batches
from harness.process import run

# Names and strengths that are the same in several Pis, holes, and a Pi that only counts.
GAP = json.dumps({"format": 1, "device_id": "pi-b", "run_id": "00000000000000ab", "gap": {"from_seq": 30, "to_seq": 33, "reason": "buffer_full"}})
COUNTS = json.dumps({"format": 1, "device_id": "pi-c", "timestamp": "2026-11-22T00:00:05Z", "run_id": "00000000000000ab", "seq": 0, "window_ms": 1000,
                     "interval_ms": 1000, "occupancy": {"near": 3, "medium": 0, "far": 9}, "detections": [],
                     "location": "Hall"})
SLOW = ("ALTER TABLE devices RENAME TO real_devices; CREATE VIEW devices AS SELECT real_devices.* FROM real_devices"
        " WHERE pg_sleep(1000) IS NOT NULL; GRANT SELECT ON devices TO reader;")


def lines():
    return [*make_batches(60, "pi-a"), *make_batches(20, "pi-b"), *make_batches(10, "pi-b", first=40), GAP, COUNTS]


class Asking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Postgres(["fsync=off"])
        cls.server.start()
        cls.server.sql("CREATE ROLE reader LOGIN")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-asking-")))

    def database(self, name):
        """A new one with the lines, and its URI for somebody who may only read."""
        database = self.server.database(name)
        self.store(database.path)
        self.server.sql("GRANT USAGE ON SCHEMA blepipe TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA blepipe TO reader", name)
        return self.server.uri(name, "reader")

    def store(self, db):
        code, _, err = run("bleingest", "--db", db, input="".join(line + "\n" for line in lines()), cwd=self.folder)
        self.assertEqual(code, 0, err)
        self.assertIn(" 0 rejected", err)

    def ask(self, *words):
        return run("blequery", *words, cwd=self.folder)

    def test_the_same_answers(self):
        uri = self.database("same")
        self.store("ble.db")
        span = ("--since", "2026-11-22", "--until", "2026-11-22T00:02:00Z", "--every", "10")
        top = json.loads(self.ask("top", *span)[1].splitlines()[0])["device_hash"]
        for words in (("pis",), ("presence", *span), ("presence", *span, "--device", "pi-b"), ("track", top, *span), ("occupancy", *span),
                      ("occupancy", *span, "--place", "Hall"), ("coverage", *span), ("missing", "--since", "2026-11-22"), ("top", *span),
                      ("top", *span, "--limit", "7")):
            code, out, err = self.ask(*words)
            self.assertEqual(code, 0, err)
            self.assertTrue(out, words)
            other_code, other_out, other_err = self.ask(*words, "--db", uri)
            self.assertEqual(other_code, 0, other_err)
            # When they were received is that of each store.
            self.assertEqual([self.without_receipt(one) for one in other_out.splitlines()], [self.without_receipt(one) for one in out.splitlines()], words)

    @staticmethod
    def without_receipt(line):
        return {name: value for name, value in json.loads(line).items() if name not in ("last_heard", "since")}

    def test_a_time_limit_and_a_request_to_stop(self):
        uri = self.database("slow")
        self.server.sql(SLOW, "slow")
        code, out, err = self.ask("pis", "--db", uri, "--timeout", "200ms")
        self.assertEqual((code, out), (75, b""), err)
        self.assertIn("no answer within 200 ms", err)
        with Tool("blequery", "pis", "--db", uri, "--timeout", "1h", "--verbose", cwd=self.folder) as tool:
            tool.wait_err("ready: ")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 75, tool.err)
            self.assertIn("stopped before there was an answer", tool.err)

    def test_a_database_that_is_not_ours(self):
        self.server.database("bare")
        code, _, err = self.ask("pis", "--db", self.server.uri("bare"))
        self.assertEqual(code, 78)
        self.assertIn("has no schema blepipe", err)
        self.assertEqual(self.ask("pis", "--db", self.server.uri("nowhere"))[0], 78)
        self.assertEqual(self.ask("pis", "--db", self.server.uri("bare", port=1))[0], 69)
