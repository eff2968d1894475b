"""bleexport: what it writes, where it goes on, and each exit code that its man page names."""
import contextlib
import gzip
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from harness import Database, Tool, as_other_user, flatten, make_batches, positions, standing, tool_path, wait_until
from harness.pipeline import pipeline
from harness.process import run

GAP = json.dumps({"format": 1, "device_id": "pi-test", "run_id": "00000000000000ab", "gap": {"from_seq": 30, "to_seq": 33, "reason": "buffer_full"}})


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


class Export(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-export-")))

    def store(self, lines, *words, db="ble.db"):
        code, _, err = run("bleingest", "--db", db, *words, input=lines if isinstance(lines, bytes) else text(lines), cwd=self.folder)
        self.assertEqual(code, 0, err)
        return err

    def export(self, *words, **options):
        code, out, err = run("bleexport", *words, cwd=self.folder, **options)
        return code, out, err

    def batches(self, *words):
        code, out, err = self.export(*words)
        self.assertEqual(code, 0, err)
        return [line for line in map(json.loads, out.splitlines()) if "detections" in line]


class Lines(Export):
    def test_a_copy_has_what_the_first_has(self):
        lines = [*make_batches(30), GAP, *make_batches(3, first=40), *make_batches(20, "pi-other")]
        self.store(lines)
        code, out, err = self.export()
        self.assertEqual(code, 0, err)
        self.assertIn("wrote 53 batches with 159 detections", err)
        self.store(out, "--import", db="copy.db")
        one, copy = Database(self.folder / "ble.db"), Database(self.folder / "copy.db")
        self.assertEqual(copy.batches(), one.batches())
        self.assertEqual(copy.detections(), flatten([line for line in lines if line != GAP]))
        self.assertEqual(copy.gaps(), one.gaps())
        status = "SELECT device_id, last_received, batches_missing, run_id, hash_id FROM device_status"
        self.assertEqual(copy.rows(status), one.rows(status))
        # What comes again is known there, whichever of the two says it.
        for again, words in ((text(lines), ()), (out, ("--import",))):
            self.assertRegex(self.store(again, *words, db="copy.db"), "stored 0 batches .* 0 in conflict, 0 rejected")

    def test_a_line_says_what_the_database_knows(self):
        self.store(make_batches(1))
        code, out, err = self.export()
        self.assertEqual(code, 0, err)
        device, batch, known = map(json.loads, out.splitlines())
        self.assertEqual(device["archive"]["device"]["is_active"], 1)
        self.assertEqual(known["archive"]["run"], known["archive"]["run"] | {"from_seq": 0, "to_seq": 0, "gaps": []})
        self.assertEqual(len(batch["archive"]["digest"]), 32)
        self.assertEqual({k: v for k, v in batch.items() if k != "archive"}, json.loads(make_batches(1)[0]))

    def test_some_devices_and_some_time(self):
        self.store([*make_batches(3), *make_batches(2, "pi-other"), *make_batches(2, "pi-third")])
        self.assertEqual(positions(map(json.dumps, self.batches("--device", "pi-other", "--device", "pi-third"))),
                         positions([*make_batches(2, "pi-other"), *make_batches(2, "pi-third")]))
        for since, until, count in (("1h", "", 7), ("2020-01-01", "2021-01-01T00:00:00Z", 0), ("", "1h", 0), ("2020-01-01", "", 7)):
            words = [*(("--since", since) if since else ()), *(("--until", until) if until else ())]
            self.assertEqual(len(self.batches(*words)), count, words)

    def test_a_backup_comes_back(self):
        self.store(make_batches(20))
        with gzip.open(self.folder / "backup.gz", "wb") as backup:
            backup.write(self.export()[1])
        back = subprocess.run(f"zcat backup.gz | {tool_path('bleingest')} --import --db back.db", shell=True, cwd=self.folder,
                              capture_output=True, check=False)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertEqual(Database(self.folder / "back.db").batches(), positions(make_batches(20)))

    def test_a_line_of_it_needs_import(self):
        self.store(make_batches(2))
        code, out, err = run("bleingest", "--db", "other.db", input=self.export()[1], cwd=self.folder)
        self.assertEqual((code, out), (0, b""))
        self.assertIn("stored 0 batches", err)
        rejected = [json.loads(line) for line in (self.folder / "bleingest.rejected.ndjson").read_text().splitlines()]
        self.assertEqual(len(rejected), 4)
        self.assertIn("bleingest --import", rejected[0]["reason"])
        self.assertEqual(Database(self.folder / "other.db").gaps(), [])

    def test_memory_does_not_grow_with_the_database(self):
        self.store(make_batches(9000, detections=10))
        reading, writing = os.pipe()
        with open(reading, "rb") as taken:
            # A sanitizer keeps what was freed, unless told otherwise.
            tool = self.stack.enter_context(Tool("bleexport", stdout=writing, cwd=self.folder,
                                                 env={"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}))
            os.close(writing)
            read = lambda count: sum(len(taken.readline()) for _ in range(count))  # noqa: E731
            read(1000)
            at_first = tool.peak_memory()
            passed = read(5000)
            self.assertGreater(passed, 6 << 20)
            self.assertLess(tool.peak_memory() - at_first, 3 << 20)
            taken.read()
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_nothing_is_written_into_the_database(self):
        self.store(make_batches(20))
        before = (self.folder / "ble.db").read_bytes()
        self.batches()
        self.assertEqual((self.folder / "ble.db").read_bytes(), before)


class GoingOn(Export):
    def move(self, *words):
        return pipeline(self.stack, ("bleexport", "--resume", "place", *words), ("bleingest", "--import", "--db", "copy.db"), stdout=None,
                        cwd=self.folder)

    def test_it_goes_on_after_what_the_reader_has_consumed(self):
        lines = make_batches(4000, detections=10)
        self.store(lines)
        copy = Database(self.folder / "copy.db")
        kills = 0
        while True:
            tools = self.move()
            have = copy.count()
            wait_until(lambda: copy.count() > have or not tools[1].running(), "some batches more")
            if not tools[1].running():
                break
            tools[kills % 2].signal(signal.SIGKILL)
            kills += 1
            for tool in tools:
                tool.wait()
            if kills == 6:
                break
        tools = self.move()
        for tool in tools:
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertGreater(kills, 0)
        self.assertEqual(copy.batches(), positions(lines))
        self.assertEqual(copy.rows("SELECT count(*) FROM detections"), [(40_000,)])
        # The next time there is nothing left; and new ones come.
        self.store(make_batches(5, first=4000))
        self.assertEqual([one["seq"] for one in self.batches("--resume", "place")], [4000, 4001, 4002, 4003, 4004])

    def test_the_place_is_what_was_consumed_and_not_what_was_written(self):
        self.store(make_batches(3000, detections=10))
        reading, writing = os.pipe()
        with open(reading, "rb", buffering=0) as taken:
            tool = self.stack.enter_context(Tool("bleexport", "--resume", "place", cwd=self.folder, stdout=writing))
            os.close(writing)
            had = b""
            while had.count(b"\n") < 101:  # a line of the Pi, and some batches
                had += taken.read(4096)
            wait_until(lambda: standing(taken.fileno()) > 30_000, "much more that is written")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 75, tool.err)
        place = int((self.folder / "place").read_text().split()[1])
        self.assertGreater(place, 0)
        self.assertLessEqual(place, had.count(b"\n") - 1)

    def test_a_database_that_was_replaced_is_read_anew(self):
        self.store(make_batches(5))
        self.assertEqual(len(self.batches("--resume", "place")), 5)
        self.assertEqual(len(self.batches("--resume", "place")), 0)
        for name in ("ble.db", "ble.db-wal", "ble.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        self.store(make_batches(9, "pi-other"))
        self.assertEqual(len(self.batches("--resume", "place")), 9)

    def test_a_place_is_of_one_choice_of_batches(self):
        self.store([*make_batches(5), *make_batches(9, "pi-other")])
        chosen = ("--resume", "place", "--device", "pi-test", "--device", "pi-third", "--since", "24h")
        self.assertEqual(len(self.batches(*chosen)), 5)
        before = (self.folder / "place").read_bytes()
        for words, said in (((), "is of all batches"), (("--since", "24h"), "is of --since 24h"), (("--device", "pi-other"), "--device pi-other")):
            code, out, err = self.export("--resume", "place", *words)
            self.assertEqual((code, out), (78, b""), words)
            self.assertIn("--device pi-test --device pi-third --since 24h", err)
            self.assertIn(said, err)
            self.assertEqual((self.folder / "place").read_bytes(), before)
        self.store(make_batches(2, first=5))
        again = ("--device", "pi-third", "--device", "pi-test", "--since", "24h", "--resume", "place")
        self.assertEqual([one["seq"] for one in self.batches(*again)], [5, 6])

    def test_another_file_is_not_written_over(self):
        self.store(make_batches(5))
        (self.folder / "place").write_text("dear diary\n")
        code, _, err = self.export("--resume", "place")
        self.assertEqual(code, 78)
        self.assertIn("is no file of --resume", err)
        self.assertEqual((self.folder / "place").read_text(), "dear diary\n")


class ExitCodes(Export):
    def test_help_and_version(self):
        code, out, _ = self.export("--help")
        self.assertEqual(code, 0)
        self.assertIn(b"bleingest --import", out)
        self.assertEqual(self.export("--version")[0], 0)

    def test_usage(self):
        for words, said in ((("--since", "soon"), "a time is expected"), (("--db", "mysql://x/y"), "there is no store"), (("stray",), "stray"),
                            (("--db", ":memory:"), "in memory"), (("--db", "postgresql://h/d", "--resume", "f"), "works only with SQLite")):
            code, _, err = self.export(*words)
            self.assertEqual(code, 64, words)
            self.assertIn(said, err)
        self.assertEqual(self.export(env={"BLEPIPE_SINCE": "soon"})[0], 78)

    def test_what_cannot_be_read(self):
        code, _, err = self.export("--db", "absent.db")
        self.assertEqual(code, 74)
        self.assertIn("absent.db", err)
        self.assertFalse((self.folder / "absent.db").exists())
        (self.folder / "junk.db").write_bytes(b"this is no database at all, whatever its name says" * 100)
        self.assertEqual(self.export("--db", "junk.db")[0], 78)
        sqlite3.connect(self.folder / "empty.db").execute("PRAGMA user_version = 0").connection.close()
        self.assertEqual(self.export("--db", "empty.db")[0], 78)

    def test_an_older_database_is_not_changed(self):
        self.store(make_batches(1))
        with contextlib.closing(sqlite3.connect(self.folder / "ble.db")) as database:
            database.execute("PRAGMA user_version = 8")
        code, _, err = self.export()
        self.assertEqual(code, 78)
        self.assertIn("bleingest", err)

    def test_a_batch_that_is_too_long_is_named(self):
        self.store(make_batches(2))
        with contextlib.closing(sqlite3.connect(self.folder / "ble.db")) as database, database:
            database.execute("INSERT INTO details SELECT batch, n, json_object('x', hex(zeroblob(300000))) FROM detections LIMIT 1")
        code, out, err = self.export()
        self.assertEqual(code, 65)
        self.assertIn("pi-test, run_id 00000000000000ab, seq 0 is too long", err)
        self.assertEqual(len([line for line in out.splitlines() if b"detections" in line]), 1)

    def test_the_longest_batch_goes_through_a_pipe(self):
        batch = json.loads(make_batches(1)[0])
        batch["detections"][0]["note"] = ""
        batch["detections"][0]["note"] = "x" * (512_000 - len(json.dumps(batch)))
        self.store([json.dumps(batch)])
        tools = pipeline(self.stack, ("bleexport",), ("bleingest", "--import", "--strict", "--db", "copy.db"), stdout=None, cwd=self.folder)
        for tool in tools:
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(Database(self.folder / "copy.db").batches(), Database(self.folder / "ble.db").batches())

    def test_the_reader_is_gone(self):
        self.store(make_batches(2000, detections=10))
        done = subprocess.run(["bash", "-c", f"{tool_path('bleexport')} | head -1 | wc -l; echo ${{PIPESTATUS[0]}}"], cwd=self.folder,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.split(), ["1", "74"])
        self.assertEqual(done.stderr, "")

    def test_stopped_before_the_end(self):
        self.store(make_batches(2000, detections=10))
        reading, writing = os.pipe()
        self.stack.callback(os.close, reading)
        tool = self.stack.enter_context(Tool("bleexport", "--verbose", stdout=writing, cwd=self.folder))
        os.close(writing)
        tool.wait_err("ready: ")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 75, tool.err)
        self.assertIn("stopped before the end", tool.err)

    @unittest.skipIf(os.geteuid() != 0, "another user is needed")
    def test_without_the_right_to_read(self):
        self.store(make_batches(1))
        os.chmod(self.folder / "ble.db", 0o600)
        done = subprocess.run(as_other_user("bleexport", "--db", self.folder / "ble.db"), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 77, done.stderr)
