"""Two blerecv before one bleingest, and blesend that knows both: each is killed in turn under load, and every batch is stored once.

The seed of each run is printed; BLEPIPE_SEED repeats it.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import tempfile
import unittest

from harness import Database, Tool, flatten, free_port, make_batches, positions, random_source, wait_port, wait_until


class TwoServers(unittest.TestCase):
    BATCHES, KILLS = 6000, 8
    WORDS = ("--inflight", 16)

    def setUp(self):
        self.random = random_source()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-servers-")))
        self.database = Database(self.folder / "ble.db")
        self.held, self.servers = {}, {}
        for port in (free_port(), free_port()):
            os.mkfifo(self.folder / str(port))
            self.held[port] = os.open(self.folder / str(port), os.O_RDWR | os.O_NONBLOCK)
            self.addCleanup(os.close, self.held[port])
            self.start(port)

    def start(self, port):
        tool = Tool("blerecv", "--port", port, "--max-rate", 0, stdin=None, stdout=self.held[port], cwd=self.folder)
        self.servers[port] = self.stack.enter_context(tool)
        wait_port(port)

    def kill(self, port):
        self.servers[port].signal(signal.SIGKILL)
        self.assertEqual(self.servers[port].wait(), -signal.SIGKILL)

    def used(self):
        return int(re.findall(r"connected to http://127\.0\.0\.1:(\d+)", self.sender.err)[-1])

    def test_each_is_killed_in_turn_and_each_batch_is_stored_once(self):
        lines = make_batches(self.BATCHES)
        given = self.folder / "input"
        given.write_text("".join(line + "\n" for line in lines), encoding="ascii")
        ingest = self.stack.enter_context(Tool("bleingest", "--db", self.database.path, *self.held, stdin=None, stdout=None,
                                               cwd=self.folder))
        urls = [word for port in self.held for word in ("--url", f"http://127.0.0.1:{port}")]
        with open(given, "rb") as batches:
            self.sender = self.stack.enter_context(Tool("blesend", *urls, *self.WORDS, stdin=batches))
        points = sorted(self.random.sample(range(1, self.BATCHES * 7 // 10), self.KILLS))
        for point in points:
            wait_until(lambda point=point: self.database.count() >= point, f"{point} stored batches")
            port = self.used()
            self.kill(port)
            wait_until(lambda port=port: self.used() != port, "the other server")
            self.start(port)
        self.assertLess(self.database.count(), self.BATCHES)
        self.assertEqual(self.sender.wait(), 0, self.sender.err)
        self.database.wait_count(self.BATCHES)
        for port in self.held:
            self.servers[port].signal(signal.SIGTERM)
            self.assertEqual(self.servers[port].wait(), 0, self.servers[port].err)
        ingest.signal(signal.SIGTERM)
        self.assertEqual(ingest.wait(), 0, ingest.err)
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(self.BATCHES * 3,)])
        self.assertEqual(self.database.rows("SELECT * FROM missing"), [])
        self.check_rejects(set(lines))

    def check_rejects(self, lines):
        """Nothing but what a killed blerecv had begun to write."""
        path = self.folder / "bleingest.rejected.ndjson"
        for record in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            torn = json.loads(record)["line"]
            self.assertNotIn(torn, lines)
            self.assertTrue(any(line.startswith(torn) for line in lines), torn)


class TwoServersOneRequestAtATime(TwoServers):
    BATCHES = 2000
    WORDS = ()


if __name__ == "__main__":
    unittest.main()
