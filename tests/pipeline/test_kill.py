"""SIGKILL in mid-stream, at random moments: after a restart every batch is stored exactly once.

The seed of each run is printed; BLEPIPE_SEED repeats it.
"""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import (Broker, DEADLINE_S, Database, Proxy, Tool, end_pipeline, flatten, free_port, make_batches,
                     pipeline, positions, random_source, wait_port, wait_until)

KILLS = 4


class Kill(unittest.TestCase):
    BATCHES = 1500
    web_port = None  # where the broker speaks WebSocket, when the subscriber is to do so
    WORDS = ()  # of blesend

    def setUp(self):
        self.random = random_source()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-kill-")))
        self.database = Database(self.folder / "ble.db")
        self.lines = make_batches(self.BATCHES)
        self.input = self.folder / "input"
        self.input.write_text("".join(line + "\n" for line in self.lines), encoding="ascii")
        self.kill_points = sorted(self.random.sample(range(1, self.BATCHES * 6 // 10), KILLS))
        self.kill_ingest = [self.kill_in_mid_stream, self.kill_in_mid_commit] * (KILLS // 2)

    def ingest(self):
        return ["bleingest", "--db", self.database.path]

    def start_pair(self, receiver):
        """receiver | bleingest; the events of all runs gather in one file."""
        with open(self.folder / "events", "ab") as events:
            return pipeline(self.stack, receiver, self.ingest(), stdout=events, cwd=self.folder)

    def kill_in_mid_stream(self, tool, at, _writer=None):
        wait_until(lambda: self.database.count() >= at, f"{at} stored batches")
        tool.signal(signal.SIGKILL)
        self.assertEqual(tool.wait(), -signal.SIGKILL)

    def kill_in_mid_commit(self, ingest, at, writer):
        """While somebody else has the database locked: it has looked at lines that it could not store yet."""
        wait_until(lambda: self.database.count() >= at, f"{at} stored batches")
        # The writer pauses: waiting for the lock beside a bleingest at work could take until all is stored.
        writer.signal(signal.SIGSTOP)
        other = sqlite3.connect(self.database.path, isolation_level=None, timeout=DEADLINE_S)
        other.execute("BEGIN IMMEDIATE")
        writer.signal(signal.SIGCONT)
        ingest.wait_err("locked")
        ingest.signal(signal.SIGKILL)
        self.assertEqual(ingest.wait(), -signal.SIGKILL)
        other.close()

    def sender(self, *target, spool=""):
        """blesend with all batches, or with those that are in the spool."""
        with open(os.devnull if spool else self.input, "rb") as given:
            return self.stack.enter_context(Tool("blesend", *target, *self.WORDS, "--spool", spool, stdin=given))

    def kill_senders(self, *target):
        """A backlog on disk, and one blesend after the other that is killed while it sends it."""
        spool = self.folder / "spool"
        with open(self.input, "rb") as given, \
             Tool("blesend", "--url", f"http://127.0.0.1:{free_port()}", "--spool", spool, "--drain-timeout", "0.001",
                  stdin=given) as tool:
            self.assertEqual(tool.wait(), 75, tool.err)
            self.assertIn(f"{self.BATCHES} batches", tool.err)
        for point in self.kill_points:
            # Early: the store may be far behind, and the sender must not have come to its end.
            self.kill_in_mid_stream(self.sender(*target, spool=spool), point // 2)
            self.assertLess(self.database.count(), self.BATCHES)
        last = self.sender(*target, spool=spool)
        self.assertEqual(last.wait(), 0, last.err)

    def finish(self, tools):
        self.database.wait_count(self.BATCHES)
        end_pipeline(tools)

    def check_exactly_once(self):
        self.assertEqual(self.database.batches(), positions(self.lines))
        self.assertEqual(self.database.detections(), flatten(self.lines))
        self.assertEqual(self.database.gaps(), [])
        self.assertFalse((self.folder / "bleingest.rejected.ndjson").exists())
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(self.BATCHES * 3,)])
        events = [line for line in (self.folder / "events").read_bytes().split(b"\n")
                  if line.endswith(b"}]}}")]  # a killed writer may leave one torn
        told = [json.loads(line[line.rindex(b'{"type"'):])["data"]["seq"] for line in events]
        self.assertEqual(len(told), len(set(told)), "a batch was announced twice")

    # By MQTT

    def subscriber(self, broker):
        where = ["--url", f"ws://127.0.0.1:{self.web_port}"] if self.web_port else ["--host", "127.0.0.1", "--port", broker.port]
        return ["blesub", *where, "--client-id", "backend"]

    def start_mqtt(self, websocket=False):
        """A broker that knows our session, by WebSocket if asked, and has all batches coming."""
        self.web_port = free_port() if websocket else None
        broker = self.stack.enter_context(Broker(f"listener {self.web_port} 127.0.0.1\nprotocol websockets\n" if websocket else ""))
        pair = self.start_pair(self.subscriber(broker))
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        return broker, pair, self.sender("--host", "127.0.0.1", "--port", broker.port)

    def test_bleingest_behind_blesub(self):
        self.kill_bleingest()

    def test_bleingest_behind_blesub_by_websocket(self):
        self.kill_bleingest(websocket=True)

    def kill_bleingest(self, **how):
        broker, (sub, ingest), sender = self.start_mqtt(**how)
        for kill, point in zip(self.kill_ingest, self.kill_points, strict=True):
            kill(ingest, point, sub)
            self.assertNotEqual(sub.wait(), 0)  # its reader is gone
            self.assertLess(self.database.count(), self.BATCHES)
            sub, ingest = self.start_pair(self.subscriber(broker))
        self.assertEqual(sender.wait(), 0, sender.err)
        self.finish([sub, ingest])
        self.check_exactly_once()

    def test_blesub(self):
        self.kill_blesub()

    def test_blesub_by_websocket(self):
        self.kill_blesub(websocket=True)

    def kill_blesub(self, **how):
        broker, (sub, ingest), sender = self.start_mqtt(**how)
        for point in self.kill_points:
            self.kill_in_mid_stream(sub, point)
            self.assertEqual(ingest.wait(), 0, ingest.err)  # end of its input
            self.assertLess(self.database.count(), self.BATCHES)
            sub, ingest = self.start_pair(self.subscriber(broker))
        self.assertEqual(sender.wait(), 0, sender.err)
        self.finish([sub, ingest])
        self.check_exactly_once()

    def test_bleingest_behind_a_held_fifo(self):
        """blesub does not even notice: the restarted bleingest finds the bytes where they stood."""
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        held = os.open(fifo, os.O_RDWR)
        self.addCleanup(os.close, held)
        broker = self.stack.enter_context(Broker())

        def start_ingest():
            with open(self.folder / "events", "ab") as events:
                return self.stack.enter_context(Tool(*self.ingest(), fifo, stdin=None, stdout=events, cwd=self.folder))
        sub = self.stack.enter_context(Tool(*self.subscriber(broker), stdin=None, stdout=held, cwd=self.folder))
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        ingest = start_ingest()
        sender = self.sender("--host", "127.0.0.1", "--port", broker.port)
        for kill, point in zip(self.kill_ingest, self.kill_points, strict=True):
            kill(ingest, point, sub)
            self.assertLess(self.database.count(), self.BATCHES)
            ingest = start_ingest()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.database.wait_count(self.BATCHES)
        self.assertTrue(sub.running(), sub.err)
        sub.signal(signal.SIGTERM)
        self.assertEqual(sub.wait(), 0, sub.err)
        ingest.signal(signal.SIGTERM)
        self.assertEqual(ingest.wait(), 0, ingest.err)
        self.check_exactly_once()

    def test_blesend_by_mqtt(self):
        broker = self.stack.enter_context(Broker())
        pair = self.start_pair(self.subscriber(broker))
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        # The broker takes in a moment what the backend stores in seconds.
        link = self.stack.enter_context(Proxy(broker.port))
        link.slow(self.input.stat().st_size // 10)
        self.kill_senders("--host", "127.0.0.1", "--port", link.port)
        self.finish(pair)
        self.check_exactly_once()

    # By HTTP

    def start_http(self):
        self.port = free_port()
        pair = self.start_pair(["blerecv", "--port", self.port])
        wait_port(self.port)
        return pair, self.sender("--url", f"http://127.0.0.1:{self.port}")

    def test_bleingest_behind_blerecv(self):
        (recv, ingest), sender = self.start_http()
        for kill, point in zip(self.kill_ingest, self.kill_points, strict=True):
            kill(ingest, point, recv)
            self.assertNotEqual(recv.wait(), 0)
            self.assertLess(self.database.count(), self.BATCHES)
            recv, ingest = self.start_pair(["blerecv", "--port", self.port])
        self.assertEqual(sender.wait(), 0, sender.err)
        self.finish([recv, ingest])
        self.check_exactly_once()

    def test_blerecv(self):
        (recv, ingest), sender = self.start_http()
        for point in self.kill_points:
            self.kill_in_mid_stream(recv, point)
            self.assertEqual(ingest.wait(), 0, ingest.err)
            self.assertLess(self.database.count(), self.BATCHES)
            recv, ingest = self.start_pair(["blerecv", "--port", self.port])
        self.assertEqual(sender.wait(), 0, sender.err)
        self.finish([recv, ingest])
        self.check_exactly_once()

    def test_blesend_by_http(self):
        port = free_port()
        pair = self.start_pair(["blerecv", "--port", port])
        wait_port(port)
        self.kill_senders("--url", f"http://127.0.0.1:{port}")
        self.finish(pair)
        self.check_exactly_once()


class KillWhileSeveralShareAMessage(Kill):
    BATCHES = 6000
    WORDS = ("--coalesce", 4)


class KillWhileSeveralRequestsAreOnTheirWay(Kill):
    BATCHES = 6000
    WORDS = ("--inflight", 16)

    test_bleingest_behind_blesub = test_blesub = test_bleingest_behind_a_held_fifo = test_blesend_by_mqtt = None  # they have 64


if __name__ == "__main__":
    unittest.main()
