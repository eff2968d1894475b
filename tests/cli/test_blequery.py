"""blequery: each question and each form of an answer, what names may not do, and each exit code that its man page names."""
import csv
import datetime
import hashlib
import io
import json
import os
import pathlib
import pty
import signal
import sqlite3
import subprocess
import time
import unicodedata
import unittest

from harness import Database, FolderTest, Tool, as_other_user, make_batches, tool_path
from harness.process import run

QUESTIONS = ("pis", "presence", "track", "occupancy", "coverage", "missing", "top")
HASH = hashlib.sha256(b"0 0").hexdigest()  # of make_batches(), batch 0
START = "2026-11-22"
SAMPLE_ADDRESS = "02:00:5e:47:39:16"
# What devices are takes for ever.
SLOW = ("PRAGMA legacy_alter_table = ON; ALTER TABLE devices RENAME TO real_devices;"
        "CREATE VIEW devices AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)"
        " SELECT real_devices.* FROM real_devices WHERE (SELECT count(*) FROM n) > 0;")


class Query(FolderTest):
    def store(self, lines, db="ble.db"):
        code, _, err = run("bleingest", "--db", db, input="".join(line + "\n" for line in lines), cwd=self.folder)
        self.assertEqual(code, 0, err)

    def ask(self, *words, **options):
        return run("blequery", *words, cwd=self.folder, **options)

    def rows(self, *words, **options):
        code, out, err = self.ask(*words, **options)
        self.assertEqual(code, 0, err)
        return [json.loads(line) for line in out.splitlines()]

    def change(self, sql):
        database = sqlite3.connect(self.folder / "ble.db")
        database.executescript(sql)
        database.close()

    def on_terminal(self, *words, env=None):
        """(exit code, what it shows): standard output and error are a terminal."""
        master, slave = pty.openpty()
        process = subprocess.Popen([tool_path("blequery"), *words], cwd=self.folder, stdin=slave, stdout=slave, stderr=slave,
                                   env={**os.environ, **(env or {})})
        os.close(slave)
        shown = b""
        while True:
            try:
                some = os.read(master, 65536)
            except OSError:
                break
            if not some:
                break
            shown += some
        os.close(master)
        return process.wait(), shown.decode()


class Questions(Query):
    def setUp(self):
        super().setUp()
        self.store(make_batches(3) + make_batches(2, "pi-other", first=10))

    def test_pis(self):
        found = self.rows("pis")
        self.assertEqual([(one["device_id"], one["state"], one["clock"], one["batches_missing"]) for one in found],
                         [("pi-other", "listening", "synced", 10), ("pi-test", "listening", "synced", 0)])
        self.change("UPDATE devices SET last_received = last_received - 3600000 WHERE device_id = 'pi-test'")
        self.change("UPDATE devices SET is_active = 0 WHERE device_id = 'pi-other'")
        self.assertEqual([one["state"] for one in self.rows("pis")], ["gone", "silent"])
        self.assertIn("silent_since", self.rows("pis", "--device", "pi-test")[0])

    def test_presence(self):
        self.assertEqual(self.rows("presence"), [])  # of long ago
        found = self.rows("presence", "--since", START, "--until", "2026-11-22T00:00:01Z")
        self.assertEqual([(one["device_id"], one["rssi"], one["zone"], one["pis"], one["detections"]) for one in found],
                         [("pi-test", -40, "near", 1, 1), ("pi-test", -41, "medium", 1, 1), ("pi-test", -42, "far", 1, 1)])
        self.assertEqual(found[0]["device_hash"], HASH)

    def test_track(self):
        found = self.rows("track", HASH, "--since", START, "--until", "2026-11-22T00:10:00Z")
        self.assertEqual(found[0], {"from": "2026-11-22T00:00:00.000Z", "until": "2026-11-22T00:05:00.000Z", "device_id": "pi-test",
                                    "what": "heard", "rssi": -40, "mean_rssi": -40.0, "zone": "near", "detections": 1,
                                    "device_hash": HASH})
        in_seconds = self.rows("track", HASH, "--since", START, "--until", "2026-11-22T00:10:00Z", "--every", "10s")
        self.assertEqual([in_seconds[0][name] for name in ("detections", "first", "last")],
                         [1, "2026-11-22T00:00:00.000Z", "2026-11-22T00:00:00.000Z"])
        silent = [one for one in found if one["what"] == "silent"]
        self.assertEqual([(one["device_id"], one["until"]) for one in silent],
                         [("pi-test", "2026-11-22T00:10:00.000Z"), ("pi-other", "2026-11-22T00:10:00.000Z")])
        self.assertEqual(self.rows("track", HASH[:9], "--since", START, "--until", "2026-11-22T00:10:00Z"), found)

    def test_track_tells_what_it_told_last(self):
        harm = "\x1b[31m\n=1+1\u202e"
        lines = [json.loads(line) for line in make_batches(2, "pi-told")]
        lines[0]["detections"][0].update(local_name=f"={harm}", company="76")
        lines[1]["detections"][0].update(device_hash=HASH, beacon={"eddystone_url": {"url": harm}})
        self.store([json.dumps(line) for line in lines])
        words = ("track", HASH, "--since", START, "--until", "2026-11-22T00:10:00Z", "--device")
        found, *others = (row for row in self.rows(*words, "pi-told") if "company" in row)
        self.assertEqual(([found[name] for name in ("what", "advertiser_name", "beacon", "company")], others),
                         (["heard", f"={harm}", f"eddystone_url {harm}", "76"], []))
        self.assertEqual([row for row in self.rows(*words, "pi-test") if {"advertiser_name", "beacon", "company"} & set(row)], [])
        for form, name in (("table", "=\\u001b[31m\\u000a=1+1\\u202e"), ("csv", "'=\\u001b[31m\\u000a=1+1\\u202e")):
            code, out, _ = self.ask(*words, "pi-told", "--format", form)
            self.assertEqual(code, 0)
            self.assertIn(name, out.decode())
            self.assertIn("advertiser_name", out.decode().splitlines()[0])
            for harmful in ("\x1b", "\u202e"):
                self.assertNotIn(harmful, out.decode())

    def test_track_of_an_address(self):
        source = tool_path("blescan"), pathlib.Path(os.environ["BLEPIPE_SOURCE"], "examples", "sample.btsnoop")
        (self.folder / "key").write_text("a key of this test\n")
        os.chmod(self.folder / "key", 0o600)
        for words in ((), ("--hash-key", "key"), ("--hash-key", "key", "--hash-epoch", "24h")):
            db = f"{len(words)}.db"
            code, batches, err = run("blescan", "--replay", source[1], "--now", "--device-id", "pi-x", *words, cwd=self.folder)
            self.assertEqual(code, 0, err)
            self.store(batches.decode().splitlines(), db)
            found = self.rows("track", "--address", SAMPLE_ADDRESS, "--db", db, *words)
            self.assertIn("heard", {one["what"] for one in found}, words)
        # Another key makes another advertiser of it.
        self.assertEqual(self.ask("track", "--address", SAMPLE_ADDRESS, "--db", "2.db")[0], 69)
        # The key may come from the environment, as blescan's.
        self.assertTrue(self.rows("track", "--address", SAMPLE_ADDRESS, "--db", "2.db", env={"BLEPIPE_HASH_KEY_FILE": "key"}))

    def test_occupancy(self):
        found = self.rows("occupancy", "--since", START, "--until", "2026-11-23", "--every", "10")
        self.assertEqual([(one["from"], one["near"], one["medium"], one["far"], one["pis"], one["listened_s"]) for one in found],
                         [("2026-11-22T00:00:00.000Z", 3, 3, 3, 2, 3.0), ("2026-11-22T00:00:10.000Z", 2, 2, 2, 1, 1.9)])

    def test_occupancy_of_each_pi(self):
        found = self.rows("occupancy", "--since", START, "--until", "2026-11-23", "--every", "1h", "--by", "device")
        self.assertEqual([(one["device_id"], one["near"], one["pis"]) for one in found], [("pi-other", 2, 1), ("pi-test", 3, 1)])
        self.assertNotIn("device_id", self.rows("occupancy", "--since", START, "--until", "2026-11-23")[0])
        code, _, err = self.ask("pis", "--by", "device")
        self.assertEqual((code, "--by is for occupancy" in err), (64, True), err)

    def test_coverage(self):
        found = self.rows("coverage", "--since", START, "--until", "2026-11-22T00:01:00Z", "--device", "pi-test")
        self.assertEqual([(one["what"], one["from"], one["until"]) for one in found],
                         [("listening", "2026-11-22T00:00:00.000Z", "2026-11-22T00:00:02.900Z"),
                          ("silent", "2026-11-22T00:00:02.900Z", "2026-11-22T00:01:00.000Z")])

    def test_missing(self):
        found = self.rows("missing", "--since", "1h")
        self.assertEqual([(one["what"], one["reason"], one["batches"], one["from_seq"], one["to_seq"]) for one in found],
                         [("batches", "missing", 10, 0, 9)])

    def test_top(self):
        self.store(make_batches(1, "pi-third"))
        found = self.rows("top", "--since", START, "--until", "2026-11-23", "--limit", "3")
        self.assertEqual(len(found), 3)
        self.assertEqual({(one["detections"], one["pis"]) for one in found}, {(2, 2)})

    def test_names_that_are_not_there(self):
        for words, said in ((("presence", "--device", "pi-9"), "no Pi with the device_id 'pi-9'"),
                            (("occupancy", "--place", "Cellar"), "'Cellar'"),
                            (("track", "0" * 64), "no advertiser is known"), (("track", "x\x1b[31m"), "x\\x1b[31m")):
            code, out, err = self.ask(*words)
            self.assertEqual((code, out), (69, b""), words)
            self.assertIn(said, err)

    def test_a_beginning_of_several_hashes(self):
        self.store(make_batches(50, run_id="00000000000000cd", first=100))
        code, _, err = self.ask("track", "1")
        self.assertEqual(code, 64)
        self.assertIn("several advertisers begin with 1: 1", err)

    def test_what_is_cut_off_is_told(self):
        code, out, err = self.ask("occupancy", "--since", START, "--until", "2026-11-23", "--every", "1", "--limit", "2")
        self.assertEqual((code, len(out.splitlines())), (0, 2))
        self.assertIn("more than 2 rows: these are the latest", err)

    def test_a_day_that_is_being_deleted_is_told(self):
        span = ("--since", START, "--until", "2026-11-23")
        for question in (("presence",), ("top",), ("track", HASH, "--every", "5m"), ("occupancy",)):
            self.assertEqual(self.ask(*question, *span)[::2], (0, ""), question)
        self.change("UPDATE rollup_days SET is_cut = 1")
        for question in (("presence",), ("top",), ("track", HASH, "--every", "5m"), ("occupancy",)):
            code, _, err = self.ask(*question, *span)
            self.assertEqual(code, 0, err)
            self.assertIn("is deleting a day of that time (--retain-rollups): the answer has only a part", err)

    def test_it_reads_while_it_is_written_to(self):
        with Tool("bleingest", stdout=None, cwd=self.folder) as writer:
            writer.write("".join(line + "\n" for line in make_batches(5, run_id="00000000000000ee")))
            Database(self.folder / "ble.db").wait_count(10)
            self.assertEqual(len(self.rows("pis")), 2)
            self.assertTrue(writer.running())


class Forms(Query):
    BAD = 'a"b,\x7f\u202e=é'

    def setUp(self):
        super().setUp()
        batch = json.loads(make_batches(1)[0])
        self.store([json.dumps({**batch, "name": "Lab", "location": "2nd, \"north\""})])

    def test_json_in_a_pipe_and_a_table_on_a_terminal(self):
        self.assertEqual(self.rows("pis")[0]["name"], "Lab")
        code, shown = self.on_terminal("pis")
        self.assertEqual(code, 0)
        lines = shown.splitlines()
        self.assertRegex(lines[0], r"^device_id  name  location +state ")
        self.assertRegex(lines[1], r"^pi-test    Lab   2nd, \"north\"  listening")
        self.assertEqual(lines[0].index("state"), lines[1].index("listening"))
        self.assertNotIn("two_at_once", lines[0])  # nothing to tell
        self.assertTrue(self.on_terminal("pis", "--format", "json")[1].startswith("{"))

    def test_wide_characters_shift_no_column(self):
        """Each of these takes two columns of a terminal, and the accent none of its own."""
        self.change("UPDATE devices SET name = '研究室🔑', location = 'cafe' || char(769)")
        for env, name in (({"LC_ALL": "C.UTF-8"}, "研究室🔑"), ({"LC_ALL": "C"}, "????")):
            code, out, _ = self.ask("pis", "--format", "table", env=env)
            self.assertEqual(code, 0)
            head, row = out.decode().splitlines()
            self.assertIn(name, row)
            before = row[:row.index("listening")]
            columns = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) == "W" else 1 for c in before)
            self.assertEqual(columns, head.index("state"), out.decode())

    def test_times_of_a_table_are_local(self):
        words = ("track", HASH, "--since", START, "--until", "2026-11-22T00:01:00Z", "--format", "table")
        code, out, _ = self.ask(*words, env={"TZ": "<+02>-2"})
        self.assertEqual(code, 0)
        self.assertIn(b"2026-11-22 02:00:00", out)
        self.assertIn(HASH[:12].encode(), out)
        self.assertNotIn(HASH.encode(), out)

    def test_csv(self):
        code, out, _ = self.ask("pis", "--format", "csv")
        self.assertEqual(code, 0)
        self.assertTrue(out.endswith(b"\r\n"))
        header, row = csv.reader(io.StringIO(out.decode(), newline=""))
        found = dict(zip(header, row))
        self.assertEqual((found["location"], found["two_at_once"], found["batches_missing"]), ('2nd, "north"', "", "0"))
        self.assertEqual(found["last_heard"], self.rows("pis")[0]["last_heard"])

    def test_names_do_no_harm(self):
        self.change("UPDATE devices SET name = char(27) || '[31m' || char(10) || 'x' || char(8238), location = '=1+1' || char(155)")
        for form in ("table", "json", "csv"):
            code, out, _ = self.ask("pis", "--format", form)
            self.assertEqual(code, 0)
            self.assertNotIn(b"\x1b", out)
            self.assertEqual(len(out.splitlines()), 1 if form == "json" else 2)
            for harmful in ("\u202e", "\x9b"):
                self.assertNotIn(harmful, out.decode())
        self.assertIn("\\u001b[31m\\u000ax\\u202e", self.on_terminal("pis")[1])
        self.assertIn(b",'=1+1\\u009b,", self.ask("pis", "--format", "csv")[1])
        self.change("UPDATE devices SET name = CAST(X'ff1b5b' AS TEXT)")
        self.assertEqual(self.ask("pis", "--format", "table")[1].count(b"\x1b"), 0)

    def test_an_empty_answer_says_why_on_a_terminal(self):
        self.assertEqual(self.ask("presence"), (0, b"", ""))
        self.assertIn("nobody listened in that time", self.on_terminal("presence")[1])
        self.assertIn("somebody listened, and nobody was heard",
                      self.on_terminal("presence", "--since", "2026-11-22T00:00:00.500Z", "--until", "2026-11-22T00:00:01Z")[1])
        self.assertIn("nothing is missing", self.on_terminal("missing")[1])


class ExitCodes(Query):
    def test_help_and_version(self):
        code, out, _ = self.ask("--help")
        self.assertEqual(code, 0)
        for question in QUESTIONS:
            self.assertIn(question.encode(), out)
        self.assertEqual(self.ask("--version")[0], 0)

    def test_usage(self):
        for words, said in (((), "a question is expected"), (("wher",), "'wher' is no question"), (("pis", "more"), "'more'"),
                            (("track",), "the hash of one advertiser"), (("track", "aa", "bb"), "'bb'"),
                            (("track", "aa", "--address", SAMPLE_ADDRESS), "or --address"), (("top", "--address", SAMPLE_ADDRESS), "for track"),
                            (("track", "--address", "zz"), "an address is expected"), (("pis", "--since", "soon"), "a time is expected"),
                            (("pis", "--since", "1h", "--until", "2h"), "must be before"), (("pis", "--db", ":memory:"), "in memory"),
                            (("pis", "--db", "mysql://x/y"), "there is no store"), (("pis", "--format", "xml"), "auto|table|json|csv"),
                            (("occupancy", "--every", "10ms"), "a second"), (("pis", "--limit", "0"), "a whole number"),
                            (("pis", "--timeout", "0"), "some time"),
                            (("track", "--address", SAMPLE_ADDRESS, "--hash-epoch", "24h"), "a key")):
            code, out, err = self.ask(*words)
            self.assertEqual((code, out), (64, b""), words)
            self.assertIn(said, err)
        self.assertEqual(self.ask("pis", env={"BLEPIPE_SINCE": "soon"})[0], 78)

    def test_check(self):
        self.assertEqual(self.ask("pis", "--check")[0], 0)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_cannot_be_read(self):
        code, _, err = self.ask("pis", "--db", "absent.db")
        self.assertEqual(code, 74)
        self.assertIn("absent.db", err)
        self.assertFalse((self.folder / "absent.db").exists())
        self.file("junk.db", "this is no database at all, whatever its name says" * 100)
        self.assertEqual(self.ask("pis", "--db", "junk.db")[0], 78)
        sqlite3.connect(self.folder / "empty.db").execute("PRAGMA user_version = 0").connection.close()
        code, _, err = self.ask("pis", env={"BLEPIPE_DB": "empty.db"})
        self.assertEqual(code, 78)
        self.assertIn("empty.db is empty", err)

    def test_a_database_of_another_version(self):
        self.store(make_batches(1))
        for version, said in ((8, "bleingest"), (99, "upgrade blepipe")):
            self.change(f"PRAGMA user_version = {version}")
            code, _, err = self.ask("pis")
            self.assertEqual(code, 78)
            self.assertIn(said, err)

    def test_nothing_is_changed(self):
        self.store(make_batches(3))
        before = (self.folder / "ble.db").read_bytes()
        for question in QUESTIONS:
            self.rows(question, *((HASH,) if question == "track" else ()), "--since", START)
        self.assertEqual((self.folder / "ble.db").read_bytes(), before)

    def test_longer_than_it_may_take(self):
        self.store(make_batches(1))
        self.change(SLOW)
        code, out, err = self.ask("pis", "--timeout", "100ms")
        self.assertEqual((code, out), (75, b""))
        self.assertIn("no answer within 100 ms", err)

    def test_stopped_while_it_waits(self):
        self.store(make_batches(1))
        self.change(SLOW)
        with Tool("blequery", "pis", "--timeout", "1h", "--verbose", cwd=self.folder) as tool:
            tool.wait_err("ready: ")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 75, tool.err)
            self.assertIn("stopped before there was an answer", tool.err)

    def test_the_reader_is_gone(self):
        start = datetime.datetime.fromtimestamp(time.time() - 3600, datetime.timezone.utc)
        batches = []
        for line in make_batches(3000, detections=1):
            batch = json.loads(line)
            at = (start + datetime.timedelta(seconds=batch["seq"])).strftime("%Y-%m-%dT%H:%M:%SZ")
            batches.append(json.dumps({**batch, "timestamp": at, "detections": []}))
        self.store(batches)
        done = subprocess.run(["bash", "-c", f"{tool_path('blequery')} occupancy --every 1 --limit 5000 | head -1 | wc -l; echo ${{PIPESTATUS[0]}}"],
                              cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.split(), ["1", "74"])
        self.assertEqual(done.stderr, "")

    @unittest.skipIf(os.geteuid() != 0, "another user is needed")
    def test_without_the_rights(self):
        self.store(make_batches(1))
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder / "ble.db", 0o600)

        def as_other():
            done = subprocess.run(as_other_user("blequery", "pis", "--db", str(self.folder / "ble.db")), capture_output=True, text=True, check=False)
            return done.returncode, done.stderr

        self.assertEqual(as_other()[0], 77)
        # The files beside it stay when nobody has it open any more, so that the right to read is enough.
        for path in self.folder.glob("ble.db*"):
            os.chmod(path, 0o644)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["ble.db", "ble.db-shm", "ble.db-wal"])
        self.assertEqual(as_other(), (0, ""))
        # Without them SQLite would make them.
        for name in ("ble.db-shm", "ble.db-wal"):
            (self.folder / name).unlink()
        code, err = as_other()
        self.assertEqual(code, 77)
        self.assertIn("SQLite needs the right to write in its folder", err)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["ble.db"])
