"""One part of the chain stands still for a while: those before it wait, and afterwards every batch is there exactly once."""
import contextlib
import functools
import os
import pathlib
import re
import signal
import sqlite3
import tempfile
import unittest

from harness import (Broker, Database, HttpServer, Notify, Proxy, Tool, WebSocketClient, end_pipeline, flatten,
                     free_port, make_batches, pipeline, positions, tool_path, wait_port, wait_until)
from harness.mounts import private_mounts, small_disk, with_hosts


def setUpModule():
    private_mounts()


class Stall(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-stall-")))
        self.database = Database(self.folder / "ble.db")
        self.lines = make_batches(600)

    def ingest(self):
        return ["bleingest", "--db", self.database.path]

    def backend_by_mqtt(self, *more, after=(), env=None):
        broker = self.stack.enter_context(Broker())
        sub = ["blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend", *more]
        tools = pipeline(self.stack, sub, self.ingest(), *after, cwd=self.folder, stdout=None, env=env)
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
        end_pipeline(tools)

    def test_a_store_that_stalls_longer_than_the_brokers_patience(self):
        broker, (sub, ingest), sender = self.backend_by_mqtt("--keepalive", "5")
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
        sender.wait_err("status 503")
        tools[1].signal(signal.SIGCONT)
        self.finish(sender, tools)

    def test_a_database_that_somebody_else_has_locked(self):
        """For longer than SQLite waits for a lock, several times over."""
        notify = self.stack.enter_context(Notify())
        _, tools, sender = self.backend_by_mqtt(env=notify.env)
        self.send(sender, self.lines[:100])
        self.database.wait_count(100)
        other = sqlite3.connect(self.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self.send(sender, self.lines[100:])
        waited_s = 0
        while waited_s < 15:
            waited_s = int(re.search(r", for ([0-9]+) s; the input waits too", notify.until("STATUS=waiting: ")[-1])[1])
        self.assertEqual(self.database.count(), 100)
        self.assertEqual(tools[1].err.count("locked"), 1)  # said once a minute
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

    # A link that says nothing, and a name that nobody knows

    def ends_by_mqtt(self, host, port, *words, wrap=lambda *command: command):
        """blesub | bleingest and blesend, both at this address of the broker, on their own from now on."""
        address = ("--host", host, "--port", port, *words)
        sub = wrap(tool_path("blesub"), *address, "--client-id", "backend")
        tools = pipeline(self.stack, sub, self.ingest(), cwd=self.folder, stdout=None)
        return tools, self.stack.enter_context(Tool(*wrap(tool_path("blesend"), *address, "--buffer", "1000")))

    def known_broker(self):
        """It keeps what comes for blesub, which has been there once."""
        broker = self.stack.enter_context(Broker())
        with Tool("blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend", stdout=None) as tool:
            tool.wait_err("subscribed")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)
        return broker

    def linked(self):
        return self.stack.enter_context(Proxy(self.known_broker().port))

    def test_a_broker_that_takes_connections_and_says_nothing(self):
        link = self.linked()
        link.silence()
        tools, sender = self.ends_by_mqtt("127.0.0.1", link.port)
        self.lines = self.lines[:50]
        self.send(sender, self.lines)
        wait_until(lambda: link.connections >= 5, "both to have tried again")
        link.up()
        self.finish(sender, tools)
        for tool in (tools[0], sender):  # once for each reason: a try is under way when the link comes up, and is cut
            said = [line for line in tool.err.splitlines() if "unable to connect" in line]
            self.assertIn(len(said), (1, 2), tool.err)
            self.assertEqual(len(set(said)), len(said), tool.err)

    def test_a_broker_that_falls_silent(self):
        link = self.linked()
        tools, sender = self.ends_by_mqtt("127.0.0.1", link.port, "--keepalive", "5")
        self.send(sender, self.lines[:100])
        self.database.wait_count(100)
        link.silence()
        self.send(sender, self.lines[100:200])
        for tool in (tools[0], sender):
            tool.wait_err("is lost")
        self.assertEqual(self.database.count(), 100)
        link.up()
        self.send(sender, self.lines[200:])
        self.finish(sender, tools)
        for tool in (tools[0], sender):
            self.assertEqual(tool.err.count("is lost"), 1, tool.err)

    def test_a_name_that_is_not_known_for_a_while(self):
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost\n", encoding="ascii")
        named = functools.partial(with_hosts, hosts)
        broker, port = self.known_broker(), free_port()
        tools, sender = self.ends_by_mqtt("broker.test", broker.port, wrap=named)
        receiver = ["blerecv", "--port", port, "--origin", "http://backend.test"]
        by_http = pipeline(self.stack, receiver, ["bleingest", "--db", "other.db"], cwd=self.folder, stdout=None)
        http_sender = self.stack.enter_context(Tool(*named(tool_path("blesend"), "--url", f"http://backend.test:{port}"),
                                                    "--spool", self.folder / "spool"))
        for tool in (sender, http_sender):
            self.send(tool, self.lines[:50])
        for tool, text in ((tools[0], "unable to connect"), (sender, "unable to connect"), (http_sender, "backend.test")):
            tool.wait_err(text)
        self.lines = self.lines[:50]
        with open(hosts, "a", encoding="ascii") as names:
            names.write("127.0.0.1 broker.test backend.test\n")
        self.finish(sender, tools)
        self.database = Database(self.folder / "other.db")
        self.finish(http_sender, by_http)
        for tool in (tools[0], sender, http_sender):
            self.assertEqual(tool.err.count("unable to connect") + tool.err.count("Could not resolve"), 1, tool.err)


class FullDisk(unittest.TestCase):
    def test_a_spool_that_filled_its_own_disk_goes_on_when_it_is_emptied(self):
        lines = [f'{line[:-1]},"x":"{"x" * 2000}"}}' for line in make_batches(12_000)]
        with tempfile.TemporaryDirectory(prefix="blepipe-full-") as folder, HttpServer() as server:
            disk, given = os.path.join(folder, "disk"), os.path.join(folder, "given")
            with open(given, "w", encoding="ascii") as f:
                f.write("".join(line + "\n" for line in lines))
            server.health = 503
            with small_disk(disk, 12 << 20), contextlib.ExitStack() as stack:
                spool = os.path.join(disk, "spool")
                _, tool = pipeline(stack, ["cat", given], ["blesend", "--url", server.url, "--spool", spool],
                                   cwd=folder, stdout=None)
                tool.wait_err("the input waits")
                self.assertLess(tool.stats()["in"], len(lines))
                server.health = 200
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(tool.err.count("the input waits"), 1, tool.err)
            self.assertEqual([body.decode() for body in server.bodies], lines)


class Busy(unittest.TestCase):
    """A server that takes nothing for long, while 50 MB come in."""

    COUNT, SIZE = 500, 100_000

    def run_with(self, *words, in_hand, retry_after=None):
        lines = [f'{line[:-1]},"x":"{"x" * self.SIZE}"}}' for line in make_batches(self.COUNT)]
        busy = True

        def answer(request):
            if request.method == "GET" or not busy:
                return 201, {}, b""
            # Each answer another one, as of a server that says for how long it has been busy.
            headers = {"Retry-After": retry_after} if retry_after else {}
            return 503, headers, b"busy for %d requests" % len(server.requests)
        with HttpServer(answer=answer) as server, tempfile.TemporaryFile() as given, \
                tempfile.TemporaryDirectory(prefix="blepipe-busy-") as folder:
            given.write("".join(line + "\n" for line in lines).encode())
            given.seek(0)
            freed_is_free = {"ASAN_OPTIONS": "quarantine_size_mb=1"}  # else the sanitizer keeps freed memory
            with Tool("blesend", "--url", server.url, *words, cwd=folder, stdin=given, env=freed_is_free) as tool:
                wait_until(lambda: server.posts, "the first try")
                before = tool.peak_memory()
                wait_until(lambda: len(server.posts) >= 4, "some tries")
                self.assertEqual(tool.stats()["in"], in_hand)
                self.assertLess(tool.peak_memory() - before, 8_000_000)
                self.assertEqual(tool.err.count("status 503"), 1, tool.err)
                tried = len(server.posts)
                busy = False
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(tool.err.count("status 503"), 1, tool.err)
            self.assertEqual([body.decode() for body in server.bodies[tried:]], lines)

    def test_with_the_spool_on_disk(self):
        self.run_with("--spool", "spool", in_hand=self.COUNT, retry_after="1")

    def test_with_the_spool_in_memory_the_file_waits(self):
        self.run_with("--buffer", "20", in_hand=20, retry_after="1")

    def test_without_retry_after(self):
        self.run_with("--spool", "spool", in_hand=self.COUNT)


if __name__ == "__main__":
    unittest.main()
