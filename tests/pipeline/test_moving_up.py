"""A store moves to another one while new batches arrive in both, and each side of the move is killed at random: every batch is there once, and what
was missing before is missing afterwards, for the same reason."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import Database, Postgres, Tool, make_batches, random_source, self_signed, tool_path, wait_until
from harness.manual import displays
from harness.pipeline import pipeline

GAPS = ("SELECT device_id, run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run JOIN devices ON devices.id = runs.device"
        " ORDER BY device_id, run_id, from_seq")
DETECTIONS = "SELECT device_id, run_id, seq, device_hash, rssi, zone, timestamp_ms, count FROM detection_log"


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


def lost(device, first, last):
    return json.dumps({"format": 1, "device_id": device, "run_id": "00000000000000ab",
                       "gap": {"from_seq": first, "to_seq": last, "reason": "buffer_full"}})


class Moving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Postgres(["fsync=off"])
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-moving-")))
        self.chance = random_source()

    def ingest(self, database, *words, stdin="pipe"):
        return self.stack.enter_context(Tool("bleingest", "--db", database.path, *words, stdin=stdin, stdout=None, cwd=self.folder))

    def store(self, database, lines):
        tool = self.ingest(database)
        tool.offer(text(lines))
        self.assertEqual(tool.wait(), 0, tool.err)

    def move(self, one, other, *words):
        return pipeline(self.stack, ("bleexport", "--db", one.path, *words), ("bleingest", "--import", "--db", other.path), stdout=None,
                        cwd=self.folder)

    def move_under_kills(self, one, other, *words, kills=8):
        """Until it comes to its end by itself; at first it does not."""
        done = 0
        while True:
            tools = self.move(one, other, *words)
            if done < kills:
                have = other.count()
                wait_until(lambda: other.count() > have or not tools[1].running(), "some batches more")
                self.chance.choice(tools).signal(signal.SIGKILL)
                done += 1
            codes = [tool.wait() for tool in tools]
            if codes == [0, 0] and done >= kills:
                return

    def live(self, database, device, first, count):
        """Batches of a Pi that go on arriving, each look by itself."""
        tool = self.ingest(database)

        def feed():
            for seq in range(first, first + count):
                tool.write(text(make_batches(1, device, first=seq)))
            tool.close_stdin()

        feeder = threading.Thread(target=feed)
        feeder.start()
        return tool, feeder

    def check(self, one, other, expected):
        """`expected`: lines that are batches."""
        parsed = [json.loads(line) for line in expected]
        self.assertEqual(other.batches(), sorted({(b["device_id"], b["run_id"], b["seq"]) for b in parsed}, key=repr))
        self.assertEqual(other.rows("SELECT count(*) FROM detections"), [(sum(len(b["detections"]) for b in parsed),)])
        known = {tuple(row) for row in one.rows(DETECTIONS)}
        self.assertEqual(known - {tuple(row) for row in other.rows(DETECTIONS)}, set())

    def history(self):
        """What a site of three Pis has stored: each lost something."""
        lines = []
        for pi in range(3):
            batches = make_batches(700, f"pi-{pi}", detections=8)
            lines += batches[:200] + batches[210:650] + [lost(f"pi-{pi}", 205, 209)]
        self.chance.shuffle(lines)
        return lines

    def go(self, one, other, *words):
        history = self.history()
        self.store(one, history)
        # A Pi goes on, in the new database; another one is new there; what comes again does no harm.
        running = [self.live(other, "pi-0", 650, 50), self.live(other, "pi-new", 0, 60)]
        again = self.ingest(other)
        repeated = [line for line in history if '"gap"' not in line][:150]
        again.offer(text(repeated))
        self.move_under_kills(one, other, *words)
        for tool, feeder in running:
            feeder.join()
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(again.wait(), 0, again.err)
        self.assertRegex(again.err, " 0 in conflict, 0 rejected")
        return history + make_batches(50, "pi-0", first=650) + make_batches(60, "pi-new")

    def test_from_sqlite_to_postgresql(self):
        one, other = Database(self.folder / "ble.db"), self.server.database("up")
        lines = self.go(one, other, "--resume", "moved")
        self.check(one, other, [line for line in lines if '"gap"' not in line])
        self.assertEqual([tuple(row) for row in other.rows(GAPS)], one.rows(GAPS))
        # Once more: nothing is new, and nothing contradicts.
        tools = self.move(one, other)
        self.assertEqual([tool.wait() for tool in tools], [0, 0])
        self.assertRegex(tools[1].err, "stored 0 batches .*; 1920 were known already, 0 in conflict, 0 rejected")

    def test_from_postgresql_to_sqlite(self):
        one, other = self.server.database("down"), Database(self.folder / "ble.db")
        lines = self.go(one, other)
        self.check(one, other, [line for line in lines if '"gap"' not in line])
        self.assertEqual(other.rows(GAPS), [tuple(row) for row in one.rows(GAPS)])

    def test_the_old_store_is_still_written_to(self):
        one, other = Database(self.folder / "ble.db"), self.server.database("still")
        self.store(one, make_batches(600, detections=8))
        tool, feeder = self.live(one, "pi-late", 0, 200)
        self.move_under_kills(one, other, "--resume", "moved", kills=4)
        feeder.join()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.move_under_kills(one, other, "--resume", "moved", kills=0)
        self.assertEqual(other.batches(), one.batches())
        self.assertEqual([tuple(row) for row in other.rows(GAPS)], [])

    def test_the_server_restarts_while_it_is_read_and_while_it_is_written(self):
        one, other, third = Database(self.folder / "ble.db"), self.server.database("restart"), Database(self.folder / "third.db")
        lines = make_batches(3000, detections=8)
        self.store(one, lines)
        for source, target in ((one, other), (other, third)):
            tools = self.move(source, target)
            wait_until(lambda: target.count() > 0, "the first batches")
            self.server.stop()
            self.server.start()
            for tool in tools:
                self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(target.batches(), one.batches())

    def test_the_pipeline_of_the_manual(self):
        """A shell's pipeline. What stands between both consumes by itself, so there --resume promises nothing."""
        self.store(Database(self.folder / "ble.db"), make_batches(50))
        target = self.server.database("manual")
        reading, storing = f"{tool_path('bleexport')} --db ble.db", f"{tool_path('bleingest')} --import --db {target.path}"
        direct = f"{reading} --resume moved | {storing}"
        for line in (f"{reading} | gzip | zcat | {storing}", direct, direct):
            done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=self.folder, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(target.batches(), Database(self.folder / "ble.db").batches())


class AsTheManualHasIt(unittest.TestCase):
    """Each step of "From one machine to a cluster", as it is written but for the server's name and certificate."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-cluster-")))
        self.folder.chmod(0o755)
        self.certificate, key = self_signed(self.folder)
        if os.geteuid() == 0:
            shutil.chown(key, "nobody")
        settings = ["fsync=off", "ssl=on", f"ssl_cert_file={self.certificate}", f"ssl_key_file={key}"]
        self.server = self.stack.enter_context(Postgres(settings, auth="hostssl"))
        self.old = Database(self.folder / "ble.db")
        self.environment = {**os.environ, "HOME": str(self.folder), "PATH": f"{pathlib.Path(tool_path('bleingest')).parent}:{os.environ['PATH']}"}

    def here(self, text):
        """What is typed, for this server."""
        for written, meant in (("db.example.org", f"127.0.0.1:{self.server.port}"), ("/etc/ssl/certs/ca-certificates.crt", self.certificate),
                               ("/var/lib/blepipe/bleingest/pgpass", str(self.folder / ".pgpass"))):
            text = text.replace(written, meant)
        return text

    def type(self, text):
        done = subprocess.run(["bash", "-o", "pipefail", "-ec", self.here(text)], cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, text + done.stderr)
        return done.stdout

    def as_administrator(self, text):
        done = subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.server.uri("postgres", "admin")], input=text,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def store(self, lines, **how):
        with Tool("bleingest", *how.pop("words", []), cwd=self.folder, stdout=None, **how) as tool:
            tool.offer(text(lines))
            self.assertEqual(tool.wait(), 0, tool.err)

    def test_the_steps(self):
        lines = make_batches(400, "pi-0", detections=4)
        self.store(lines[:100] + lines[107:300] + [lost("pi-9", 3, 9)], words=["--db", self.old.path])
        roles = displays("bleingest.1", "PostgreSQL")[0]
        before, after = re.split("^-- .*\n", roles, flags=re.MULTILINE)
        drop_in, environment, move, compare = displays("blepipe-operations.7", "From one machine to a cluster")

        self.as_administrator(before)
        (self.folder / ".pgpass").write_text("".join(f"127.0.0.1:{self.server.port}:*:{role}:...\n" for role in ("ble_writer", "ble_reader")),
                                             encoding="ascii")
        (self.folder / ".pgpass").chmod(0o600)
        settings = dict(line.split("=", 1) for line in re.findall("^Environment=(.*)", self.here(drop_in), re.MULTILINE))
        self.assertEqual(sorted(settings), ["BLEPIPE_DB", "PGPASSFILE", "PGSSLROOTCERT"])
        self.store(lines[300:], env=settings)
        self.as_administrator("\\c ble\n" + after)

        for _ in range(2):
            self.type(environment + move)
        self.assertTrue((self.folder / "moved").exists())
        said = [line.strip() for line in self.type(compare).splitlines()]
        numbers = [int(line) for line in said if line.isdigit()]
        self.assertEqual(numbers, [293, 17, 393, 17], said)
