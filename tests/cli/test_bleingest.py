"""bleingest: every kind of input, every rule of "look, commit, consume", every exit code that its man page names."""
import contextlib
import json
import os
import pathlib
import pty
import resource
import signal
import socket
import sqlite3
import tempfile
import threading
import time
import unittest

from harness import (PAST_QUOTA, Database, Tool, as_other_user, flatten, make_batches, positions, query_under_clock, random_source,
                     source_path, standing, tool_path, wait_until, wrong_clock)
from harness.process import run
from harness.trace import kill_at_system_call

MAX_LINE = 512_000
GAP = {"format": 1, "device_id": "pi-test", "run_id": "00000000000000ab",
       "gap": {"from_seq": 1, "to_seq": 3, "reason": "buffer_full"}}


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


def taken(lines, seconds):
    """The batches, taken so many seconds from now by the Pi's clock."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    batches = [json.loads(line) for line in lines]
    return [json.dumps({**batch, "timestamp": stamp, "detections": [{**d, "timestamp": stamp} for d in batch["detections"]]})
            for batch in batches]


class Ingest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-ingest-")))
        self.database = Database(self.folder / "ble.db")

    def start(self, *words, **options):
        return self.stack.enter_context(Tool("bleingest", *words, cwd=self.folder, **options))

    def run_with(self, lines, *words, **options):
        """To the end of the input: (exit code, events, standard error)."""
        given = lines if isinstance(lines, bytes) else text(lines)
        code, out, err = run("bleingest", *words, input=given, cwd=self.folder, **options)
        return code, [json.loads(line) for line in out.splitlines()], err

    def fifo(self, name="fifo"):
        path = self.folder / name
        os.mkfifo(path)
        return path

    def open(self, path, flags):
        fd = os.open(path, flags)
        self.stack.callback(os.close, fd)
        return fd

    def pipe(self):
        """Both ends held by the test, so that nothing in it is lost when a reader is killed."""
        ends = os.pipe()
        for fd in ends:
            self.stack.callback(os.close, fd)
        return ends

    def rejected(self):
        path = self.folder / "bleingest.rejected.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def check_stored(self, lines):
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))


class CommandLine(Ingest):
    def test_help_version_and_check(self):
        code, out, _ = run("bleingest", "--help")
        self.assertEqual(code, 0)
        self.assertIn(b"--event-timeout", out)
        code, out, _ = run("bleingest", "--version")
        self.assertEqual((code, out.split()[0]), (0, b"bleingest"))
        self.assertEqual(self.run_with([], "--check", "--db", self.database.path)[0], 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_options_are_named(self):
        for words, name in ((["--nonsense"], "--nonsense"), (["--count", "x"], "--count"), (["--retain", "soon"], "--retain"),
                            (["--db", "postgresql://u:geheim@h/d"], "postgresql"), (["--db", ""], "--db")):
            code, _, err = self.run_with([], *words)
            self.assertEqual(code, 64, err)
            self.assertIn(name, err)
            self.assertNotIn("geheim", err)
        # Two readers of one file would tear its lines.
        self.assertEqual(self.run_with(make_batches(1), "-", "-")[0], 64)

    def test_wrong_environment_is_named(self):
        for name, value in (("BLEPIPE_DB", "oracle://x"), ("BLEPIPE_EVENT_TIMEOUT", "soon")):
            code, _, err = self.run_with([], env={name: value})
            self.assertEqual(code, 78, err)

    def test_state_directory_holds_the_database_and_the_rejects(self):
        state = self.folder / "state"
        state.mkdir()
        code, _, err = self.run_with([*make_batches(1), "bad"], env={"STATE_DIRECTORY": str(state)})
        self.assertEqual(code, 0, err)
        self.assertLessEqual({"ble.db", "bleingest.rejected.ndjson"}, set(os.listdir(state)))
        self.assertFalse((self.folder / "ble.db").exists())

    def test_inputs_that_cannot_be_read(self):
        self.assertEqual(self.run_with([], "absent.ndjson")[0], 74)
        self.assertEqual(self.run_with([], self.folder)[0], 74)
        secret = self.folder / "secret"
        secret.touch(0o000)
        self.folder.chmod(0o777)
        code, _, err = run(*as_other_user("bleingest", secret), cwd=self.folder)
        self.assertEqual(code, 77, err)

    def test_databases_that_cannot_be_used(self):
        self.assertEqual(self.run_with([], "--db", "absent/ble.db")[0], 74)
        connection = sqlite3.connect(self.folder / "theirs.db")
        connection.execute("CREATE TABLE theirs (a)")
        connection.close()
        code, _, err = self.run_with([], "--db", "theirs.db")
        self.assertEqual(code, 78)
        self.assertIn("another program", err)
        (self.folder / "text.db").write_bytes(b"no database at all " * 1000)
        self.assertEqual(self.run_with([], "--db", "text.db")[0], 78)
        self.assertEqual(self.run_with(make_batches(1))[0], 0)
        connection = sqlite3.connect(self.database.path)
        connection.execute("PRAGMA user_version=99")
        connection.close()
        code, _, err = self.run_with([])
        self.assertEqual(code, 78)
        self.assertIn("upgrade", err)
        os.chmod(self.database.path, 0o444)
        self.folder.chmod(0o777)
        (self.folder / "closed").mkdir()
        for words in ([], ["--db", "/ble.db"], ["--db", self.folder / "closed" / "ble.db"]):
            code, _, err = run(*as_other_user("bleingest", *words), cwd=self.folder)
            self.assertEqual(code, 77, err)


class Inputs(Ingest):
    lines = make_batches(3)

    def test_a_pipe(self):
        tool = self.start()
        for line in self.lines:
            tool.write(line + "\n")
            self.assertEqual(json.loads(tool.line())["data"], json.loads(line))
        tool.close_stdin()
        self.assertIsNone(tool.line())
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(self.lines)

    def test_a_file(self):
        code, events, err = self.run_with(self.lines)
        self.assertEqual((code, len(events)), (0, 3), err)
        self.check_stored(self.lines)

    def test_a_file_larger_than_one_look(self):
        lines = make_batches(300, detections=100)  # 4 MB
        self.assertEqual(self.run_with(lines)[0], 0)
        self.check_stored(lines)

    def test_a_socket(self):
        mine, theirs = socket.socketpair()
        tool = self.start(stdin=theirs)
        theirs.close()
        mine.sendall(text(self.lines)[:-50])
        self.database.wait_count(2)
        mine.sendall(text(self.lines)[-50:])
        mine.close()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(self.lines)

    def test_a_terminal(self):
        main, terminal = pty.openpty()
        self.stack.callback(os.close, main)
        tool = self.start(stdin=terminal)
        os.close(terminal)
        for line in self.lines:
            os.write(main, line.encode() + b"\n")
        self.database.wait_count(3)
        os.write(main, b"\x04")
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(self.lines)

    def test_nothing(self):
        self.assertEqual(self.start(stdin=None).wait(), 0)
        closed = self.start(stdin=None, preexec_fn=lambda: (os.close(0), os.close(1)))
        self.assertEqual(closed.wait(), 0, closed.err)

    def test_a_fifo_waits_for_its_writer_and_ends_with_it(self):
        fifo = self.fifo()
        tool = self.start(fifo, stdin=None)
        self.database.wait_count(0)
        writer = os.open(fifo, os.O_WRONLY)
        os.write(writer, text(self.lines))
        self.database.wait_count(3)
        self.assertTrue(tool.running())
        os.close(writer)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_hold_outlives_writers(self):
        fifo = self.fifo()
        tool = self.start("--hold", fifo, stdin=None)
        for i, line in enumerate(self.lines):
            with open(fifo, "wb") as writer:
                writer.write(text([line]))
            self.database.wait_count(i + 1)
        self.assertTrue(tool.running())
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_several_inputs_in_turn(self):
        one, two = self.fifo("one"), self.fifo("two")
        (self.folder / "file").write_bytes(text(make_batches(2, "pi-file")))
        tool = self.start(one, two, "file", "-")
        writers = [os.open(path, os.O_WRONLY) for path in (one, two)]
        for seq in range(50):
            for name, writer in zip(("pi-one", "pi-two"), writers):
                os.write(writer, text([make_batches(seq + 1, name)[seq]]))
        tool.write(text(make_batches(2, "pi-stdin")))
        self.database.wait_count(104)
        os.close(writers[0])
        tool.close_stdin()
        os.write(writers[1], text([make_batches(51, "pi-two")[50]]))
        self.database.wait_count(105)
        self.assertTrue(tool.running())
        os.close(writers[1])
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_a_pipe_has_one_reader(self):
        fifo = self.fifo()
        self.open(fifo, os.O_RDWR)
        tool = self.start(fifo, stdin=None, stdout=None)
        wait_until(lambda: (self.folder / "ble.db").exists(), "the first reader")
        code, _, err = self.run_with([], fifo)
        self.assertEqual(code, 69)
        self.assertIn("one reader", err)
        self.assertEqual(self.run_with([], self.fifo("other"), self.folder / "other")[0], 69)
        os.write(self.open(fifo, os.O_WRONLY), text(self.lines))
        self.database.wait_count(3)
        self.assertTrue(tool.running())

    def test_nonblocking_set_by_others(self):
        out, into = self.pipe()
        os.set_blocking(out, False)
        events, stdout = self.pipe()
        os.set_blocking(stdout, False)
        tool = self.start(stdin=out, stdout=stdout)
        os.write(into, text(self.lines))
        self.database.wait_count(3)
        wait_until(lambda: standing(out) == 0, "the lines to be consumed")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(len(os.read(events, 1 << 20).splitlines()), 3)

    def test_pipe_quota(self):
        """Past the quota pipes hold 8 KiB, which could never show a whole line: 71, naming the sysctl."""
        self.folder.chmod(0o777)
        exhaust = ("import fcntl, os, sys\n"
                   "try:\n"
                   "    for i in range(4096):\n"
                   "        for fd in os.pipe(): os.set_inheritable(fd, True)\n"
                   "        fcntl.fcntl(fd, 1031, 1 << 20)\n"
                   "except OSError: pass\n"
                   "os.execv(sys.argv[1], sys.argv[1:])\n")
        tool = self.stack.enter_context(Tool(*as_other_user("bleingest", before=["/usr/bin/python3", "-c", exhaust], uid=PAST_QUOTA),
                                             cwd=self.folder))
        self.assertEqual(tool.wait(), 71, tool.err)
        self.assertIn("pipe-user-pages-soft", tool.err)


class Lines(Ingest):
    def test_each_batch_once(self):
        lines = make_batches(4)
        code, events, err = self.run_with([lines[2], lines[0], lines[0], lines[3], lines[2]])
        self.assertEqual(code, 0)
        told = [event["data"] for event in events]
        self.assertEqual([data["seq"] for data in told if "seq" in data], [2, 0, 3])
        self.assertEqual(self.database.gaps(), [(1, 1, "missing")])
        self.assertEqual(self.run_with(lines)[1], [{"type": "detection_event", "data": json.loads(lines[1])}])
        self.assertEqual(self.database.gaps(), [])
        self.check_stored(lines)

    def test_gap_lines_are_stored_and_told(self):
        lines = make_batches(5)
        code, events, _ = self.run_with([lines[0], lines[4], json.dumps(GAP), json.dumps(GAP)])
        self.assertEqual(code, 0)
        self.assertEqual(self.database.gaps(), [(1, 3, "buffer_full")])
        gaps = [event["data"]["gap"]["reason"] for event in events if event["type"] == "gap_event"]
        self.assertEqual(gaps, ["missing", "buffer_full"])

    def test_the_first_implementation(self):
        detection = {"device_hash": "ab" * 32, "rssi": -60, "zone": "near", "timestamp": "2026-11-22T06:30:09.412345"}
        old = json.dumps({"device_id": "pi-old", "timestamp": "2026-11-22T06:30:10.5", "detections": [detection],
                          "name": "Old", "location": "Attic"})
        other = old.replace("-60", "-61")
        self.assertEqual(len(self.run_with([old, other, old])[1]), 2)
        self.assertEqual(len(self.run_with([old])[1]), 0)
        self.assertEqual(self.database.rows("SELECT device_id, location, rssi, timestamp FROM detection_log ORDER BY rssi"),
                         [("pi-old", "Attic", rssi, "2026-11-22T06:30:09.412Z") for rssi in (-61, -60)])

    def test_invalid_lines_are_set_aside(self):
        lines = make_batches(2)
        bad = ["{", '{"device_id":"pi-1"}', "null", "[" * 100_000, '{"device_id":"x","detections":[]}']
        code, events, err = self.run_with([lines[0], *bad, "", "", lines[1]])
        self.assertEqual((code, len(events)), (0, 2), err)
        self.assertEqual([one["line"] for one in self.rejected()], bad)
        self.assertTrue(all(one["reason"] and one["time"] for one in self.rejected()))
        self.check_stored(lines)

    def test_hostile_bytes(self):
        random = random_source()
        good = text(make_batches(20))
        for _ in range(20):
            damaged = bytearray(good)
            for _ in range(30):
                at = random.randrange(len(damaged))
                damaged[at:at + random.randrange(3)] = random.randbytes(random.randrange(3))
            code, _, err = self.run_with(bytes(damaged))
            self.assertEqual(code, 0, err)
        self.assertEqual(self.run_with(random.randbytes(3_000_000))[0], 0)
        self.assertEqual(self.run_with(b"\0" * 2_000_000)[0], 0)
        self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])

    def test_an_invalid_detection_is_set_aside_alone(self):
        batch = json.loads(make_batches(1)[0])
        batch["detections"][1]["rssi"] = "loud"
        line = json.dumps(batch)
        code, events, _ = self.run_with([line, line])
        self.assertEqual(code, 0)
        del batch["detections"][1]
        self.assertEqual(events[0]["data"]["detections"], batch["detections"])
        self.assertEqual(len(events), 1)
        self.assertEqual([one["line"] for one in self.rejected()], [line])
        self.assertIn("detections[1]: rssi", self.rejected()[0]["reason"])
        self.check_stored([json.dumps(batch)])

    def test_lines_up_to_512000_bytes(self):
        line = make_batches(1)[0]
        whole = line[:-1] + ',"filler":"' + "x" * (MAX_LINE - len(line) - 12) + '"}'
        self.assertEqual(len(whole), MAX_LINE)
        longer = make_batches(2)[1][:-1] + ',"filler":"' + "x" * MAX_LINE + '"}'
        endless = "y" * 3_000_000
        last = make_batches(3)[2]
        with self.subTest("a pipe"):
            tool = self.start(stdout=None)
            tool.write(text([whole, longer, endless, last]))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.check_stored([whole, last])
            self.assertEqual([one["line"][:5] for one in self.rejected()], ['{"for', "yyyyy"])
        with self.subTest("a file"):
            code, events, err = self.run_with([whole, longer, endless, last], "--db", "other.db")
            self.assertEqual(([event["data"].get("seq") for event in events][:2], code), ([0, 2], 0), err)

    def test_a_torn_tail(self):
        lines = make_batches(3)
        tool = self.start("--strict", stdout=None)
        tool.write(text(lines[:1]) + lines[1].encode()[:-7])
        tool.close_stdin()
        self.assertEqual(tool.wait(), 65)
        self.assertIn("1 torn", tool.err)
        self.assertEqual(self.rejected(), [])
        self.assertEqual(self.run_with(lines[1].encode(), "--strict")[0], 0)  # whole but for its LF
        self.check_stored(lines[:2])

    def test_strict(self):
        self.assertEqual(self.run_with(make_batches(1), "--strict")[0], 0)
        self.assertEqual(self.run_with(["bad"], "--strict")[0], 65)
        self.assertEqual(self.run_with(["bad"])[0], 0)

    def test_the_reject_file_is_bounded(self):
        code, _, err = self.run_with(["bad" * 100] * 100, "--reject", "bad.ndjson", "--reject-max", "2000")
        self.assertEqual(code, 0)
        self.assertLessEqual((self.folder / "bad.ndjson").stat().st_size, 2000)
        self.assertIn("100 rejected", err)

    def test_a_rule_of_the_users_own_refuses_one_line(self):
        lines = make_batches(6)
        self.run_with(lines[:1])
        connection = sqlite3.connect(self.database.path)
        connection.execute("CREATE TRIGGER rule BEFORE INSERT ON batches WHEN NEW.seq = 3 "
                           "BEGIN SELECT RAISE(ABORT, 'not that one'); END")
        connection.close()
        code, events, err = self.run_with(lines[1:])
        self.assertEqual(code, 0, err)
        self.check_stored(lines[:3] + lines[4:])
        self.assertEqual([one["line"] for one in self.rejected()], [lines[3]])
        self.assertIn("not that one", self.rejected()[0]["reason"])
        self.assertEqual([e["data"]["seq"] for e in events if e["type"] == "detection_event"], [1, 2, 4, 5])


class Ending(Ingest):
    def test_count(self):
        lines = make_batches(8)
        out, into = self.pipe()
        os.write(into, text([lines[0], "bad", lines[0], *lines[1:]]))
        tool = self.start("--count", "3", stdin=out, stdout=None)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(lines[:3])
        self.assertEqual(standing(out), len(text(lines[3:])))  # no more than was needed is consumed
        tool = self.start("--count", "5", stdin=out, stdout=None)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(lines)

    def test_count_not_reached(self):
        self.assertEqual(self.run_with(make_batches(3), "--count", "4")[0], 75)
        tool = self.start("--count", "1", "--run-for", "0.1")
        self.assertEqual(tool.wait(), 75)

    def test_run_for(self):
        self.assertEqual(self.start("--run-for", "0.1").wait(), 0)

    def test_sigterm_leaves_a_partial_line_in_the_pipe(self):
        out, into = self.pipe()
        lines = make_batches(2)
        tool = self.start(stdin=out, stdout=None)
        os.write(into, text(lines[:1]) + lines[1].encode()[:20])
        wait_until(lambda: standing(out) == 20, "the whole line to be consumed")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        os.write(into, text([lines[1][20:]]))
        tool = self.start("--count", "1", stdin=out, stdout=None)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(lines)

    def test_counters(self):
        lines = make_batches(3)
        tool = self.start(stdout=None)
        tool.write(text([*lines, lines[0], "bad"]))
        self.database.wait_count(3)
        wait_until(lambda: tool.stats()["in"] == 5, "the lines")
        stats = tool.stats()
        self.assertEqual({k: stats[k] for k in ("in", "out", "rejected", "dropped", "torn", "queued")},
                         {"in": 5, "out": 3, "rejected": 1, "dropped": 0, "torn": 0, "queued": 0})


class Events(Ingest):
    lines = make_batches(600)

    def test_a_stalled_reader_costs_events_only(self):
        reader, stdout = self.pipe()
        tool = self.start("--event-timeout", "0.05", stdout=stdout)
        tool.write(text(self.lines[:-1]))
        self.database.wait_count(599)
        wait_until(lambda: tool.stats()["in"] == 599, "all lines")
        dropped = tool.stats()["dropped"]
        self.assertGreater(dropped, 0)
        got = b""
        os.set_blocking(reader, False)

        def drained():
            nonlocal got
            with contextlib.suppress(BlockingIOError):
                got += os.read(reader, 1 << 20)
            return got.count(b"\n") == 599 - dropped
        wait_until(drained, "the begun line to be finished")
        tool.write(text(self.lines[-1:]))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        got += os.read(reader, 1 << 20)
        seqs = [json.loads(line)["data"]["seq"] for line in got.splitlines()]  # every line is whole
        self.assertEqual((len(seqs), seqs[-1]), (600 - dropped, 599))
        self.check_stored(self.lines)

    def test_timeout_0_waits_for_the_reader(self):
        reader, stdout = self.pipe()
        tool = self.start("--event-timeout", "0", stdout=stdout)
        writer = threading.Thread(target=lambda: (tool.write(text(self.lines)), tool.close_stdin()))
        writer.start()
        self.database.wait_count(1)
        got = b""
        while got.count(b"\n") < 600:
            got += os.read(reader, 4096)
        writer.join()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([json.loads(line)["data"]["seq"] for line in got.splitlines()], list(range(600)))

    def test_timeout_0_still_obeys_sigterm(self):
        _, stdout = self.pipe()
        tool = self.start("--event-timeout", "0", stdout=stdout)
        tool.write(text(self.lines))
        self.database.wait_count(1)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_the_reader_is_gone(self):
        for idle in (True, False):
            reader, stdout = os.pipe()
            tool = self.start(stdout=stdout)
            os.close(stdout)
            os.close(reader)
            if not idle:
                with contextlib.suppress(BrokenPipeError):
                    tool.write(text(self.lines[:2]))
            self.assertEqual(tool.wait(), 74, tool.err)
            self.assertIn("gone", tool.err)

    def test_what_is_in_hand_is_finished_when_the_reader_goes(self):
        reader, stdout = os.pipe()
        out, into = self.pipe()
        tool = self.start(stdin=out, stdout=stdout)
        os.close(stdout)
        os.write(into, text(self.lines[:1]))
        self.assertTrue(os.read(reader, 1 << 20))
        locked = sqlite3.connect(self.database.path, isolation_level=None)
        locked.execute("BEGIN IMMEDIATE")
        os.write(into, text(self.lines[1:2]))
        tool.wait_err("trying again")
        os.close(reader)
        locked.execute("ROLLBACK")
        locked.close()
        self.assertEqual(tool.wait(), 74, tool.err)
        self.check_stored(self.lines[:2])
        self.assertEqual(standing(out), 0)

    def test_full_output(self):
        with open("/dev/full", "wb") as full:
            tool = self.start(stdout=full)
            tool.write(text(self.lines[:1]))
            self.assertEqual(tool.wait(), 74)
            self.assertIn("No space", tool.err)

    def test_output_that_nobody_wants(self):
        for options in ({"stdout": None}, {"stdout": None, "preexec_fn": lambda: os.close(1)}):
            tool = self.start(**options)
            tool.write(text(self.lines))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(self.lines)
        self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])


class Faults(Ingest):
    def test_sigkill_in_mid_stream(self):
        """The pipe is held: what was not committed still stands there."""
        random = random_source()
        lines = make_batches(3000)
        out, into = self.pipe()
        # Delivered twice as well, and not quite in order, as after lost acknowledgements.
        deliveries = [line for i in range(0, 3000, 50) for line in lines[max(0, i - 20):i + 50]]
        killed = threading.Semaphore(0)

        def deliver():
            for i, line in enumerate(deliveries):
                if i % 350 == 0 and i > 0:
                    killed.acquire()  # not before the kill that belongs here, however slow the tests are
                while standing(out) > 5_000:  # a few batches a transaction, so that there are many of them
                    time.sleep(0.0002)
                os.write(into, text([line]))
        writer = threading.Thread(target=deliver, daemon=True)
        writer.start()
        for part in range(250, 3000, 250):
            tool = self.start(stdin=out, stdout=None)
            target = part - random.randrange(1, 200)
            wait_until(lambda: self.database.count() >= target, f"{target} batches")
            time.sleep(random.random() / 200)  # any instant of a transaction, not only its end
            tool.signal(signal.SIGKILL)
            self.assertEqual(tool.wait(), -signal.SIGKILL, tool.err)
            killed.release()
        tool = self.start(stdin=out, stdout=None)
        writer.join()
        os.write(into, text(make_batches(1, "pi-last")))
        self.database.wait_count(3001)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(standing(out), 0)
        self.check_stored([*lines, *make_batches(1, "pi-last")])
        self.assertEqual(self.database.gaps(), [])
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(9003,)])
        self.assertEqual(self.rejected(), [])
        self.assertEqual(self.database.rows("PRAGMA foreign_key_check"), [])

    def test_sigkill_at_every_system_call(self):
        """Between any two of its effects: what is not stored stands in the pipe, and nothing is stored twice."""
        tool, seq, lines, at = tool_path("bleingest"), 0, [], 0
        with open(os.devnull, "r+b") as null:
            def run_to(number, *words, stdin=null.fileno()):
                return kill_at_system_call([tool, "--quiet", *words], number, self.folder, stdin, null.fileno())
            at = run_to(1 << 30, "--check")  # until there its start, which touches nothing
            every = (run_to(1 << 30, "--db", ":memory:") - at) // 100 + 1
            while True:
                out, into = os.pipe()
                given = make_batches(seq + 6)[seq:]
                seq, at = seq + 6, at + every
                # The last first: the run's gap opens and closes again, and the last line is known already.
                os.write(into, text([given[5], *given[:5], "bad", given[5]]))
                os.close(into)
                begun = run_to(at, stdin=out)
                left = b"" if standing(out) == 0 else os.read(out, 1 << 20)
                lines += given
                stored = set(self.database.batches())
                for position, line in zip(positions(given), given, strict=True):
                    self.assertTrue(position in stored or line.encode() in left, f"lost at system call {at}")
                self.assertEqual(self.run_with(left)[0], 0)
                os.close(out)
                self.assertEqual(self.database.count(), seq, f"killed at system call {at}")
                if begun < at:
                    break
        self.check_stored(lines)
        self.assertEqual(self.database.gaps(), [])
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(3 * seq,)])
        self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])

    def test_a_locked_database(self):
        lines = make_batches(20)
        self.run_with(lines[:1])
        locked = sqlite3.connect(self.database.path, isolation_level=None)
        self.stack.callback(locked.close)
        locked.execute("BEGIN IMMEDIATE")
        out, into = self.pipe()
        tool = self.start(stdin=out)
        os.write(into, text(lines[1:]))
        tool.wait_err("locked")
        self.assertEqual(standing(out), len(text(lines[1:])))
        self.assertEqual(tool.stats()["queued"], 19)  # signals are obeyed meanwhile
        locked.execute("ROLLBACK")
        self.database.wait_count(20)
        wait_until(lambda: standing(out) == 0, "the lines to be consumed")
        self.assertEqual(json.loads(tool.line())["data"]["seq"], 1)
        tool.wait_err("takes batches again")
        self.assertEqual(tool.err.count("locked"), 1)  # said once a minute
        self.check_stored(lines)

    def test_a_database_locked_from_the_start(self):
        self.run_with([])
        locked = sqlite3.connect(self.database.path, isolation_level=None)
        self.stack.callback(locked.close)
        locked.execute("PRAGMA locking_mode=EXCLUSIVE")
        locked.execute("BEGIN EXCLUSIVE")
        tool = self.start()
        tool.write(text(make_batches(1)))
        tool.wait_err("locked")
        locked.close()
        self.database.wait_count(1)
        self.assertTrue(tool.running())

    def test_sigterm_while_the_database_is_locked(self):
        self.run_with([])
        locked = sqlite3.connect(self.database.path, isolation_level=None)
        self.stack.callback(locked.close)
        locked.execute("BEGIN IMMEDIATE")
        out, into = self.pipe()
        tool = self.start(stdin=out)
        os.write(into, text(make_batches(1)))
        tool.wait_err("locked")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 75)
        self.assertEqual(standing(out), len(text(make_batches(1))))

    def test_a_full_disk(self):
        """A limit on the size of files stands for the full disk: writing fails in the same places."""
        lines = make_batches(400)
        out, into = self.pipe()
        tool = self.start(stdin=out, stdout=None)
        os.write(into, text(lines[:1]))
        wait_until(lambda: standing(out) == 0, "the first batch")
        _, hard = resource.prlimit(tool.pid, resource.RLIMIT_FSIZE)
        log = self.folder / "ble.db-wal"
        resource.prlimit(tool.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 8192, hard))
        os.write(into, text(lines[1:]))
        tool.wait_err("trying again")
        self.assertEqual(standing(out), len(text(lines[1:])))
        self.assertEqual(self.database.count(), 1)
        self.assertTrue(tool.running())
        resource.prlimit(tool.pid, resource.RLIMIT_FSIZE, (hard, hard))
        self.database.wait_count(400)
        wait_until(lambda: standing(out) == 0, "the lines to be consumed")
        self.check_stored(lines)
        self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])

    def test_a_database_deleted_while_in_use(self):
        lines = make_batches(2)
        out, into = self.pipe()
        tool = self.start(stdin=out, stdout=None)
        os.write(into, text(lines[:1]))
        wait_until(lambda: standing(out) == 0, "the first batch")
        os.remove(self.database.path)
        os.write(into, text(lines[1:]))
        self.assertEqual(tool.wait(), 74)
        self.assertIn("deleted", tool.err)
        self.assertEqual(standing(out), len(text(lines[1:])))

    def test_two_processes_on_one_database(self):
        lines = make_batches(2000)
        tools = [self.start(stdout=None) for _ in range(2)]

        def feed(tool, mine):
            for i in range(0, len(mine), 20):
                tool.write(text(mine[i:i + 20]))
            tool.close_stdin()
        # Each gets its half, and a part of the other's.
        shares = (lines[0::2] + lines[1:1000:2], lines[1::2] + lines[1000::2])
        feeders = [threading.Thread(target=feed, args=pair) for pair in zip(tools, shares)]
        for feeder in feeders:
            feeder.start()
        for feeder, tool in zip(feeders, tools):
            feeder.join()
            self.assertEqual(tool.wait(), 0, tool.err)
        self.check_stored(lines)
        self.assertEqual(self.database.gaps(), [])
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(6000,)])
        self.assertEqual(self.rejected(), [])


class Store(Ingest):
    def test_memory(self):
        code, events, err = self.run_with(make_batches(2), "--db", ":memory:")
        self.assertEqual((code, len(events)), (0, 2), err)
        self.assertEqual(os.listdir(self.folder), [])

    def test_two_at_once_are_told_once(self):
        one, two, other = (make_batches(40, name, run) for name, run in (("pi-test", "one"), ("pi-test", "two"), ("pi-other", "one")))
        tool = self.start()
        for lines in zip(one, two, other):
            tool.write(text(lines))
        tool.close_stdin()
        events = [json.loads(line) for line in tool.lines()]
        self.assertEqual(tool.wait(), 0, tool.err)
        told = [event["data"] for event in events if event["type"] == "two_at_once_event"]
        self.assertEqual([(data["device_id"], sorted(data["run_ids"])) for data in told], [("pi-test", ["one", "two"])])
        self.assertEqual(tool.err.count("use one device_id at the same time"), 1)
        self.assertRegex(tool.err, "two Pis use one device_id at the same time: pi-test .*--device-id")
        self.assertEqual(self.database.rows("SELECT device_id FROM device_status WHERE two_at_once IS NOT NULL"), [("pi-test",)])
        self.assertEqual(self.database.rows("SELECT what, device_id, since FROM missing WHERE reason = 'two at once'"),
                         [("device", "pi-test", told[0]["timestamp"])])
        code, events, err = self.run_with([*one, *two, *other])  # all known already
        self.assertEqual((code, events), (0, []), err)
        self.assertNotIn("two at once", err)

    def test_the_file_shrinks_by_vacuum_and_not_by_itself(self):
        lines = make_batches(600, detections=30)
        tool = self.start(stdout=None)
        tool.write(text(lines[:500]))
        self.database.wait_count(500)
        with contextlib.closing(sqlite3.connect(self.database.path, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            size = os.path.getsize(self.database.path)
            connection.execute("DELETE FROM detections WHERE timestamp < (SELECT max(timestamp) FROM batches WHERE seq = 450)")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.assertGreaterEqual(os.path.getsize(self.database.path), size)
            tool.write(text(lines[500:550]))
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.assertLess(os.path.getsize(self.database.path), size)
        tool.write(text(lines[550:]))
        self.database.wait_count(600)
        self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])

    def test_example_queries(self):
        self.run_with([*make_batches(10), json.dumps({**GAP, "run_id": "other"})])
        with open(source_path("examples", "queries.sql"), encoding="utf-8") as file:
            queries = [query for query in file.read().split(";\n") if "SELECT" in query]
        self.assertGreater(len(queries), 8)
        for query in queries:
            with self.subTest(query.strip().splitlines()[0]):
                self.database.rows(query)


class Clocks(Ingest):
    """Nothing is destroyed on the word of one clock."""

    def change(self, statement):
        connection = sqlite3.connect(self.database.path)
        connection.execute(statement)
        connection.commit()
        connection.close()

    def store_under_clock(self, shift, lines, *words):
        code, _, err = run("bleingest", *words, input=text(lines), cwd=self.folder, env=wrong_clock(shift))
        self.assertEqual(code, 0, err)
        return err

    def run_under_clock(self, shift, *words):
        """For a second, with no input; what it says."""
        out, _ = self.pipe()
        with Tool("bleingest", "--run-for", "1", *words, stdin=out, stdout=None, cwd=self.folder, env=wrong_clock(shift)) as tool:
            self.assertEqual(tool.wait(), 0, tool.err)
            return tool.err

    def test_retain(self):
        lines = make_batches(140)
        self.run_with(lines)
        self.change("UPDATE batches SET received_at = received_at - 11 * 86400000, lived_s = lived_s - 11 * 86400 WHERE seq < 90")
        first, last = self.database.rows("SELECT strftime('%Y-%m-%dT%H:%M:%f', min(received_at) / 1000.0, 'unixepoch'),"
                                         " strftime('%Y-%m-%dT%H:%M:%f', max(received_at) / 1000.0, 'unixepoch') FROM batches WHERE seq < 90")[0]
        tool = self.start("--retain", "10", stdout=None)
        wait_until(lambda: self.database.count() == 50, "old batches to be deleted")
        self.assertEqual(self.database.rows("SELECT count(*) FROM detections"), [(150,)])
        tool.write(text(lines))
        wait_until(lambda: tool.stats()["in"] == 140, "the lines")
        self.assertEqual(tool.stats()["expired"], 90)
        self.assertEqual(self.database.count(), 50)  # what was deleted is still known
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertIn(f"deleted 90 batches, received from {first}Z to {last}Z", tool.err)
        self.assertNotIn("--retain waits", tool.err)

    def test_rollups_are_there_when_the_input_has_ended(self):
        self.assertEqual(self.run_with(make_batches(20))[0], 0)
        self.assertEqual(self.database.rows("SELECT count(*) FROM rollup_due"), [(0,)])
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM rollups"),
                         self.database.rows("SELECT count(*) FROM detections"))
        self.assertEqual(self.database.rows("SELECT max(advertisers) FROM occupancy_log WHERE minutes = 1440"),
                         self.database.rows("SELECT count(*) FROM advertisers"))

    def test_batches_of_an_earlier_version_are_merged_and_counted_in_the_log(self):
        self.assertEqual(self.run_with(make_batches(1000, detections=1))[0], 0)
        for table in ("rollups", "rollups_hour", "rollups_day", "rollup_days", "occupancy_rollups"):
            self.change(f"DELETE FROM {table}")
        self.change("INSERT INTO rollup_due VALUES (1, 1000, 0)")  # how many detections these have is not known
        code, _, said = self.run_with([])
        self.assertEqual(code, 0, said)
        self.assertRegex(said, "about [0-9]+ batches of an earlier version are yet to go into the rollups")
        self.assertIn("all batches of an earlier version are in the rollups", said)
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM rollups"), [(1000,)])

    def test_rollups_follow_while_the_input_stays_open(self):
        tool = self.start("--reject", "", stdout=None)
        tool.write(text(make_batches(3)))
        wait_until(lambda: self.database.count() == 3, "the batches")
        wait_until(lambda: self.database.rows("SELECT count(*) FROM rollup_due") == [(0,)], "the rollups")
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM rollups"),
                         self.database.rows("SELECT count(*) FROM detections"))

    def test_rollups_that_the_database_refuses_cost_no_batch(self):
        lines = make_batches(6)
        self.run_with(lines[:2])
        self.change("CREATE TRIGGER rule BEFORE INSERT ON rollups BEGIN SELECT RAISE(ABORT, 'no rollups'); END")
        tool = self.start(stdout=None)
        tool.write(text(lines[2:3]))
        wait_until(lambda: "no rollups" in tool.err, "the first step")
        tool.write(text(lines[3:]))
        wait_until(lambda: self.database.count() == 6, "the batches")
        self.change("DROP TRIGGER rule")
        wait_until(lambda: self.database.rows("SELECT count(*) FROM rollup_due") == [(0,)], "the rollups")
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM rollups"),
                         self.database.rows("SELECT count(*) FROM detections"))

    def test_rebuild_rollups(self):
        self.run_with(make_batches(5))
        before = self.database.rows("SELECT * FROM rollups")
        with contextlib.closing(sqlite3.connect(self.folder / "ble.db")) as database, database:
            database.execute("DELETE FROM rollups")
        code, events, err = self.run_with([], "--rebuild-rollups")
        self.assertEqual((code, events), (0, []))
        self.assertIn("made anew", err)
        self.assertEqual(self.database.rows("SELECT * FROM rollups"), before)
        self.assertEqual(self.run_with([], "--rebuild-rollups", "-")[0], 64)

    def test_rollups_are_kept_as_long_as_their_batches_at_least(self):
        for words in (["--retain-rollups", "30"], ["--retain", "30", "--retain-rollups", "7"]):
            code, _, err = self.run_with([], *words)
            self.assertEqual(code, 64)
            self.assertIn("--retain-rollups", err)
        self.assertEqual(self.run_with([], "--retain", "30", "--retain-rollups", "730")[0], 0)

    def test_retain_deletes_what_was_here_for_so_long(self):
        self.run_with(make_batches(5))
        stored = time.monotonic()
        self.assertNotIn("deleted", self.run_under_clock("+0d", "--retain", "1h"))
        wait_until(lambda: time.monotonic() > stored + 4, "the batches to become old")  # it is time that this is about
        self.assertIn("deleted 5 batches", self.run_under_clock("+0d", "--retain", "2s"))
        self.assertEqual(self.database.count(), 0)

    def test_retain_deletes_nothing_under_a_clock_that_is_ahead(self):
        self.run_with(make_batches(200))
        for shift in ("+31d", "+366d"):
            said = self.run_under_clock(shift, "--retain", "30")
            self.assertEqual(self.database.count(), 200)
            self.assertEqual(said.count("--retain waits"), 1)
            self.assertIn("--clock-is-right", said)
            self.assertIn("the clock was set from", said)
        self.assertNotIn("--retain waits", self.run_under_clock("+0d", "--retain", "30"))

    def test_retain_deletes_nothing_that_was_stored_under_a_clock_that_was_behind(self):
        self.store_under_clock("-300d", make_batches(200), "--retain", "30")
        said = self.run_under_clock("+0d", "--retain", "30")
        self.assertEqual(self.database.count(), 200)
        self.assertIn("--retain waits", said)
        # Another start of the machine, so that no clock tells how much time has passed.
        self.change("UPDATE age SET boot = 'another'")
        self.assertIn("--retain waits", self.run_under_clock("+0d", "--retain", "30"))
        self.assertEqual(self.database.count(), 200)

    def test_an_operator_may_say_that_the_clock_is_right(self):
        self.run_with(make_batches(200))
        self.change("UPDATE age SET boot = 'another'")  # and 31 days off
        self.assertEqual(self.run_with([], "--clock-is-right")[0], 64)
        said = self.run_under_clock("+31d", "--retain", "30", "--clock-is-right")
        self.assertIn("deleted 100 batches", said)  # so many at most in an hour
        self.assertNotIn("--retain waits", said)
        self.assertNotIn("deleted", self.run_under_clock("+31d", "--retain", "30"))
        self.assertEqual(self.database.count(), 100)

    def test_a_dead_pi_is_silent_whatever_the_clock_was(self):
        lines, days = taken(make_batches(3), -60), 86400

        def silence(shift):
            silent_s = query_under_clock(shift, self.database.path, "SELECT silent_s FROM device_status")
            missing = query_under_clock(shift, self.database.path, "SELECT what, device_id, reason FROM missing")
            return int(silent_s[0]), missing
        silent = ["device|pi-test|silent"]
        with self.subTest("its last batch came under a clock ahead"):
            self.store_under_clock("+30d", lines[:1])
            self.assertLess(silence("+1h")[0], days)
            self.assertGreaterEqual(silence("+1h")[0], 3600)
            self.assertEqual(silence("+10d")[1], silent)
            self.assertGreaterEqual(silence("+10d")[0], 10 * days)
        with self.subTest("later ones came under the right clock"):
            self.run_with(lines[1:])
            self.assertLess(silence("+0d")[0], 3600)
            self.assertEqual(silence("+0d")[1], [])
            self.assertEqual(silence("+1h")[1], silent)
            self.assertEqual(query_under_clock("+0d", self.database.path, "SELECT count(*) FROM advertisers WHERE last_seen > unixepoch('now') * 1000"),
                             ["0"])
