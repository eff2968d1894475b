"""One part of the chain stands still for a while: those before it wait, and afterwards every batch is there exactly once."""
import contextlib
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import (Broker, Database, Tool, WebSocketClient, flatten, free_port, make_batches, pipeline, positions,
                     wait_port, wait_until)


class Stall(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-stall-")))
        self.database = Database(self.folder / "ble.db")
        self.lines = make_batches(600)

    def ingest(self):
        return ["bleingest", "--db", self.database.path]

    def backend_by_mqtt(self, *more, after=()):
        broker = self.stack.enter_context(Broker())
        sub = ["blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend", *more]
        tools = pipeline(self.stack, sub, self.ingest(), *after, cwd=self.folder, stdout=None)
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        sender = self.stack.enter_context(Tool("blesend", "--host", "127.0.0.1", "--port", broker.port))
        return broker, tools, sender

    def send(self, sender, lines):
        sender.write("\n".join(lines) + "\n")

    def finish(self, sender, tools):
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.database.wait_count(len(self.lines))
        self.assertEqual(self.database.batches(), positions(self.lines))
        self.assertEqual(self.database.detections(), flatten(self.lines))
        self.assertEqual(self.database.gaps(), [])
        tools[0].signal(signal.SIGTERM)
        for tool in tools:
            self.assertEqual(tool.wait(), 0, f"{tool.name}: {tool.err}")

    def test_a_store_that_stalls_longer_than_the_brokers_patience(self):
        broker, (sub, ingest), sender = self.backend_by_mqtt("--keepalive", "1")
        self.send(sender, self.lines[:100])
        self.database.wait_count(100)
        ingest.signal(signal.SIGSTOP)
        self.send(sender, self.lines[100:])
        wait_until(lambda: "Client backend has exceeded timeout" in broker.log_text(), "the broker to give up on blesub")
        self.assertEqual(self.database.count(), 100)
        ingest.signal(signal.SIGCONT)
        self.finish(sender, [sub, ingest])

    def test_a_store_that_stalls_behind_blerecv(self):
        port = free_port()
        tools = pipeline(self.stack, ["blerecv", "--port", port], self.ingest(), cwd=self.folder, stdout=None)
        wait_port(port)
        sender = self.stack.enter_context(Tool("blesend", "--mode", "http", "--url", f"http://127.0.0.1:{port}",
                                               "--buffer", "1000"))
        self.send(sender, self.lines[:100])
        self.database.wait_count(100)
        tools[1].signal(signal.SIGSTOP)
        self.send(sender, self.lines[100:])
        sender.wait_err("503")
        tools[1].signal(signal.SIGCONT)
        self.finish(sender, tools)

    def test_a_database_that_somebody_else_has_locked(self):
        _, tools, sender = self.backend_by_mqtt()
        self.send(sender, self.lines[:100])
        self.database.wait_count(100)
        other = sqlite3.connect(self.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self.send(sender, self.lines[100:])
        tools[1].wait_err("locked")
        self.assertEqual(self.database.count(), 100)
        other.execute("ROLLBACK")
        other.close()
        self.finish(sender, tools)

    def test_a_broadcaster_that_stalls_does_not_hold_up_the_store(self):
        port = free_port()
        _, tools, sender = self.backend_by_mqtt(after=[["blews", "--port", port]])
        wait_port(port)
        client = self.stack.enter_context(WebSocketClient(port))
        tools[2].signal(signal.SIGSTOP)
        self.lines = make_batches(600, detections=40)  # more than a pipe holds
        self.send(sender, self.lines)
        self.database.wait_count(len(self.lines))
        tools[2].signal(signal.SIGCONT)
        self.assertEqual(client.until("detection_event")["data"]["device_id"], "pi-test")
        self.finish(sender, tools)


if __name__ == "__main__":
    unittest.main()
