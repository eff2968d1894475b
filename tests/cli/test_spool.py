"""blesend's spool on disk: the real tool, killed, stopped, without disk space, beside others."""
import contextlib
import json
import os
import pathlib
import resource
import signal
import sqlite3
import tempfile
import time
import unittest

from harness import Broker, HttpServer, MqttServer, Tool, free_port, random_source, standing, wait_until
from harness.process import run

RUN = "9f2c41d07a6be813"
STAMP = "2026-11-22T06:30:10.000Z"


def batch(seq, run=RUN, size=0):
    return json.dumps({"format": 1, "device_id": "pi-lab-1", "timestamp": STAMP, "run_id": run, "seq": seq,
                       "x": "x" * size, "detections": []})


def lines(*texts):
    return "".join(text + "\n" for text in texts)


def batches(*limits, **options):
    return lines(*(batch(seq, **options) for seq in range(*limits)))


def seqs(bodies):
    return [json.loads(body)["seq"] for body in bodies]


class Case(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-spool-")))
        self.spool = self.folder / "spool"

    def blesend(self, *words, spool=True, says="blesend: spool: ", **options):
        words = [*words, "--spool", self.spool] if spool else words
        tool = self.stack.enter_context(Tool("blesend", *words, cwd=self.folder, **options))
        tool.wait_err(says)  # from here on it takes signals
        return tool

    def nobody(self):
        return "--url", f"http://127.0.0.1:{free_port()}"

    def server(self, answer=None):
        server = HttpServer(answer)
        server.start()
        self.addCleanup(server.stop)
        return server

    def status(self, **options):
        code, out, err = run("blesend", "--status", "--spool", self.spool, **options)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def fill(self, text, taken, *words):
        """A process that took `text` and was killed; nobody got any of it."""
        tool = self.blesend(*self.nobody(), *words)
        tool.write(text)
        wait_until(lambda: tool.stats()["in"] == taken, "the input to be taken")
        tool.signal(signal.SIGKILL)
        tool.wait()

    def drain(self, tool):
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)


class Spool(Case):
    def test_what_was_taken_is_sent_after_a_kill_in_order_before_anything_new(self):
        self.fill(batches(0, 1000), 1000)
        server = self.server()
        tool = self.blesend("--url", server.url)
        self.assertIn("1000 batches and gap lines wait in it", tool.err)
        tool.write(batches(1000, 1010))
        self.drain(tool)
        self.assertEqual(seqs(server.bodies), list(range(1010)))
        self.assertEqual(self.status()["batches"], 0)

    def test_what_came_before_sigterm_is_taken_though_enough_waits(self):
        self.fill(batches(0, 600), 600)
        def slow(_):
            time.sleep(0.005)
            return 201, {}, b""
        server = self.server(slow)
        tool = self.blesend("--url", server.url, "--drain-timeout", "0.001")
        wait_until(lambda: len(server.bodies) > 2, "batches that leave")
        tool.write(batches(600, 610))
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 75)
        other = self.server()
        self.drain(self.blesend("--url", other.url))
        self.assertEqual(set(seqs(server.bodies + other.bodies)), set(range(610)))

    def test_switching_the_mode_keeps_it(self):
        with Broker() as broker:
            mqtt = ("--host", "127.0.0.1", "--port", broker.port)
            broker.stop()
            tool = self.blesend(*mqtt)
            tool.write(batches(0, 50))
            wait_until(lambda: tool.stats()["in"] == 50, "the input to be taken")
            tool.signal(signal.SIGKILL)
            tool.wait()
            server = self.server()
            server.script = [(503, {"Retry-After": "3600"}, b"") if seq == 20 else 201 for seq in range(50)]
            tool = self.blesend("--url", server.url)
            tool.write(batches(50, 60))
            wait_until(lambda: len(server.bodies) == 21, "the first 20")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(seqs(server.bodies), list(range(21)))
            broker.start()
            receiver = self.stack.enter_context(Tool("mosquitto_sub", "-p", broker.port, "-t", "#", "-q", "1"))
            wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
            self.drain(self.blesend(*mqtt))
            self.assertEqual(seqs(receiver.line() for _ in range(40)), list(range(20, 60)))

    def test_state_directory_has_it_by_default_and_an_empty_name_means_memory(self):
        state = {"STATE_DIRECTORY": f"{self.folder}:/elsewhere"}
        tool = self.blesend(*self.nobody(), spool=False, env=state)
        self.assertIn(f"in {self.folder}/blesend.spool", tool.err)
        tool = self.blesend(*self.nobody(), "--spool", "", spool=False, env=state)
        self.assertIn("in memory", tool.err)
        self.blesend(*self.nobody(), "--buffer", "0", spool=False, env=state, says="no spool")
        tool = self.blesend(*self.nobody(), spool=False, env={"BLEPIPE_SPOOL": str(self.spool)})
        self.assertIn(f"in {self.spool}", tool.err)

    def test_contradictions(self):
        for code, words, env in ((64, ["--spool", "s", "--buffer", "0"], {}), (64, ["--spool", "s"], {"MQTT_BUFFER_SIZE": "0"}),
                                 (78, [], {"BLEPIPE_SPOOL": "s", "MQTT_BUFFER_SIZE": "0"}), (64, ["--spool-max", "0"], {}),
                                 (64, ["--status"], {}), (64, ["--spool-max-bytes", "1k"], {})):
            with self.subTest(words=words, env=env):
                found, out, err = run("blesend", "--url", "http://h", *words, env=env, cwd=self.folder)
                self.assertEqual((found, out), (code, b""), err)

    def test_a_second_process_is_refused(self):
        self.blesend(*self.nobody())
        code, _, err = run("blesend", *self.nobody(), "--spool", self.spool)
        self.assertEqual(code, 69, err)
        self.assertIn("another process uses the spool", err)

    def test_a_newer_version_and_another_programs_database_are_refused(self):
        for change in ("ALTER TABLE gaps ADD COLUMN told INTEGER; PRAGMA user_version=99",
                       "CREATE TABLE theirs (id INTEGER); PRAGMA application_id=7"):
            with self.subTest(change):
                self.spool.unlink(missing_ok=True)
                self.drain(self.blesend(*self.nobody()))
                with contextlib.closing(sqlite3.connect(self.spool)) as other:
                    other.executescript(change)
                for words in ([], ["--status"]):
                    code, _, err = run("blesend", *self.nobody(), "--spool", self.spool, *words)
                    self.assertEqual(code, 78, err)
                    self.assertIn(str(self.spool), err)
                self.assertEqual(list(self.folder.glob("spool.damaged*")), [])

    def test_a_spool_with_one_flipped_bit_is_set_aside_and_not_taken_for_anothers(self):
        """In the format of its tables, in its application id, and in its version."""
        for at, bit in ((47, 0x40), (68, 0x10), (63, 0x02)):
            with self.subTest(at=at):
                for old in self.folder.glob("spool*"):
                    old.unlink()
                self.drain(self.blesend(*self.nobody()))
                damaged = bytearray(self.spool.read_bytes())
                damaged[at] ^= bit
                self.spool.write_bytes(damaged)
                code, out, err = run("blesend", "--status", "--spool", self.spool)
                self.assertEqual((code, out), (74, b""), err)
                self.assertIn("is damaged", err)
                server = self.server()
                tool = self.blesend("--url", server.url)
                self.assertIn("is damaged", tool.err)
                tool.write(batches(1))
                self.drain(tool)
                self.assertEqual(seqs(server.bodies), [0])
                aside, = self.folder.glob("spool.damaged-*")
                self.assertEqual(aside.read_bytes(), damaged)

    def test_a_stored_time_that_cannot_be_counts_from_now(self):
        for since in (-8392867086515, -2**63, 2**63 - 1):
            with self.subTest(since=since):
                self.fill(batches(0, 3), 3)
                with contextlib.closing(sqlite3.connect(self.spool, isolation_level=None)) as other:
                    other.execute("UPDATE batches SET since = ?", (since,))
                self.assertIsNone(self.status()["oldest"])
                server = self.server()
                self.drain(self.blesend("--url", server.url))
                self.assertEqual(seqs(server.bodies), [0, 1, 2])

    def test_a_damaged_spool_is_set_aside(self):
        self.spool.write_bytes(b"no database, but somebody's data\n" * 1000)
        before = self.spool.read_bytes()
        server = self.server()
        tool = self.blesend("--url", server.url)
        self.assertIn("is damaged", tool.err)
        tool.write(batches(1))
        self.drain(tool)
        self.assertEqual(seqs(server.bodies), [0])
        aside, = self.folder.glob("spool.damaged-*")
        self.assertIn(str(aside), tool.err)
        self.assertEqual(aside.read_bytes(), before)

    def test_a_spool_where_none_can_be(self):
        code, _, err = run("blesend", *self.nobody(), "--spool", self.folder / "absent" / "spool")
        self.assertEqual(code, 78, err)
        self.assertIn("is missing", err)

    def test_status(self):
        code, out, err = run("blesend", "--status", "--spool", self.spool)
        self.assertEqual((code, out), (69, b""), err)
        self.assertFalse(self.spool.exists())
        tool = self.blesend(*self.nobody(), "--spool-max", "3", "--drop-after", "0")
        empty = {"spool": str(self.spool), "batches": 0, "bytes": 0, "gaps": 0, "oldest": None, "dropped": 0, "expired": 0,
                 "unnamed": 0}
        self.assertEqual(self.status(), empty)
        tool.write(batches(0, 5))
        wait_until(lambda: tool.stats()["in"] == 5, "the input to be taken")
        found = self.status()
        self.assertRegex(found.pop("oldest"), r"^20\d\d-.*Z$")
        self.assertEqual(found, {"spool": str(self.spool), "batches": 3, "bytes": 3 * len(batch(4)), "gaps": 1, "dropped": 2,
                                 "expired": 0, "unnamed": 0})
        tool.signal(signal.SIGKILL)
        tool.wait()
        self.assertEqual(self.status()["batches"], 3)
        self.assertEqual(self.status()["batches"], 3)
        server = self.server()
        self.drain(self.blesend("--url", server.url))
        self.assertEqual([json.loads(body).get("seq", "gap") for body in server.bodies], ["gap", 2, 3, 4])
        self.assertEqual(self.status(), {**empty, "dropped": 2})

    def test_losses_are_counted_across_restarts_and_the_gap_grows(self):
        words = ("--spool-max", "3", "--drop-after", "0")
        self.fill(batches(0, 5), 5, *words)
        self.fill(batches(5, 7), 2, *words)
        self.assertEqual(self.status()["dropped"], 4)
        server = self.server()
        tool = self.blesend("--url", server.url, *words)
        self.drain(tool)
        gap, *rest = server.bodies
        self.assertEqual(json.loads(gap)["gap"], {"from_seq": 0, "to_seq": 3, "reason": "buffer_full", "from": STAMP, "to": STAMP})
        self.assertEqual(seqs(rest), [4, 5, 6])
        self.assertNotIn("dropped in all", tool.err)  # this process dropped none

    def test_bound_in_bytes(self):
        self.fill(batches(0, 50, size=1000), 50, "--spool-max-bytes", "10000", "--drop-after", "0")
        found = self.status()
        self.assertEqual(found["batches"] + found["dropped"], 50)
        self.assertGreaterEqual(found["bytes"], 10_000)
        self.assertLess(found["bytes"], 12_000)

    def test_block_leaves_the_input_waiting(self):
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, "--spool-max", "4", "--policy", "block", "--drop-after", "0")
        tool.write(batches(0, 50))
        wait_until(lambda: tool.stats()["oldest_ms"] > 300, "the queue to stand")
        self.assertEqual(tool.stats()["in"], 4)
        server.start()
        self.drain(tool)
        self.assertEqual(seqs(server.bodies), list(range(50)))

    def test_a_full_disk(self):
        """A limit on the size of files stands for the full disk: writing fails in the same places."""
        out, into = os.pipe()
        self.addCleanup(os.close, out)
        self.addCleanup(os.close, into)
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, stdin=out)
        os.write(into, batches(0, 1).encode())
        wait_until(lambda: standing(out) == 0, "the first batch")
        _, hard = resource.prlimit(tool.pid, resource.RLIMIT_FSIZE)
        log = self.folder / "spool-wal"
        resource.prlimit(tool.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 8192, hard))
        text = batches(1, 300)
        os.write(into, text.encode())
        tool.wait_err("the input waits")
        server.start()  # what it has goes out all the same
        wait_until(lambda: server.bodies, "the first batch to arrive")
        self.assertEqual(standing(out), len(text))
        self.assertEqual(tool.stats()["in"], 1)
        self.assertEqual(tool.err.count("the input waits"), 1)
        resource.prlimit(tool.pid, resource.RLIMIT_FSIZE, (hard, hard))
        tool.wait_err("can be written again")
        wait_until(lambda: len(server.bodies) == 300, "the rest to arrive")
        self.assertEqual(seqs(server.bodies), list(range(300)))
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_what_stands_in_the_pipe_at_sigterm_is_taken(self):
        tool = self.blesend(*self.nobody())
        tool.signal(signal.SIGSTOP)
        tool.write(batches(0, 50))
        tool.signal(signal.SIGTERM)
        tool.signal(signal.SIGCONT)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.status()["batches"], 50)

    def test_what_stands_in_the_pipe_when_room_is_made_in_the_turn_of_a_sigterm_is_taken(self):
        """As many wait as are enough for a while, so the input is not looked at; the stop comes together with an answer that changes that."""
        with MqttServer() as server:
            server.puback = lambda level, payload: None
            tool = self.blesend("--broker", f"127.0.0.1:{server.port}", "--inflight", 1)
            tool.write(batches(0, 130))
            for arrived in (1, 2):  # then one is on its way, and 128 wait
                wait_until(lambda arrived=arrived: len(server.payloads) == arrived and server.unanswered == 1, "a batch to arrive")
                if arrived == 1:
                    wait_until(lambda: tool.stats()["in"] == 130, "the input to be taken")
                    server.answer()
            tool.signal(signal.SIGSTOP)
            tool.write(batches(130, 131))
            server.puback = lambda level, payload: 0
            server.answer()
            tool.signal(signal.SIGTERM)
            tool.signal(signal.SIGCONT)
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(seqs(server.payloads), list(range(131)))

    def test_a_spool_that_is_locked_by_somebody(self):
        server = self.server()
        tool = self.blesend("--url", server.url)
        with contextlib.closing(sqlite3.connect(self.spool, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            tool.write(batches(0, 3))
            tool.wait_err("locked")
            self.assertEqual(tool.stats()["in"], 0)
            other.execute("ROLLBACK")
        self.drain(tool)
        self.assertEqual(seqs(server.bodies), [0, 1, 2])

    def test_sigterm_with_a_rest_is_0_and_75_when_a_drain_timeout_was_asked_for(self):
        for words, code in (([], 0), (["--drain-timeout", "0.2"], 75)):
            with self.subTest(words):
                tool = self.blesend(*self.nobody(), *words)
                tool.write(batches(0, 3))
                wait_until(lambda: tool.stats()["in"] == 3, "the input to be taken")
                tool.signal(signal.SIGTERM)
                self.assertEqual(tool.wait(), code, tool.err)
                self.assertIn("they stay in", tool.err)
        self.assertEqual(self.status()["batches"], 6)

    def test_a_spool_deleted_while_in_use_ends_it_before_it_takes_anything(self):
        out, into = os.pipe()
        self.addCleanup(os.close, out)
        self.addCleanup(os.close, into)
        tool = self.blesend(*self.nobody(), stdin=out)
        self.spool.unlink()
        os.write(into, batches(1).encode())
        self.assertEqual(tool.wait(), 74, tool.err)
        self.assertEqual(standing(out), len(batches(1)))

    def test_memory_does_not_grow_with_the_backlog(self):
        def peak(count):
            with open(self.folder / "input", "w", encoding="ascii") as given:
                given.write(batches(0, count, size=1900))
            with open(self.folder / "input", "rb") as given:
                tool = self.blesend(*self.nobody(), stdin=given)
                wait_until(lambda: tool.stats()["in"] == count, "the input to be taken")
            tool.signal(signal.SIGKILL)
            tool.wait()
            server = self.server()
            tool = self.blesend("--url", server.url, env={"ASAN_OPTIONS": "quarantine_size_mb=1"})  # else freed memory is kept
            wait_until(lambda: len(server.bodies) > 500, "some to arrive")
            found = tool.peak_memory()
            tool.signal(signal.SIGKILL)
            tool.wait()
            self.spool.unlink()
            return found
        small, large = peak(1000), peak(20_000)  # 40 MB
        self.assertLess(large, small + 4_000_000)


class Kill(Case):
    """SIGKILL at random moments; BLEPIPE_SEED repeats a run."""

    KILLS = 15
    COALESCE = 1

    def setUp(self):
        super().setUp()
        self.chance = random_source()
        self.fifo = self.folder / "fifo"
        os.mkfifo(self.fifo)
        self.holder = os.open(self.fifo, os.O_RDWR)
        self.addCleanup(os.close, self.holder)
        self.written = 0

    def feed(self):
        more = self.chance.randint(1, 700)
        os.write(self.holder, batches(self.written, self.written + more).encode())
        self.written += more

    def kill_soon(self, tool, within_s):
        deadline = self.chance.random() * within_s
        with contextlib.suppress(AssertionError):
            wait_until(lambda: False, "the moment to kill", deadline)
        tool.signal(signal.SIGKILL)
        self.assertEqual(tool.wait(), -signal.SIGKILL)

    def spooled(self):
        """The seqs in the spool, in its order."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)) as spool:
            return seqs(line for line, in spool.execute("SELECT line FROM batches ORDER BY id"))

    def start(self, broker, life, wait=True):
        words = ("--host", "127.0.0.1", "--port", broker.port, "--topic", f"life/{life}", "--inflight", "20",
                 "--coalesce", self.COALESCE)
        with open(self.fifo, "rb", buffering=0) as stdin:
            if wait:
                return self.blesend(*words, stdin=stdin)
            return self.stack.enter_context(Tool("blesend", *words, "--spool", self.spool, cwd=self.folder, stdin=stdin))

    def check(self, received, held):
        """`received`: [(life, seq)], `held`: {life: the seqs in the spool when it began}."""
        first = list(dict.fromkeys(seq for _, seq in received))
        self.assertEqual(first, list(range(self.written)), "lost, or overtaken")
        for life, expected in held.items():
            sent = [seq for of, seq in received if of == life]
            self.assertEqual(sent[:len(expected)], expected[:len(sent)], f"life {life}")

    def test_nothing_is_lost_and_what_was_not_acknowledged_goes_first_in_order(self):
        with Broker() as broker:
            receiver = self.stack.enter_context(Tool("mosquitto_sub", "-p", broker.port, "-t", "#", "-q", "1", "-F", "%t %p"))
            wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
            tool, held = self.start(broker, 0), {}
            for life in range(1, self.KILLS + 1):
                stalled = self.chance.random() < 0.4
                if stalled:
                    broker.pause()
                self.feed()
                self.kill_soon(tool, 0.2)
                if stalled:
                    broker.resume()
                if self.chance.random() < 0.3:
                    self.kill_soon(self.start(broker, life + 1000, wait=False), 0.03)
                held[life] = self.spooled()
                tool = self.start(broker, life)
            self.feed()
            wait_until(lambda: standing(self.holder) == 0 and tool.stats()["queued"] == 0, "everything to be delivered")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertTrue(any(held.values()), "no kill found anything in the spool")
            received, life = [], None
            while not received or received[-1][1] != self.written - 1 or received[-1][0] != self.KILLS:
                line = receiver.line()  # a message's first has the topic before it
                if line.startswith(b"life/"):
                    topic, _, line = line.partition(b" ")
                    life = int(topic.removeprefix(b"life/"))
                received.append((life, json.loads(line)["seq"]))
        self.check(received, held)


class KillWhileSeveralShareAMessage(Kill):
    COALESCE = 16


if __name__ == "__main__":
    unittest.main()
