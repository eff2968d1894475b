"""PostgreSQL behind bleingest: many writers at once, and every trouble of a server and the link to it. The input waits, goes on by itself, and
every batch is there exactly once."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
import time
import unittest
import unittest.mock

from harness import (Postgres, Proxy, Tool, flatten, make_batches, positions, random_source, self_signed, source_path, standing, tool_path,
                     wait_until)
from harness.commit_thief import CommitThief
from harness.dead_address import DEAD, DeadAddress
from harness.mounts import private_mounts, small_disk, with_hosts

# What does not depend on when a line came, and by whom.
CONTENTS = (
    "SELECT device_id, name, location, first_seen, last_seen, holes FROM devices",
    "SELECT device_id, run_id, seq FROM devices JOIN batches ON batches.id = last_batch JOIN runs ON runs.id = run",
    "SELECT device_id, run_id, next_seq, hash_id FROM runs JOIN devices ON devices.id = runs.device",
    "SELECT run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run",
    "SELECT run_id, seq, timestamp, clock, name, location, window_ms FROM batches JOIN runs ON runs.id = run"
    " LEFT JOIN places ON places.id = place",
    "SELECT device_id, name, first, begin, last, windows, listened_ms FROM stretches JOIN devices ON devices.id = device",
    "SELECT device_hash, first_seen, last_seen, detections FROM advertisers",
    "SELECT device_id, run_id, seq, device_hash, rssi, zone, timestamp, count FROM detection_log",
)


def setUpModule():
    private_mounts()


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


def contents(database):
    return [sorted(database.rows(query), key=repr) for query in CONTENTS]


class Writers(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-writers-")))

    def start(self, database, *words, stdin="pipe", **options):
        return self.stack.enter_context(Tool("bleingest", "--db", database.path, *words, stdin=stdin, stdout=None, cwd=self.folder,
                                             **options))


class ManyWriters(Writers):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Postgres(["fsync=off"])
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        super().tearDownClass()

    def deliveries(self, chance, devices=3, each=120):
        """Lines of some runs, some of them lost, some told of by gap lines."""
        lines = []
        for device in range(devices):
            for line in make_batches(each, f"pi-{device}", f"{device:016x}"):
                batch = json.loads(line)
                fate = chance.random()
                if fate < 0.15:
                    lines.append(json.dumps({"format": 1, "device_id": batch["device_id"], "run_id": batch["run_id"], "gap": {
                        "from_seq": batch["seq"], "to_seq": batch["seq"], "reason": chance.choice(("buffer_full", "refused"))}}))
                elif fate < 0.9:
                    lines.append(json.dumps({**batch, "name": f"Lab {batch['seq'] // 50}", "location": "here"}))
        return lines

    def test_four_writers_give_what_one_gives(self):
        chance = random_source()
        for number in range(3):
            lines = self.deliveries(chance, each=150)
            one, four = (self.server.database(f"{kind}_{number}") for kind in ("one", "four"))
            with self.start(one) as tool:
                tool.offer(text(lines))
                self.assertEqual(tool.wait(), 0, tool.err)
            shares = [[] for _ in range(4)]
            for line in lines:
                for share in chance.sample(shares, chance.choice((1, 1, 2, 4))):
                    share.append(line)
            tools = [self.start(four) for _ in shares]
            orders = [chance.sample(share, len(share)) for share in shares]
            pieces = [[chance.randint(1, 9) for _ in order] for order in orders]
            feeders = [threading.Thread(target=self.feed, args=args) for args in zip(tools, orders, pieces)]
            for feeder in feeders:
                feeder.start()
            for feeder, tool in zip(feeders, tools):
                feeder.join()
                self.assertEqual(tool.wait(), 0, tool.err)
            wanted = contents(one)
            for query, rows in zip(CONTENTS, wanted):
                self.assertGreater(len(rows), 0, query)
            self.assertEqual(contents(four), wanted)
            self.assertEqual(four.rows("SELECT count(*) FROM detections d LEFT JOIN batches b ON b.id = d.batch WHERE b.id IS NULL"), [(0,)])
            self.assertEqual(sum("rejected" in tool.err and " 0 rejected" not in tool.err for tool in tools), 0)

    @staticmethod
    def feed(tool, lines, pieces):
        """In many small transactions: each piece is written when the one before it was consumed."""
        done = 0
        for piece in pieces:
            if done >= len(lines):
                break
            tool.write(text(lines[done:done + piece]))
            done += piece
            wait_until(lambda: standing(tool.stdin.fileno()) == 0 or not tool.running(), "the lines to be consumed")
        tool.close_stdin()

    def test_the_queries_of_the_examples_give_the_same_with_both(self):
        now = time.time() - 30
        lines = []
        for n, line in enumerate(make_batches(40, detections=4)):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.500Z", time.gmtime(now - 40 + n))
            batch = json.loads(line)
            for number, one in enumerate(batch["detections"]):
                one["timestamp"] = stamp
                if number == 1:
                    one["device_hash"] = "ab" * 32  # the one seen most
                if number == 0:
                    one["beacon"] = {"uuid": f"00000000-0000-0000-0000-{n % 3:012}", "major": n % 2, "minor": 7}
            lines.append(json.dumps({**batch, "timestamp": stamp, "name": "Lab", "location": "here"}))
        del lines[17:20]
        database, path = self.server.database("queries"), self.folder / "ble.db"
        for where in (database.path, path):
            with Tool("bleingest", "--db", where, stdout=None, cwd=self.folder) as tool:
                tool.offer(text(lines))
                self.assertEqual(tool.wait(), 0, tool.err)
        with open(source_path("examples", "queries.sql"), encoding="utf-8") as file:
            queries = [part.strip() for part in re.sub("--.*", "", file.read()).split(";") if part.strip()]
        self.assertGreater(len(queries), 10)

        def in_sqlite(query):
            with contextlib.closing(sqlite3.connect(path)) as mine:
                return mine.execute(query).fetchall()

        unlike = ("silent_s", "last_received", "average_s", "since")  # when it came
        for query in queries:
            with self.subTest(query):
                theirs, rows, later = in_sqlite(query), database.rows(query), in_sqlite(query)
                alike = not any(word in query for word in unlike)
                while alike and later != theirs:  # what is "now" changed meanwhile
                    theirs, rows, later = later, database.rows(query), in_sqlite(query)
                if alike:
                    self.assertEqual(sorted([str(value) for value in row] for row in rows),
                                     sorted([str(value) for value in row] for row in theirs))
                self.assertGreater(len(rows), 0)
                self.assertEqual(len(rows), len(theirs))

    def test_writers_that_are_killed_at_any_moment(self):
        chance = random_source()
        lines = make_batches(3000, detections=8)
        database = self.server.database("killed")
        for _ in range(6):
            with self.start(database) as tool:
                feeder = threading.Thread(target=tool.offer, args=(text(lines),))
                feeder.start()
                before = database.count()
                wait_until(lambda: database.count() > before or not tool.running(), "some batches")
                for _ in range(chance.randint(0, 3)):
                    database.count()
                tool.signal(signal.SIGKILL)
                tool.wait()
                feeder.join()
        with self.start(database) as tool:
            tool.offer(text(lines))
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(database.batches(), positions(lines))
        self.assertEqual(database.detections(), flatten(lines))
        self.assertEqual(database.rows("SELECT sum(detections) FROM advertisers"), [(3000 * 8,)])

    def test_names_that_two_make_at_once_collide_with_nobody(self):
        """Same devices, same new advertisers, in opposite order."""
        lines = [line for n in range(400) for line in make_batches(1, f"pi-{n % 40}", f"{n:016x}", detections=5)]
        database = self.server.database("names")
        tools = [self.start(database) for _ in range(4)]
        feeders = [threading.Thread(target=tool.offer, args=(text(lines[::-1] if i % 2 else lines),)) for i, tool in enumerate(tools)]
        for feeder in feeders:
            feeder.start()
        for feeder, tool in zip(feeders, tools):
            feeder.join()
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(database.batches(), positions(lines))
        self.assertNotIn("input waits", "".join(tool.err for tool in tools))


class Trouble(Writers):
    """Each time some batches are stored, then there is trouble, and then all of them are there."""

    def setUp(self):
        super().setUp()
        self.lines = make_batches(1200, detections=10)

    def serve(self, *words, **options):
        self.server = self.stack.enter_context(Postgres(*words, **options))
        return self.server.database()

    def begin(self, database, **options):
        tool = self.start(database, **options)
        tool.write(text(self.lines[:100]))
        database.wait_count(100)
        return tool

    def finish(self, tool, database, waited=1):
        tool.offer(text(self.lines[self.sent:]))
        self.assertEqual(tool.wait(60), 0, tool.err)
        self.assertEqual(database.batches(), positions(self.lines))
        self.assertEqual(database.detections(), flatten(self.lines))
        self.assertEqual(database.gaps(), [])
        self.assertEqual(tool.err.count("the input waits, nothing is lost"), waited, tool.err)  # once a minute
        self.assertEqual(tool.err.count("takes batches again"), waited, tool.err)

    sent = 100

    def send(self, tool, to):
        tool.write(text(self.lines[self.sent:to]))
        self.sent = to

    def test_a_server_that_is_restarted(self):
        database = self.serve()
        tool = self.begin(database)
        self.server.stop()
        self.send(tool, 400)
        tool.wait_err("the input waits, nothing is lost")
        self.server.start()
        self.finish(tool, database)

    def test_a_server_that_is_killed_while_it_stores(self):
        database = self.serve()
        tool = self.begin(database)
        feeder = threading.Thread(target=self.send, args=(tool, 1100))
        feeder.start()
        for _ in range(4):
            before = database.count()
            wait_until(lambda: database.count() > before or database.count() == 1100, "some more batches")
            self.server.kill()
            self.server.start()
        feeder.join()
        tool.offer(text(self.lines[1100:]))
        self.assertEqual(tool.wait(60), 0, tool.err)
        self.assertEqual(database.batches(), positions(self.lines))
        self.assertEqual(database.detections(), flatten(self.lines))

    def test_a_link_that_is_cut_in_the_middle_of_a_copy(self):
        database = self.serve()
        proxy = self.stack.enter_context(Proxy(self.server.port))
        through = database.on(self.server)
        through.path = self.server.uri("ble", port=proxy.port)
        tool = self.begin(through)
        proxy.slow(100_000)  # the COPY takes a second
        self.send(tool, 900)
        wait_until(lambda: "COPY" in self.server.sql("SELECT query FROM pg_stat_activity WHERE datname = 'ble' AND state = 'active'"),
                   "a COPY that lasts")
        proxy.cut()
        tool.wait_err("the input waits, nothing is lost")
        proxy.slow(None)
        self.finish(tool, database)

    def wait_rolled_up(self):
        """For a minute from then on there is nothing to do behind the batches: hours and days are counted later."""
        left = "SELECT (SELECT count(*) FROM blepipe.rollup_due) + (SELECT count(*) FROM blepipe.occupancy_due WHERE minutes = 5)"
        wait_until(lambda: self.server.sql(left, "ble").strip() == "0", "the rollups to be merged")

    def test_a_link_that_is_cut_between_commit_and_its_answer(self):
        database = self.serve()
        thief = self.stack.enter_context(CommitThief(self.server.port))
        through = database.on(self.server)
        through.path = self.server.uri("ble", port=thief.port)
        tool = self.begin(through)
        self.send(tool, 150)
        database.wait_count(150)  # so the tables of detections are made
        self.wait_rolled_up()  # the next COMMIT is that of batches
        thief.armed.set()
        self.send(tool, 300)
        tool.wait_err("takes batches again")
        self.assertTrue(thief.stole.is_set())
        self.finish(tool, database)
        self.assertRegex(tool.err, "; [1-9][0-9]* were known already")  # committed, and not known to be

    def test_a_standby_takes_over(self):
        first = self.stack.enter_context(Postgres(["synchronous_standby_names=*", "synchronous_commit=local"]))
        second = self.stack.enter_context(Postgres(standby_of=first))
        database = first.database()
        both = database.on(first)
        both.path = f"postgresql://writer@127.0.0.1:{first.port},127.0.0.1:{second.port}/ble?target_session_attrs=read-write"
        tool = self.begin(both)
        first.kill()
        self.send(tool, 400)
        tool.wait_err("the input waits, nothing is lost")
        second.promote()
        second.sql("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()")
        self.finish(tool, database.on(second))

    def test_a_host_that_says_nothing_does_not_hide_the_next(self):
        database = self.serve()
        silent = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        both = database.on(self.server)
        both.path = f"postgresql://writer@127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{self.server.port}/ble?connect_timeout=1"
        self.finish(self.begin(both), database, waited=0)

    def test_an_address_that_says_nothing_does_not_hide_the_next_of_its_name(self):
        later = "127.0.0.130"  # by RFC 6724, rule 9, which puts the nearer one first
        database = self.serve([f"listen_addresses=127.0.0.1,{later}"])
        hosts = self.folder / "hosts"
        hosts.write_text(f"{DEAD} database.test\n{later} database.test\n", encoding="ascii")
        self.stack.enter_context(contextlib.closing(DeadAddress(self.server.port)))
        uri = f"postgresql://writer@database.test:{self.server.port}/ble?connect_timeout=1"
        tool = self.stack.enter_context(Tool(*with_hosts(hosts, tool_path("bleingest"), "--db", uri), stdout=None, cwd=self.folder))
        tool.write(text(self.lines[:100]))
        database.wait_count(100)
        self.finish(tool, database, waited=0)

    def test_a_server_that_only_reads(self):
        database = self.serve()
        tool = self.begin(database)
        self.server.sql("ALTER DATABASE ble SET default_transaction_read_only = on;"
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ble'")
        self.send(tool, 400)
        tool.wait_err("the input waits, nothing is lost")
        self.assertTrue(tool.running())
        self.server.sql("ALTER DATABASE ble RESET default_transaction_read_only")
        self.finish(tool, database)

    def test_too_many_connections(self):
        database = self.serve()
        self.server.sql("ALTER DATABASE ble CONNECTION LIMIT 1")
        other = self.stack.enter_context(Tool("psql", self.server.uri("ble"), stdout=None))
        wait_until(lambda: "writer" in self.server.sql("SELECT usename FROM pg_stat_activity WHERE datname = 'ble'"), "the other client")
        tool = self.start(database)
        tool.wait_err("too many connections")
        other.close_stdin()
        other.wait()
        self.sent = 0
        self.finish(tool, database)

    def test_a_statement_that_takes_too_long(self):
        database = self.serve()
        self.server.sql("CREATE ROLE admin2 SUPERUSER; ALTER ROLE writer SET statement_timeout = '300ms'")
        tool = self.begin(database)
        other = self.stack.enter_context(Tool("psql", "-X", self.server.uri("ble", "admin")))
        other.write("BEGIN; LOCK TABLE blepipe.batches; SELECT 'locked';\n")
        while b"locked" not in other.line():
            pass
        self.send(tool, 400)
        tool.wait_err("the input waits, nothing is lost")
        self.assertIn("statement timeout", tool.err)
        other.write("ROLLBACK;\n")
        self.finish(tool, database)
        other.close_stdin()

    def test_a_disk_that_is_full(self):
        disk = self.folder / "disk"
        self.stack.enter_context(small_disk(disk, "40m"))
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(disk, "nobody")
        self.serve()
        self.server.sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        self.server.sql("GRANT CREATE ON TABLESPACE small TO writer")
        database = self.server.database("narrow", "TABLESPACE small")
        tool = self.begin(database)
        with open(disk / "filler", "wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while filler.write(b"x" * 4096) == 4096:
                    pass
        self.send(tool, 500)  # fits into the pipe: nobody takes it
        tool.wait_err("the input waits, nothing is lost")  # the rollups may have said before that there is no room
        self.assertIn("No space left on device", tool.err)
        os.remove(disk / "filler")
        self.finish(tool, database)

    def test_a_server_that_says_nothing_does_not_hold_up_a_stop(self):
        database = self.serve()
        tool = self.begin(database)
        self.wait_rolled_up()  # what has no answer is about batches
        stopped = self.server.sql("SELECT pid FROM pg_stat_activity WHERE datname = 'ble' AND usename = 'writer'").strip()
        os.kill(int(stopped), signal.SIGSTOP)
        self.send(tool, 400)
        tool.signal(signal.SIGTERM)
        try:
            self.assertEqual(tool.wait(), 75, tool.err)
        finally:
            os.kill(int(stopped), signal.SIGCONT)
        self.assertIn("stopping, nothing is lost", tool.err)
        self.assertNotIn("trying again", tool.err)

    def test_a_stop_stores_what_is_in_hand(self):
        database = self.serve()
        other = self.stack.enter_context(Tool("psql", "-X", self.server.uri("ble", "admin")))
        tool = self.begin(database)
        other.write("BEGIN; LOCK TABLE blepipe.batches; SELECT 'locked';\n")
        while b"locked" not in other.line():
            pass
        self.send(tool, 400)
        wait_until(lambda: standing(tool.stdin.fileno()) > 0 and self.server.sql("SELECT count(*) FROM pg_locks WHERE NOT granted").strip() == "1",
                   "the transaction to wait for the table")
        tool.signal(signal.SIGTERM)
        time.sleep(0.5)  # it has seen the signal
        other.write("ROLLBACK;\n")
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertGreater(database.count(), 100)
        self.assertNotIn("nothing is lost", tool.err)
        other.close_stdin()


class Access(Writers):
    def test_a_server_that_has_to_prove_who_it_is(self):
        cert, key = self_signed(self.folder)
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(key, "nobody")
        server = self.stack.enter_context(Postgres(["ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}"]))
        database = server.database()
        other = self.folder / "other"
        other.mkdir()
        for root, stored in ((self_signed(other)[0], 0), (cert, 3)):
            database.path = server.uri("ble") + "?sslmode=verify-full"
            tool = self.start(database, env={"PGSSLROOTCERT": str(root)})
            tool.offer(text(make_batches(3)))
            if stored == 0:
                tool.wait_err("certificate verify failed")
                tool.signal(signal.SIGTERM)
            tool.wait()
            self.assertEqual(database.count(), stored, tool.err)

    def test_an_address_at_which_no_server_listens_does_not_hide_what_another_says(self):
        server = self.stack.enter_context(Postgres(auth="host"))
        server.database()
        path = self.folder / "pass"
        path.write_text("*:*:*:writer:wrong\n")
        path.chmod(0o600)
        for listed in (f"{DEAD} database.test\n127.0.0.1 database.test\n", f"127.0.0.1 database.test\n{DEAD} database.test\n"):
            hosts = self.folder / "hosts"
            hosts.write_text(listed, encoding="ascii")
            uri = f"postgresql://writer@database.test:{server.port}/ble"
            with Tool(*with_hosts(hosts, tool_path("bleingest"), "--db", uri), stdout=None, cwd=self.folder, env={"PGPASSFILE": str(path)}) as tool:
                tool.offer(text(make_batches(3)))
                self.assertEqual(tool.wait(), 77, tool.err)
                self.assertIn("password authentication failed", tool.err)

    def test_passwords_rights_and_names(self):
        server = self.stack.enter_context(Postgres(auth="host"))
        database = server.database()
        lines = text(make_batches(3))

        def ingest(uri, env=None, given=lines):
            with Tool("bleingest", "--db", uri, "--reject", "", stdout=None, cwd=self.folder, env=env) as tool:
                tool.offer(given)
                return tool.wait(), tool.err
        code, err = ingest(database.path.replace("writer@", "writer:secret@"))
        self.assertEqual((code, "PGPASSFILE" in err, "secret" in err), (64, True, False), err)
        code, err = ingest(database.path + "?password=secret")
        self.assertEqual((code, "PGPASSFILE" in err, "=secret" in err), (64, True, False), err)
        self.assertEqual(ingest("postgresql://x@y:z:1/a?nonsense=1")[0], 64)
        code, err = ingest(database.path)
        self.assertEqual((code, "password" in err), (77, True), err)
        path = self.folder / "pass"
        path.write_text(f"127.0.0.1:{server.port}:*:writer:secret of the writer\n")
        path.chmod(0o600)
        env = {"PGPASSFILE": str(path)}
        self.assertEqual(ingest(database.path, env), (0, unittest.mock.ANY))
        self.assertEqual(database.count(), 3)
        code, err = ingest(server.uri("absent"), env)
        self.assertEqual((code, "does not exist" in err), (78, True), err)
        server.sql("CREATE DATABASE theirs OWNER writer")
        server.sql("CREATE SCHEMA blepipe; CREATE TABLE blepipe.a (b integer); GRANT ALL ON SCHEMA blepipe TO writer", "theirs")
        code, err = ingest(server.uri("theirs"), env)
        self.assertEqual((code, "of another program" in err), (78, True), err)
        server.sql("UPDATE state SET version = 99, epoch = epoch + 1", "ble")
        code, err = ingest(database.path, env)
        self.assertEqual((code, "upgrade blepipe" in err), (78, True), err)
        for table in ("state", "age"):
            lost = server.database(f"lost_{table}")
            self.assertEqual(ingest(lost.path, env)[0], 0)
            server.sql(f"DELETE FROM {table}", lost.name)
            code, err = ingest(lost.path, env)
            self.assertEqual((code, "restore a backup" in err), (74, True), err)
        server.sql("CREATE DATABASE latin OWNER writer TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
        code, err = ingest(server.uri("latin"), env)
        self.assertEqual((code, "LATIN1" in err, "TEMPLATE template0 ENCODING 'UTF8'" in err), (78, True, True), err)


if __name__ == "__main__":
    unittest.main()
