"""Every command on its own, joined by FIFOs that somebody else holds open, as a service manager does it.

Each FIFO is opened once, for reading and writing and with O_NONBLOCK, and that one open file is what the commands get as
standard input and output: there is no end of input and no broken pipe, and whoever starts again finds what stands there.
"""
import bisect
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import select
import signal
import socket
import sqlite3
import tempfile
import unittest

from harness import (Broker, Database, Tool, WebSocketClient, flatten, free_port, make_batches, positions, random_source,
                     source_path, standing, wait_port, wait_until)


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


def is_batch(line):
    try:
        return "detections" in json.loads(line)
    except ValueError:
        return False


class Case(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-fifos-")))
        self.database = Database(self.folder / "ble.db")
        self.ports = {name: free_port() for name in ("blerecv", "blews")}
        self.held = {}
        for name in ("scanned", "given", "mqtt", "http", "events"):
            os.mkfifo(self.folder / name)
            self.held[name] = os.open(self.folder / name, os.O_RDWR | os.O_NONBLOCK)
            self.addCleanup(os.close, self.held[name])

    # The commands, each with its FIFOs

    def start(self, *words, stdin=None, stdout=None, **options):
        """stdin, stdout: the name of a FIFO; none: /dev/null."""
        return self.stack.enter_context(Tool(*words, stdin=self.held.get(stdin), stdout=self.held.get(stdout),
                                             cwd=self.folder, **options))

    SCAN = ("--replay", source_path("examples", "sample.btsnoop"), "--window", "0.1", "--device-id", "pi-scan")

    def scan(self, *words):
        return self.start("blescan", *self.SCAN, *words, stdout="scanned", env={"LOG_LEVEL": "error"})

    def send_by_mqtt(self):
        return self.start("blesend", "--host", "127.0.0.1", "--port", self.broker.port, "--spool", "mqtt.spool",
                          stdin="scanned")

    def send_by_http(self):
        return self.start("blesend", "--url", f"http://127.0.0.1:{self.ports['blerecv']}", "--spool", "http.spool",
                          stdin="given")

    def subscribe(self):
        return self.start("blesub", "--host", "127.0.0.1", "--port", self.broker.port, "--client-id", "backend",
                          stdout="mqtt")

    def receive(self):
        return self.start("blerecv", "--port", self.ports["blerecv"], stdout="http")

    def ingest(self, *inputs, stdin=None):
        return self.start("bleingest", "--event-timeout", "0.1", *(inputs or ("mqtt", "http")), stdin=stdin, stdout="events")

    def broadcast(self):
        return self.start("blews", "--port", self.ports["blews"], stdin="events")

    def with_broker(self):
        """A broker that keeps what comes for blesub, whether it runs or not."""
        self.broker = self.stack.enter_context(Broker())
        tool = self.subscribe()
        tool.wait_err("subscribed")
        self.end(tool)

    def kill(self, tool):
        tool.signal(signal.SIGKILL)
        self.assertEqual(tool.wait(), -signal.SIGKILL, tool.err)

    def end(self, *tools):
        for tool in tools:
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, f"{tool.name}: {tool.err}")

    # The FIFOs

    def write(self, name, data):
        """However little room there is."""
        def some():
            nonlocal data
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.held[name], data):]
            return not data
        wait_until(some, f"room in {name}")

    def read(self, name, size=1 << 20):
        return os.read(self.held[name], size)

    def look(self, name):
        """What stands in a FIFO that nobody else reads or writes now; it stays there."""
        data = b""
        while standing(self.held[name]):
            data += self.read(name)
        self.write(name, data)
        return data

    def full(self, name):
        """Its writer has to wait."""
        return not select.select([], [self.held[name]], [], 0)[1]

    def empty(self, name):
        return standing(self.held[name]) == 0

    # What became of the lines

    def rejected(self, tool):
        path = self.folder / f"{tool}.rejected.ndjson"
        return [json.loads(line)["line"] for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def check_stored(self, lines):
        self.database.wait_count(len(lines))
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.gaps(), [])

    def runs(self, device):
        """How many batches of each run are stored, in the order of the runs: the first ones of it, or the test fails."""
        found = {}
        for run, seq in self.database.rows(
                "SELECT run_id, seq FROM batches JOIN runs ON runs.id = batches.run "
                "JOIN devices ON devices.id = runs.device "
                f"WHERE device_id = '{device}' ORDER BY runs.id, seq"):
            self.assertEqual(seq, found.get(run, 0), run)
            found[run] = seq + 1
        return found

    def live(self):
        """A client of blews that has what is current behind it."""
        wait_port(self.ports["blews"])
        client = self.stack.enter_context(WebSocketClient(self.ports["blews"]))
        while client.event()["data"].get("status") != "live":
            pass
        return client


class Order(Case):
    def test_writers_first_and_readers_first(self):
        self.with_broker()
        lines = make_batches(4, "pi-http")
        for backwards in (False, True):
            with self.subTest(backwards=backwards):
                parts = [self.send_by_http, self.receive, self.send_by_mqtt, self.subscribe, self.ingest, self.broadcast]
                tools = [part() for part in (parts[::-1] if backwards else parts)]
                client = self.live()
                given = lines[2 * backwards:][:2]
                self.write("given", text(given[:1]))
                self.write("scanned", text(given[1:]))
                self.assertEqual({client.until("detection_event")["data"]["seq"] for _ in given},
                                 {json.loads(line)["seq"] for line in given})
                wait_until(lambda: all(map(self.empty, self.held)), "the FIFOs to be empty")
                self.end(*tools)
        self.check_stored(lines)

    def test_a_second_reader_is_refused_though_it_has_the_same_open_file(self):
        parts = {"given": lambda: self.start("blesend", "--url", f"http://127.0.0.1:{free_port()}", stdin="given"),
                 "events": self.broadcast, "mqtt": lambda: self.ingest("-", stdin="mqtt")}
        line = text(make_batches(1))

        def take_a_line(tool, name):
            self.write(name, line)
            wait_until(lambda: self.empty(name) or not tool.running(), f"{tool.name} to take a line")
            self.assertTrue(tool.running(), tool.err)

        def refused(tool):
            self.assertEqual(tool.wait(), 69, tool.err)
            self.assertIn("one reader", tool.err)
        for name, start in parts.items():
            with self.subTest(name):
                for _ in range(2):  # a reader that was killed is in nobody's way
                    tool = start()
                    take_a_line(tool, name)
                    refused(start())
                    self.kill(tool)
        for words in (["mqtt"], ["--hold", "mqtt"]):
            with self.subTest(words):
                tool = self.ingest(*words)
                take_a_line(tool, "mqtt")
                refused(self.ingest("-", stdin="mqtt"))
                self.end(tool)
        tool = self.ingest("-", stdin="mqtt")
        take_a_line(tool, "mqtt")
        for words in (["mqtt"], ["--hold", "mqtt"]):
            refused(self.ingest(*words))


class Scanner(Case):
    def scan_until_full(self):
        """With lines of more than a page, which a full FIFO cuts."""
        tool = self.scan("--window", "1", "--detail")
        wait_until(lambda: self.full("scanned") or not tool.running(), "a full FIFO")
        self.assertTrue(tool.running(), tool.err)
        return tool

    def test_it_waits_while_nobody_takes_its_batches(self):
        self.with_broker()
        scan = self.scan_until_full()
        tools = [self.send_by_mqtt(), self.subscribe(), self.ingest()]
        self.assertEqual(scan.wait(), 0, scan.err)
        self.database.wait_count(120)
        self.assertEqual(list(self.runs("pi-scan").values()), [120])
        self.end(*tools)

    def test_a_line_that_it_was_killed_in_is_not_glued_to_the_next_runs(self):
        self.with_broker()
        self.kill(self.scan_until_full())
        *whole, torn = self.look("scanned").decode().split("\n")
        self.assertNotEqual(torn, "")
        tools = [self.send_by_mqtt(), self.subscribe(), self.ingest()]
        self.assertEqual(self.scan("--count", "30").wait(), 0)
        self.database.wait_count(len(whole) + 30)
        self.assertEqual(list(self.runs("pi-scan").values()), [len(whole), 30])
        self.assertEqual(self.rejected("blesend"), [torn])
        self.assertEqual(self.rejected("bleingest"), [])
        self.end(*tools)


class Receivers(Case):
    """A receiver is killed while its FIFO is full, so that it leaves a torn line; the store comes back afterwards."""

    def setUp(self):
        super().setUp()
        self.lines = [line[:-1] + f',"x":"{"x" * 400_000}"}}' for line in make_batches(6, "pi-http")]

    def torn(self, name):
        """The unfinished line at the end of a FIFO."""
        return self.look(name).split(b"\n")[-1].decode()

    def check(self, torn):
        tool = self.ingest()
        self.check_stored(self.lines)
        rejected = self.rejected("bleingest")
        self.assertIn(torn, rejected)
        for line in rejected:
            self.assertFalse(is_batch(line))
        self.assertEqual(tool.stats()["rejected"], len(rejected))
        self.end(tool)

    def test_blesub(self):
        self.with_broker()
        sender = self.start("blesend", "--host", "127.0.0.1", "--port", self.broker.port, stdin="given")
        for line in self.lines:
            self.write("given", text([line]))
        seen = 0
        while not self.full("mqtt"):  # every life writes the first message, which is never acknowledged
            tool = self.subscribe()
            wait_until(lambda: standing(self.held["mqtt"]) > seen + 400_000 or self.full("mqtt"), "another message")
            self.kill(tool)
            seen = standing(self.held["mqtt"])
        torn = self.torn("mqtt")
        self.assertNotEqual(torn, "")
        tool = self.subscribe()
        self.check(torn)
        self.end(tool, sender)

    def test_blerecv(self):
        tool, sender = self.receive(), self.send_by_http()
        wait_port(self.ports["blerecv"])
        body = text(self.lines[:3])
        with socket.create_connection(("127.0.0.1", self.ports["blerecv"])) as client:
            client.sendall(b"POST /api/v1/detections/bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: self.full("http"), "a full FIFO")
            self.kill(tool)
        torn = self.torn("http")
        self.assertNotEqual(torn, "")
        tool = self.receive()
        for line in self.lines:
            self.write("given", text([line]))
        self.check(torn)
        self.end(tool, sender)

    def test_what_a_stranger_tears_is_set_aside_and_nothing_false_is_stored(self):
        self.with_broker()
        lines = make_batches(3)
        tools = [self.subscribe(), self.ingest()]
        sender = self.start("blesend", "--host", "127.0.0.1", "--port", self.broker.port, stdin="given")
        for line, stranger in zip(lines, ("", '{"format":1,', ""), strict=True):
            self.write("mqtt", stranger.encode())
            self.write("given", text([line]))
            wait_until(lambda: self.database.count() + len(self.rejected("bleingest")) > lines.index(line), "the line")
            # Until blesub has seen that it was consumed: after that, a stranger's bytes are in the way of the next line only.
            wait_until(lambda: tools[0].stats()["out"] > lines.index(line), "blesub to be done with it")
        self.assertEqual(self.database.detections(), flatten([lines[0], lines[2]]))
        self.assertEqual(self.database.gaps(), [(1, 1, "missing")])
        self.assertEqual(self.rejected("bleingest"), ['{"format":1,' + lines[1]])
        self.assertEqual(tools[1].stats()["rejected"], 1)
        self.end(*tools, sender)


class Readers(Case):
    def test_what_is_left_of_a_line_half_consumed_is_set_aside(self):
        """The line itself was safe when the killed reader began to consume it."""
        lines = make_batches(3)
        for name, start, tool in (("mqtt", self.ingest, "bleingest"), ("given", self.send_by_http, "blesend")):
            with self.subTest(tool):
                self.write(name, text(lines[:1]))
                reader = start()
                wait_until(lambda: self.empty(name), "the first line to be taken")
                self.kill(reader)
                self.write(name, text(lines)[100:])
                reader = start()
                wait_until(lambda: self.empty(name), "the rest to be taken")
                self.assertEqual(self.rejected(tool), [lines[0][100:]])
                self.assertEqual(reader.stats()["rejected"], 1)
                self.kill(reader)
        self.check_stored(lines)
        with contextlib.closing(sqlite3.connect(self.folder / "http.spool")) as spool:
            self.assertEqual([line.decode() for line, in spool.execute("SELECT line FROM batches ORDER BY id")], lines)


class Events(Case):
    def test_a_broadcaster_that_is_missing_or_stopped_holds_nothing_up(self):
        lines = make_batches(601, detections=40)  # far more than a FIFO holds
        ingest = self.ingest()
        self.write("mqtt", text(lines[:300]))
        self.database.wait_count(300)
        blews = self.broadcast()
        client = self.live()
        blews.signal(signal.SIGSTOP)
        self.write("mqtt", text(lines[300:600]))
        self.database.wait_count(600)
        self.assertGreater(ingest.stats()["dropped"], 0)
        self.assertEqual(ingest.err.count("does not keep up"), 1)
        blews.signal(signal.SIGCONT)
        wait_until(lambda: self.empty("events"), "blews to catch up")
        self.write("mqtt", text(lines[600:]))
        self.check_stored(lines)
        while client.until("detection_event")["data"]["seq"] != 600:
            pass
        self.assertEqual(blews.stats()["rejected"], 0)
        self.end(ingest, blews)

    def test_an_event_that_bleingest_was_killed_in_is_not_glued_to_the_next(self):
        lines = iter(make_batches(5))
        for first in ("blews", "bleingest"):
            with self.subTest(first):
                ingest = self.ingest()
                fcntl.fcntl(self.held["events"], fcntl.F_SETPIPE_SZ, 65536)
                self.write("mqtt", text([next(lines)[:-1] + f',"x":"{"x" * 100_000}"}}']))
                wait_until(lambda: self.full("events"), "a begun event")
                self.kill(ingest)
                blews = self.broadcast() if first == "blews" else None
                ingest = self.ingest()
                if not blews:
                    self.write("mqtt", text([next(lines)]))
                    ingest.wait_err("events are dropped")
                    blews = self.broadcast()
                client = self.live()
                wait_until(lambda: not self.full("events"), "blews to enlarge the FIFO")
                line = next(lines)
                self.write("mqtt", text([line]))
                self.assertEqual(client.until("detection_event")["data"], json.loads(line))
                found = blews.stats()
                self.assertEqual((found["rejected"], found["in"]), (1, 1))
                self.end(ingest, blews)

    def test_what_is_left_of_an_event_half_consumed_is_dropped(self):
        lines = make_batches(4)
        ingest = self.ingest()
        self.write("mqtt", text(lines[:3]))
        wait_until(lambda: self.database.count() == 3 and self.empty("mqtt"), "the batches")
        wait_until(lambda: self.look("events").count(b"\n") == 3, "the events")
        self.read("events", 10)
        blews = self.broadcast()
        client = self.live()
        self.write("mqtt", text(lines[3:]))
        self.assertEqual(client.until("detection_event")["data"]["seq"], 3)
        found = blews.stats()
        self.assertEqual((found["rejected"], found["in"]), (1, 3))
        self.end(ingest, blews)


class Kill(Case):
    """Each command is killed and started again, some together, at random moments and in random order."""

    GROUPS = 8  # killed together, beyond those that see to it that each command is killed at least once
    STEP = 40   # batches given by HTTP at a time, at most
    OTHERS = 600  # bytes that blescan writes besides its lines, at most: a LF, and what a sanitizer asks of the kernel

    def setUp(self):
        super().setUp()
        self.chance = random_source()
        self.with_broker()
        scan = self.stack.enter_context(Tool("blescan", *self.SCAN))
        self.canonical = [line.decode() for line in scan.lines()]
        self.lengths = list(itertools.accumulate(len(line.encode()) + 1 for line in self.canonical))
        self.given = make_batches(3000, "pi-http")
        self.written = 0
        self.least = []  # of each run of blescan that was killed: so many whole lines it had written, or a few more
        self.parts = {"blescan": lambda: self.scan("--speed", "0.5"), "blesend of MQTT": self.send_by_mqtt,
                      "blesend of HTTP": self.send_by_http, "blesub": self.subscribe, "blerecv": self.receive,
                      "bleingest": self.ingest_somehow, "blews": self.broadcast}
        self.tools = {name: start() for name, start in self.parts.items()}

    def ingest_somehow(self):
        inputs = self.chance.choice([("mqtt", "http"), ("--hold", "mqtt", "http"), ("-", "mqtt")])
        return self.ingest(*inputs, stdin="http" if "-" in inputs else None)

    def scanned(self):
        """Whole lines that this blescan has written, at least."""
        with open(f"/proc/{self.tools['blescan'].pid}/io", encoding="ascii") as counters:
            count = next(int(line.split()[1]) for line in counters if line.startswith("wchar"))
        return bisect.bisect_right(self.lengths, count - self.OTHERS)

    def give(self):
        more = self.chance.randint(1, self.STEP)
        self.write("given", text(self.given[self.written:self.written + more]))
        self.written += more

    def kill_one(self, name):
        if name == "blescan":
            wait_until(self.scanned, "a batch of this run")
            self.least.append(self.scanned())
        self.kill(self.tools[name])

    def kill_together(self, names):
        self.give()
        stored = self.stored_by_http()
        more = self.chance.randint(min(stored + 1, self.written), self.written)
        wait_until(lambda: self.stored_by_http() >= more, lambda: f"some progress: {self.state()}")
        for name in names:
            self.kill_one(name)
        if self.chance.random() < 0.5:
            self.give()
        for name in self.chance.sample(names, len(names)):
            self.tools[name] = self.parts[name]()

    def state(self):
        """Of each FIFO: the bytes in it; of each tool: whether it runs, and what it said."""
        lines = [f"{name}: {standing(end)}" for name, end in self.held.items()]
        lines += [f"{name}: {'runs' if tool.running() else tool.process.returncode}: {tool.err}" for name, tool in self.tools.items()]
        return "\n".join([f"{self.stored_by_http()} of {self.written} stored", *lines])

    def stored_by_http(self):
        return sum(device == "pi-http" for device, _, _ in self.database.batches())

    def expected(self):
        """The batches of all runs; the scanner's by what is stored of each run, which must be all that it wrote."""
        runs = self.runs("pi-scan")
        self.assertEqual(len(runs), len(self.least) + 1)
        for count, least in zip(runs.values(), [*self.least, 100], strict=True):
            self.assertIn(count, range(least, least + 4))
        lines = self.given[:self.written]
        for run, count in runs.items():
            lines += [json.dumps({**json.loads(line), "run_id": run}) for line in self.canonical[:count]]
        return lines

    def test_every_batch_is_stored_exactly_once(self):
        names = self.chance.sample(list(self.tools), len(self.tools))
        while names:
            group = names[:self.chance.randint(1, 3)]
            names = names[len(group):]
            self.kill_together(group)
        for _ in range(self.GROUPS):
            self.kill_together(self.chance.sample(list(self.tools), self.chance.randint(1, 4)))
        self.kill_one("blescan")
        self.assertEqual(self.scan("--count", "100").wait(), 0)
        client = self.live()
        self.give()
        wait_until(lambda: self.stored_by_http() == self.written, "what came by HTTP")
        wait_until(lambda: list(self.runs("pi-scan").values())[len(self.least):] == [100], "the last run of the scanner")
        while client.until("detection_event")["data"] != json.loads(self.given[self.written - 1]):
            pass
        self.check_stored(self.expected())
        for name in ("bleingest", "blesend"):
            for line in self.rejected(name):
                self.assertFalse(is_batch(line), line)
        wait_until(lambda: all(map(self.empty, self.held)), "what was delivered to be consumed")
        for name in self.chance.sample(list(self.tools), len(self.tools)):
            if name != "blescan":
                self.end(self.tools[name])


if __name__ == "__main__":
    unittest.main()
