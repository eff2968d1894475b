"""/api/v1/ of blews: what blequery answers, by HTTP, while the events go on."""
import gzip
import http.client
import json
import os
import signal
import sqlite3
import threading
import unittest
from urllib.parse import urlencode

from harness import DEADLINE_S, EventStream, FolderTest, Notify, Tool, make_batches, wait_until
from harness.process import run

TOKEN = "0123456789abcdef"
START, END = "2026-11-22", "2026-11-22T00:10:00Z"
# What devices are takes for ever.
SLOW = ("PRAGMA legacy_alter_table = ON; ALTER TABLE devices RENAME TO real_devices;"
        "CREATE VIEW devices AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)"
        " SELECT real_devices.* FROM real_devices WHERE (SELECT count(*) FROM n) > 0;")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


class Api(FolderTest):
    def store(self, lines):
        code, _, err = run("bleingest", "--db", "ble.db", input="".join(line + "\n" for line in lines), cwd=self.folder)
        self.assertEqual(code, 0, err)

    def serve(self, *words, **more):
        server = Tool("blews", "--port", "0", *words, cwd=self.folder, **more)
        self.addCleanup(server.__exit__)
        server.wait_err("listening on ")
        self.port = int(server.err.split("listening on http://127.0.0.1:", 1)[1].split()[0])
        return server

    def ask(self, name, method="GET", headers=None, **arguments):
        """(status, headers, body as it came)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        self.addCleanup(connection.close)
        connection.request(method, f"/api/v1/{name}?{urlencode(arguments)}", headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def rows(self, name, **arguments):
        status, _, body = self.ask(name, **arguments)
        self.assertEqual(status, 200, body)
        return json.loads(body)["rows"]


class Questions(Api):
    def setUp(self):
        super().setUp()
        self.store(make_batches(3) + make_batches(2, "pi-other", first=10))

    def test_the_same_answers_as_blequery(self):
        self.serve("--db", "ble.db")
        advertiser = self.rows("presence", since=START, until=END)[0]["device_hash"]
        for name in ("pis", "presence", "track", "occupancy", "coverage", "missing", "top"):
            for extra in ({}, {"device": "pi-test"}, {"limit": 1}):
                arguments = {"since": START, "until": END, **extra, **({"hash": advertiser} if name == "track" else {})}
                words = [advertiser if key == "hash" else f"--{key}={value}" for key, value in arguments.items()]
                code, out, err = run("blequery", name, "--db", "ble.db", "--format", "json", *words, cwd=self.folder)
                self.assertEqual(code, 0, err)
                with self.subTest(name, **extra):
                    self.assertEqual(self.rows(name, **arguments), [json.loads(line) for line in out.splitlines()])

    def test_what_an_advertiser_told_last(self):
        first, second = (json.loads(line) for line in make_batches(2, "pi-told"))
        name = "<b>\x1b[31m\u202e\" trolley"
        first["detections"][0].update(local_name=name)
        second["detections"][0].update(device_hash=first["detections"][0]["device_hash"], local_name="Later")
        self.store([json.dumps(first), json.dumps(second)])
        self.serve("--db", "ble.db")
        advertiser = first["detections"][0]["device_hash"]
        for until, wanted in ((second["detections"][0]["timestamp"], name), (END, "Later")):
            for every in ("5m", "1h", "90s"):
                found = self.rows("track", hash=advertiser, since=START, until=until, device="pi-told", every=every)
                self.assertEqual([row["advertiser_name"] for row in found if row["what"] == "heard"][-1], wanted, (until, every))
        status, _, body = self.ask("track", hash=advertiser, since=START, until=second["detections"][0]["timestamp"])
        self.assertEqual((status, [byte for byte in (b"\x1b", "\u202e".encode()) if byte in body]), (200, []))

    def test_rows_of_each_pi(self):
        self.serve("--db", "ble.db")
        found = self.rows("occupancy", since=START, until=END, by="device")
        self.assertEqual({one["device_id"] for one in found}, {"pi-test", "pi-other"})
        self.assertEqual(self.ask("presence", by="device")[0], 400)

    def test_a_day_that_is_being_deleted_is_told(self):
        database = sqlite3.connect(self.folder / "ble.db")
        database.execute("UPDATE rollup_days SET is_cut = 1")
        database.commit()
        database.close()
        self.serve("--db", "ble.db")
        answer = json.loads(self.ask("presence", since=START, until="2026-11-23")[2])
        self.assertIn("is deleting a day of that time", answer["deleted"])
        self.assertGreater(len(answer["rows"]), 0)

    def test_an_answer_that_is_known_is_not_sent_again(self):
        self.serve("--db", "ble.db")
        _, headers, body = self.ask("presence", since=START, until=END)
        status, again, nothing = self.ask("presence", since=START, until=END, headers={"If-None-Match": headers["etag"]})
        self.assertEqual((status, nothing), (304, b""))
        self.assertEqual(again["etag"], headers["etag"])
        self.store(make_batches(1, "pi-new"))
        # An answer is good for two seconds.
        status, _, other = wait_until(lambda: next((found for found in [self.ask("presence", since=START, until=END, headers={
            "If-None-Match": headers["etag"]})] if found[0] == 200), None), "another answer")
        self.assertNotEqual(other, body)

    def test_packed_for_who_takes_it(self):
        self.store(make_batches(30, "pi-many"))
        self.serve("--db", "ble.db")
        plain = self.ask("presence", since=START, until=END)
        packed = self.ask("presence", since=START, until=END, headers={"Accept-Encoding": "br, gzip"})
        self.assertNotIn("content-encoding", plain[1])
        self.assertEqual(packed[1]["content-encoding"], "gzip")
        self.assertLess(len(packed[2]) * 2, len(plain[2]))
        self.assertEqual(gzip.decompress(packed[2]), plain[2])

    def test_what_is_wrong_is_said(self):
        self.serve("--db", "ble.db")
        for status, words, name, arguments in (
                (404, "no such question", "nope", {}), (404, "no Pi", "pis", {"device": "pi-nowhere"}),
                (404, "no advertiser", "track", {"hash": "ff"}), (400, "hash is missing", "track", {}),
                (400, "no such argument", "pis", {"db": "other.db"}), (400, "no value", "pis", {"place": "x" * 2000}),
                (400, "--since", "pis", {"since": "yesterday"}), (400, "must be before", "pis", {"since": END, "until": START}),
                (400, "no value", "pis", {"place": "a\tb"})):
            with self.subTest(name, **arguments):
                got, _, body = self.ask(name, **arguments)
                self.assertEqual(got, status, body)
                self.assertIn(words, json.loads(body)["detail"])
        self.assertEqual(self.ask("pis", method="POST")[0], 405)
        status, headers, body = self.ask("pis", method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["content-length"]), 0)

    def test_for_those_alone_who_know_the_token(self):
        token = self.folder / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.serve("--db", "ble.db", "--token-file", "token")
        self.assertEqual(self.ask("pis")[0], 401)
        self.assertEqual(self.ask("pis", headers={"Authorization": f"Bearer {TOKEN}"})[0], 200)

    def first_status(self):
        with EventStream(self.port) as stream:
            return json.loads(stream.next()["data"])["data"]

    def test_clients_are_told_that_there_is_history(self):
        self.serve("--db", "ble.db", "--stay")
        self.assertIs(self.first_status()["history"], True)

    def test_systemd_is_told_nothing_by_its_processes(self):
        with Notify() as notify:
            server = self.serve("--db", "ble.db", "--stats", "0.1", env=notify.env)
            self.assertEqual(self.ask("pis")[0], 200)
            notify.until("STATUS=")
            self.assertEqual(self.ask("top")[0], 200)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            said = notify.standing()
        self.assertEqual([message for message in said if "answering" in message or "READY" in message], [])

    def test_without_a_database(self):
        self.serve("--stay")
        status, _, body = self.ask("pis")
        self.assertEqual(status, 404)
        self.assertIn("blews was started without --db", json.loads(body)["detail"])
        self.assertNotIn("history", self.first_status())


class Trouble(Api):
    def test_a_slow_question_holds_nobody_up(self):
        self.store(make_batches(3))
        database = sqlite3.connect(self.folder / "ble.db")
        database.executescript(SLOW)
        database.close()
        server = self.serve("--db", "ble.db", "--question-timeout", "3")
        answers = []
        slow = threading.Thread(target=lambda: answers.append(self.ask("pis")))
        slow.start()
        wait_until(lambda: children(server.process.pid), "a process that answers")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        self.addCleanup(connection.close)
        connection.request("GET", "/events")
        events = connection.getresponse()
        server.write(b'{"type":"detection_event","data":{"device_id":"pi-x"}}\n')
        while b"pi-x" not in (line := events.readline()):
            self.assertTrue(line)
        self.assertEqual(answers, [])  # still asking
        slow.join()
        status, _, body = answers[0]
        self.assertEqual(status, 504, body)

    def test_a_process_that_is_killed_is_replaced(self):
        self.store(make_batches(3))
        server = self.serve("--db", "ble.db")
        for place in ("one", "two", "three"):  # three questions, so that none is answered from memory
            self.assertEqual(self.ask("top", place=place)[0], 404)
            for child in children(server.process.pid):
                os.kill(child, signal.SIGKILL)
        self.assertEqual(self.ask("pis")[0], 200)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)

    def test_a_database_that_comes_later(self):
        self.serve("--db", "ble.db")
        status, _, body = self.ask("pis")
        self.assertEqual(status, 503, body)
        self.store(make_batches(3))
        wait_until(lambda: self.ask("pis")[0] == 200, "the database to be seen")

    def test_its_processes_end_with_it(self):
        self.store(make_batches(3))
        server = self.serve("--db", "ble.db")
        self.assertEqual(self.ask("pis")[0], 200)
        pids = children(server.process.pid)
        self.assertEqual(len(pids), 1)
        server.process.kill()
        server.wait()
        wait_until(lambda: not os.path.exists(f"/proc/{pids[0]}"), "the end of its process")


if __name__ == "__main__":
    unittest.main()
