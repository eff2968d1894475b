"""--doctor of each command but blescan looks at its own leg, on real servers, and says what to type."""
import contextlib
import json
import os
import socket
import socketserver
import sqlite3
import subprocess
import threading
import unittest

from harness import (DEADLINE_S, Broker, Database, ExampleBroker, FolderTest, HttpServer, NatsBroker, Postgres, TlsBrokers, Tool, as_other_user, end_pipeline,
                     free_port, make_batches, pipeline, self_signed, wait_port)

RAW = "tfg/detections/raw"


class Doctor(FolderTest):
    def setUp(self):
        super().setUp()
        self.stack = self.enterContext(contextlib.ExitStack())

    def report(self, name, *words, code=0, **options):
        """Each check with its verdict, in order; and all of them as they are told."""
        with Tool(name, "--doctor", "--json", *words, stdin=None, cwd=self.folder, **options) as tool:
            lines = tool.lines()
            self.assertEqual(tool.wait(), code, (lines, tool.err))
        told = json.loads(lines[0])
        could = [value for key, value in told.items() if key.startswith("could_")]
        self.assertEqual(could, [code == 0], told)
        for check in told["checks"]:
            if check["verdict"] in ("warning", "failed"):
                self.assertTrue(check.get("advice"), check)
        return {check["check"]: check["verdict"] for check in told["checks"]}, {check["check"]: check for check in told["checks"]}

    def verdicts(self, report, *names):
        return [report[0].get(name) for name in names]


class AtABroker(Doctor):
    def setUp(self):
        super().setUp()
        self.way = ("name", "broker", "login")

    def at(self, broker, *words):
        return ["--host", "127.0.0.1", "--port", broker.port, *words]

    def test_all_is_well_and_no_batch_is_made_of_it(self):
        with Broker() as broker:
            database = Database(self.folder / "ble.db")
            pair = pipeline(self.stack, ["blesub", *map(str, self.at(broker))], ["bleingest", "--db", database.path], stdout=None, cwd=self.folder)
            pair[0].wait_err("subscribed")
            report = self.report("blesend", *self.at(broker))
            self.assertEqual(self.verdicts(report, *self.way, "publish", "spool"), ["ok"] * 5)
            with self.sending(broker):
                report = self.report("blesub", *self.at(broker))
            self.assertEqual(self.verdicts(report, *self.way, "subscribe", "reject"), ["ok"] * 5)
            self.assertIn("granted, and something came", report[1]["subscribe"]["found"])
            self.send(broker, make_batches(3))
            database.wait_count(3)
            end_pipeline(pair)
            self.assertRegex(pair[1].err, "stored 3 batches .* 0 rejected, 0 torn")
            self.assertFalse((self.folder / "blesub.rejected.ndjson").exists())

    @contextlib.contextmanager
    def sending(self, broker):
        """Somebody publishes again and again what blesub takes for nothing."""
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", RAW, "-n", "--repeat", "1000", "--repeat-delay", "0.1"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
            yield
            process.terminate()

    def send(self, broker, lines):
        with Tool("blesend", *self.at(broker), cwd=self.folder) as sender:
            sender.offer("".join(line + "\n" for line in lines).encode())
            self.assertEqual(sender.wait(), 0, sender.err)

    def test_nobody_is_subscribed(self):
        with Broker() as broker:
            report = self.report("blesend", *self.at(broker))
            self.assertEqual(self.verdicts(report, *self.way, "publish"), ["ok", "ok", "ok", "warning"])
            self.assertIn("blesub", report[1]["publish"]["advice"])

    def test_a_session_goes_on_undisturbed(self):
        with Broker() as broker:
            words = self.at(broker, "--client-id", "backend")
            with Tool("blesub", *words, cwd=self.folder) as tool:
                tool.wait_err("subscribed")
                self.assertEqual(self.verdicts(self.report("blesub", *words), "subscribe"), ["warning"])
                self.send(broker, make_batches(2))
                self.assertEqual([json.loads(tool.line())["seq"] for _ in range(2)], [0, 1])
                self.assertNotIn("lost", tool.err)

    def test_a_broker_that_is_not_there(self):
        for name in ("blesend", "blesub"):
            report = self.report(name, "--host", "127.0.0.1", "--port", free_port(), code=69)
            self.assertEqual(self.verdicts(report, *self.way), ["ok", "failed", "unknown"])
            self.assertIn("refused", report[1]["broker"]["found"])

    def several(self, code, *words):
        """The verdicts of --doctor, in order."""
        with Tool(*words, "--doctor", "--json", stdin=None, cwd=self.folder) as tool:
            lines = tool.lines()
            self.assertEqual(tool.wait(), code, (lines, tool.err))
        return [(check["check"], check["verdict"]) for check in json.loads(lines[0])["checks"]]

    def test_one_of_several_is_enough(self):
        with Broker() as broker:
            alive, dead = f"127.0.0.1:{broker.port}", f"127.0.0.1:{free_port()}"
            for name, last in (("blesend", "publish"), ("blesub", "subscribe")):
                found = self.several(0, name, "--broker", f"nowhere.invalid,{dead},{alive}")
                self.assertEqual(found[:12], [("name", "warning"), ("broker", "unknown"), ("login", "unknown"), (last, "unknown"),
                                              ("name", "ok"), ("broker", "warning"), ("login", "unknown"), (last, "unknown"),
                                              ("name", "ok"), ("broker", "ok"), ("login", "ok"), (last, found[11][1])])
                found = self.several(69, name, "--broker", f"{dead},127.0.0.1:{free_port()}")
                self.assertEqual([found[1], found[5]], [("broker", "failed")] * 2)
        with HttpServer(answer=lambda request: (200 if request.path == "/health" else 404, {}, b'{"service":"blerecv"}')) as server:
            found = self.several(0, "blesend", "--url", f"http://{dead}", "--url", server.url)
        self.assertEqual(found[:6], [("name", "ok"), ("server", "warning"), ("key", "unknown"), ("name", "ok"), ("server", "ok"), ("key", "ok")])

    def test_a_name_that_does_not_exist(self):
        report = self.report("blesub", "--host", "nowhere.invalid", code=69)
        self.assertEqual(self.verdicts(report, *self.way), ["failed", "unknown", "unknown"])

    def test_rights_and_passwords(self):
        with ExampleBroker(self.folder, ["pi-lab-1"]) as broker:
            backend = self.stack.enter_context(Tool(*broker.tool("blesub", "backend", "--client-id", "backend", "--topic-device"), cwd=self.folder))
            backend.wait_err("subscribed")
            mine = broker.tool("blesend", "pi-lab-1", "--topic", RAW + "/{device_id}", "--confirm", "stored")[1:]
            self.assertEqual(self.verdicts(self.report("blesend", *mine, env={"DEVICE_ID": "pi-lab-1"}), "broker", "tls", "login", "publish", "subscribe"),
                             ["ok", "ok", "ok", "ok", "unknown"])
            # What it may not read, mosquitto grants.
            report = self.report("blesub", *broker.tool("blesub", "pi-lab-1", "--topic", RAW + "/+")[1:])
            self.assertEqual(self.verdicts(report, "login", "subscribe"), ["ok", "warning"])
            self.assertIn("may not read there", report[1]["subscribe"]["found"])
            report = self.report("blesend", *mine, env={"DEVICE_ID": "pi-lab-2"}, code=69)
            self.assertEqual(self.verdicts(report, "tls", "login", "publish"), ["ok", "ok", "failed"])
            self.assertIn("not authorised", report[1]["publish"]["found"])
            password = self.folder / "wrong"
            password.write_text("wrong", encoding="ascii")
            report = self.report("blesub", *broker.tool("blesub", "backend", "--password-file", password)[1:], code=69)
            self.assertEqual(self.verdicts(report, "broker", "tls", "login", "subscribe"), ["ok", "ok", "failed", "unknown"])

    def test_a_subscription_that_is_denied(self):
        self.file("password", "secret")
        with NatsBroker('authorization { users: [{ user: "pi", password: "secret", permissions: { subscribe: ["other"] } }] }') as broker:
            report = self.report("blesub", *self.at(broker, "--username", "pi", "--password-file", "password"), code=69)
        self.assertEqual(self.verdicts(report, *self.way, "subscribe"), ["ok", "ok", "ok", "failed"])

    def test_with_mqtt_3_1_1_a_denial_is_not_told(self):
        with NatsBroker() as broker:
            report = self.report("blesend", *self.at(broker))
            self.assertEqual(self.verdicts(report, *self.way, "publish"), ["ok", "ok", "ok", "warning"])
            self.assertIn("3.1.1", report[1]["publish"]["found"])


class AtATlsBroker(TlsBrokers, Doctor):
    def test_certificates(self):
        for certificate, authority, verdicts in (("server", "ca", ["ok", "ok", "ok"]), ("expired", "ca", ["ok", "failed", "unknown"]),
                                                 ("server", "other", ["ok", "failed", "unknown"])):
            broker = self.broker(certificate)
            report = self.report("blesub", "--host", "localhost", "--port", broker.port, "--cafile", self.path(authority + ".pem"),
                                 code=0 if "failed" not in verdicts else 69)
            self.assertEqual(self.verdicts(report, "broker", "tls", "login"), verdicts, report[1])


class Greeter(socketserver.BaseRequestHandler):
    """Speaks first, as SSH and SMTP do."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.request.recv(4096)


class ByHttp(Doctor):
    def test_blesend_and_blerecv(self):
        made = self.folder / "keys"
        with Tool("blerecv", "--make-key", "pi-lab-1", cwd=self.folder) as tool:
            made.write_bytes(tool.line() + b"\n")
            tool.wait()
            (self.folder / "key").write_text(tool.err.split()[-1], encoding="ascii")
        port = free_port()
        words = ["--port", port, "--api-keys-file", made]
        self.assertEqual(self.verdicts(self.report("blerecv", *words), "port", "keys"), ["ok", "ok"])
        with Tool("blerecv", *words, cwd=self.folder) as server:
            wait_port(port)
            report = self.report("blerecv", *words)
            self.assertIn("is served by a blerecv already", report[1]["port"]["found"])
            self.assertEqual(self.report("blews", "--port", port, code=69)[0]["port"], "failed")
            to = ["--url", f"http://127.0.0.1:{port}"]
            self.assertEqual(self.verdicts(self.report("blesend", *to, "--api-key-file", self.folder / "key"), "name", "server", "key"), ["ok"] * 3)
            self.assertEqual(self.verdicts(self.report("blesend", *to, code=69), "server", "key"), ["ok", "failed"])
            self.assertEqual({server.stats()[name] for name in ("in", "rejected", "torn")}, {0})

    def test_a_server_of_another_make(self):
        """Of a key only 404 in the words of blerecv says that it counts."""
        answers = {}
        with HttpServer(answer=lambda request: answers[request.path == "/health"]) as server:
            blerecv = (200, {}, b'{"status":"healthy","service":"blerecv"}')
            missing = (404, {}, b'{"detail":"not found"}')
            for health, other, key in ((blerecv, missing, "ok"), (blerecv, (404, {"Content-Type": "text/html"}, b"<p>no"), "warning"),
                                       (blerecv, (429, {}, b'{"detail":"too many"}'), "warning"), (blerecv, (502, {}, b""), "warning"),
                                       (blerecv, (200, {}, b"{}"), "warning"), ((200, {}, b'{"status":"ok"}'), missing, "unknown"),
                                       (blerecv, (403, {}, b""), "failed")):
                answers = {True: health, False: other}
                with self.subTest(health=health, other=other):
                    report = self.report("blesend", "--url", server.url, code=69 if key == "failed" else 0)
                    self.assertEqual(self.verdicts(report, "server", "key"), ["ok", key], report[1])

    def test_a_port_of_another_kind(self):
        certificate = self_signed(self.folder)
        greeting = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter)
        self.stack.callback(greeting.server_close)
        self.stack.callback(greeting.shutdown)
        threading.Thread(target=greeting.serve_forever, daemon=True).start()
        with Broker() as broker, HttpServer(certificate=certificate) as secure, socket.create_server(("127.0.0.1", 0)) as silent:
            for port, scheme, found in ((broker.port, "http", "this is no HTTP server: it speaks MQTT"),
                                        (broker.port, "https", "there is no TLS at this port, and this is no HTTP server: it speaks MQTT"),
                                        (secure.port, "http", "this port wants TLS: write https:// in the URL"),
                                        (greeting.server_address[1], "http", "does not speak HTTP"),
                                        (silent.getsockname()[1], "http", "GET http://127.0.0.1:")):
                with self.subTest(found=found):
                    report = self.report("blesend", "--url", f"{scheme}://127.0.0.1:{port}", code=69)
                    self.assertIn(found, report[1]["server"]["found"])

    def test_a_certificate_that_nobody_vouches_for(self):
        pair = self_signed(self.folder)
        with HttpServer(certificate=pair) as server:
            self.assertEqual(self.verdicts(self.report("blesend", "--url", server.url, "--cafile", pair[0]), "server", "key"), ["ok", "warning"])
            report = self.report("blesend", "--url", server.url, code=69)
        self.assertIn("TLS: ", report[1]["server"]["found"])

    def test_a_port_without_tls(self):
        with HttpServer() as server:
            report = self.report("blesend", "--url", server.url.replace("http:", "https:"), code=69)
        self.assertIn("plain HTTP", report[1]["server"]["found"])

    def test_a_server_that_is_none_of_ours(self):
        with HttpServer(answer=lambda request: (404, {"Content-Type": "text/html"}, b"<p>no")) as server:
            report = self.report("blesend", "--url", server.url, code=69)
        self.assertEqual(self.verdicts(report, "server", "key"), ["failed", "unknown"])

    def test_a_certificate_that_ends_soon(self):
        certificate, key = self_signed(self.folder)  # for two days
        report = self.report("blews", "--port", free_port(), "--cert", certificate, "--key", key)
        self.assertEqual(self.verdicts(report, "port", "certificate", "token"), ["ok", "warning", "ok"])


class OfADatabase(Doctor):
    def store(self, path):
        with Tool("bleingest", "--db", path, stdout=None, cwd=self.folder) as tool:
            tool.offer("".join(line + "\n" for line in make_batches(2)).encode())
            self.assertEqual(tool.wait(), 0, tool.err)

    def test_a_file(self):
        checks = ("database", "writable", "newest", "space")
        path = self.folder / "ble.db"
        self.assertEqual(self.verdicts(self.report("bleingest", "--db", path), *checks), ["ok", "unknown", "unknown", "ok"])
        self.assertFalse(path.exists())
        self.store(path)
        before = path.stat().st_mtime_ns
        report = self.report("bleingest", "--db", path)
        self.assertEqual(self.verdicts(report, *checks), ["ok"] * 4)
        self.assertEqual(path.stat().st_mtime_ns, before)
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        self.assertEqual(self.verdicts(self.report("bleingest", "--db", path, code=69), "database", "writable"), ["ok", "failed"])
        lock.execute("ROLLBACK")
        lock.execute("UPDATE batches SET received_at = received_at - 86400000")
        self.assertEqual(self.verdicts(self.report("bleingest", "--db", path), "newest"), ["warning"])
        lock.execute("PRAGMA user_version = 1000")
        self.assertEqual(self.verdicts(self.report("bleingest", "--db", path, code=69), *checks), ["failed", "unknown", "unknown", "ok"])
        lock.close()

    def test_a_file_that_the_page_asks(self):
        path = self.folder / "ble.db"
        where = ["--port", free_port(), "--db", path]
        report = self.report("blews", *where)
        self.assertEqual(self.verdicts(report, "port", "database"), ["ok", "warning"])
        self.assertIn("is not there", report[1]["database"]["found"])
        self.assertFalse(path.exists())
        self.store(path)
        report = self.report("blews", *where)
        self.assertEqual(self.verdicts(report, "database"), ["ok"])
        self.assertIn("1 of its 1 Pis listen now", report[1]["database"]["found"])
        with sqlite3.connect(path) as database:
            database.execute("UPDATE devices SET last_received = last_received - 86400000")
        report = self.report("blews", *where)
        self.assertEqual(self.verdicts(report, "database"), ["warning"])
        self.assertIn("bleingest --doctor", report[1]["database"]["advice"])
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 1000")
        report = self.report("blews", *where, code=69)
        self.assertIn("has version 1000", report[1]["database"]["found"])
        path.write_text("no database at all, but some text that is long enough for a header " * 20, encoding="ascii")
        self.assertEqual(self.verdicts(self.report("blews", *where, code=69), "database"), ["failed"])

    @unittest.skipIf(os.geteuid() != 0, "another user is needed")
    def test_a_file_that_the_user_of_the_page_may_not_read(self):
        path = self.folder / "ble.db"
        self.store(path)
        os.chmod(self.folder, 0o755)
        words = as_other_user("blews", "--doctor", "--json", "--port", str(free_port()), "--db", str(path), beside=["blequery"])
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (69, ""))
        self.assertIn("Permission denied", done.stdout)

    def test_what_is_rejected_may_be_kept_nowhere(self):
        report = self.report("bleingest", "--db", self.folder / "ble.db", "--reject", "")
        self.assertEqual(self.verdicts(report, "reject"), ["ok"])

    def test_a_folder_that_is_not_there(self):
        report = self.report("bleingest", "--db", self.folder / "absent" / "ble.db", code=69)
        self.assertEqual(report[1]["space"]["advice"], f"mkdir -p {self.folder}/absent")

    def test_a_server(self):
        with Postgres(["fsync=off"]) as server:
            database = server.database()
            checks = ("database", "writable", "newest")
            self.assertEqual(self.verdicts(self.report("bleingest", "--db", database.path), *checks), ["ok", "unknown", "unknown"])
            self.store(database.path)
            self.assertEqual(self.verdicts(self.report("bleingest", "--db", database.path), *checks), ["ok"] * 3)
            server.sql("ALTER ROLE writer SET default_transaction_read_only = on")
            self.assertEqual(self.report("bleingest", "--db", database.path, code=69)[0]["database"], "failed")
            server.stop()
            self.assertEqual(self.verdicts(self.report("bleingest", "--db", database.path, code=69), *checks), ["failed", "unknown", "unknown"])


class InWords(Doctor):
    def test_people_get_the_same_in_words(self):
        port = free_port()
        with Tool("blesub", "--doctor", "--host", "127.0.0.1", "--port", port, stdin=None, cwd=self.folder) as tool:
            lines = [line.decode() for line in tool.lines()]
            self.assertEqual(tool.wait(DEADLINE_S), 69)
            self.assertEqual(tool.err, "")
        self.assertEqual(lines[0], "ok       name        127.0.0.1")
        self.assertRegex(lines[1], f"^failed   broker      127.0.0.1:{port}: .*refused")
        self.assertRegex(lines[2], "^ {21}-> nc -zv ")
        self.assertEqual(lines[-1], "No batch can be received.")

    def test_json_is_for_the_doctor(self):
        for name in ("blesend", "blesub", "blerecv", "bleingest", "blews"):
            with Tool(name, "--json", stdin=None, cwd=self.folder) as tool:
                self.assertEqual(tool.wait(), 64, name)
                self.assertIn("--json is for --doctor", tool.err)


if __name__ == "__main__":
    unittest.main()
