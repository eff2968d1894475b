"""What a tool says to somebody who typed, named or connected something wrong: what is wrong, and what was probably meant."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import Broker, HttpServer, TlsBrokers, Tool, free_port, make_batches, source_path
from harness.other_user import as_other_user
from harness.process import DEADLINE_S, run

SAMPLE = source_path("examples", "sample.btsnoop")
TOOLS = sorted(p.stem for p in pathlib.Path(source_path("tools")).glob("*.cpp"))


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="blepipe-words-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def says(self, code, text, *words, **options):
        got, _, err = run(*words, **options)
        self.assertEqual(got, code, err)
        self.assertIn(text, err)
        return err


class Typed(Case):
    def test_a_mistyped_option_suggests_the_right_one(self):
        for tool, typed, meant in (("blesend", "--broke", "--broker"), ("blesub", "--prot", "--port"), ("bleingest", "--retian=30", "--retain"),
                                   ("blews", "--tokne-file", "--token-file"), ("blescan", "--recrod", "--record"), ("blerecv", "--bin", "--bind")):
            self.says(64, f"there is no option {typed.split('=')[0]}; did you mean {meant}?", tool, typed, "x")

    def test_what_other_programs_call_an_option(self):
        for tool, typed, meant in (("bleingest", "--database", "--db"), ("blesend", "--server", "--broker"), ("blerecv", "--host", "--bind"),
                                   ("bletop", "--host", "--url"), ("blequery", "--from", "--since"), ("blesub", "--cacert", "--cafile"),
                                   ("blescan", "--iface", "--adapter"), ("blews", "--ssl", "--cert"), ("blequery", "--csv", "--format csv"),
                                   ("blesend", "--http", "--mode http"), ("blescan", "--monitor", "--source monitor")):
            self.says(64, f"there is no option {typed}; did you mean {meant}?", tool, typed, "x")

    def test_an_option_that_is_like_none_suggests_nothing(self):
        self.assertNotIn("did you mean", self.says(64, "there is no option --no-such-thing (try blescan --help)", "blescan", "--no-such-thing"))

    def test_a_secret_is_not_typed(self):
        for typed in ("--password", "--pasword", "--pwd"):
            self.says(64, "did you mean --password-file? A secret is read from a file", "blesend", typed, "x")
        self.assertNotIn("A secret", self.says(64, "did you mean --password-file?", "blesend", "--pasword-file", "x"))

    def test_a_stray_word_says_where_it_belongs(self):
        for words, meant in ((["blescan", "walk.pcap"], "--replay walk.pcap"), (["blescan", "hci1"], "--adapter hci1"),
                             (["blescan", "monitor"], "--source monitor"), (["blesend", "mqtt"], "--mode mqtt"),
                             (["blesend", "broker.example"], "--broker broker.example"), (["blesend", "http://a:1/b"], "--url http://a:1/b"),
                             (["blesend", "batches.ndjson"], "<batches.ndjson"), (["blesub", "site/+"], "--topic site/+"),
                             (["blesub", "1883"], "--port 1883"), (["blews", "8765"], "--port 8765"), (["blews", "my.db"], "--db my.db"), (["blerecv", "8000"], "--port 8000"),
                             (["bleexport", "ble.db"], "--db ble.db"), (["bletop", "http://a:1/events"], "--url http://a:1/events"),
                             (["bletop", "events.ndjson"], "<events.ndjson"), (["bletop", "Lamp"], "--filter Lamp")):
            self.says(64, f"'{words[1]}' belongs to no option; did you mean {meant}?", *words)

    def test_a_database_is_no_input_of_bleingest(self):
        made = self.folder / "made"
        self.assertEqual(run("bleingest", "--db", made)[0], 0)
        for word in (made, "ble.db", "postgresql://db.example/ble"):
            self.says(64, f"{word} is a database, not a file of batches; did you mean --db {word}?", "bleingest", word)

    def test_retain_wants_days(self):
        self.says(64, "--retain '3weeks': days are expected, as in 90 or 0.5; or hours, as in 12h", "bleingest", "--retain", "3weeks", "--check")


class Passwords(Case):
    """What was typed is told again in messages, and so may stand in a log; a password in it is not."""

    def says_no_secret(self, code, text, *words):
        self.assertNotIn("geheim", self.says(code, text, *words))

    def test_keywords_of_libpq_are_no_path(self):
        for keywords in ("host=db.example.org user=ble password=geheim", " dbname = ble password = 'geheim'", "port=5432", "service=ble password=geheim"):
            for words in (["bleingest"], ["bleingest", "--doctor"], ["bleexport"], ["blequery", "pis"]):
                with self.subTest(keywords=keywords, words=words):
                    self.says_no_secret(64, "write postgresql://[USER@]HOST[:PORT]/NAME", *words, "--db", keywords)
            self.says_no_secret(78, "write postgresql://[USER@]HOST[:PORT]/NAME", "blews", "--db", keywords)
            self.says_no_secret(64, "a database is no file of batches", "bleingest", keywords)
        self.assertEqual(os.listdir(self.folder), [])
        self.says(0, "", "bleingest", "--check", "--db", "hosts=x.db")  # no keyword
        self.says(0, "", "bleingest", "--check", "--db", "./host=x.db")

    def test_of_urls_and_words(self):
        for words, text in ((["blews", "postgresql://u:geheim@h/db"], "--db postgresql://u:...@h/db"), (["blesend", "mqtt://u:geheim@h"], "--url mqtt://u:...@h"),
                            (["blesub", "mqtts://u:geh/geheim@x@h"], "--url mqtts://u:...@h"), (["bleexport", "postgresql://u:geheim@h/db"], "did you mean"),
                            (["blequery", "postgresql://u:geheim@h/db"], "is no question"), (["blequery", "pis", "postgresql://u:geheim@h/db"], "one question"),
                            (["blequery", "pis", "host=h password=geheim"], "host=h password=..."), (["blerecv", "http://u:geheim@h/"], "belongs to no option"),
                            (["bleingest", "postgresql://u:geheim@h/db"], "PGPASSFILE"), (["bletop", "--url", "http://u:geheim@h/events"], "--token-file")):
            with self.subTest(words=words):
                self.says_no_secret(64, text, *words)


class Environment(Case):
    def test_a_mistyped_name_is_warned_of(self):
        for name, meant in (("BLEPIPE_RETIAN", "BLEPIPE_RETAIN"), ("BLEPIPE_SPOOL_MAXX", "BLEPIPE_SPOOL_MAX")):
            self.says(0, f"{name} in the environment is no setting of blepipe; did you mean {meant}?", "bleingest", "--check", env={name: "3"})
        err = self.says(0, "BLEPIPE_XYZZYXYZZY in the environment is no setting of blepipe", "bleingest", "--check", env={"BLEPIPE_XYZZYXYZZY": ""})
        self.assertNotIn("did you mean", err)

    def test_what_any_tool_or_unit_knows_is_no_mistake(self):
        names = {"BLEPIPE_HASH_KEY_FILE", "BLEPIPE_TOKEN"}
        for tool in TOOLS:
            names |= set(re.findall(r"\$(BLEPIPE_[A-Z_]+)", run(tool, "--help")[1].decode()))
        for settings in pathlib.Path(source_path("systemd")).iterdir():
            if settings.is_file():
                names |= set(re.findall(r"\bBLEPIPE_[A-Z_]+\b", settings.read_text(encoding="utf-8")))
        self.assertGreater(len(names), 80)
        for tool in ("bleingest", "blews"):
            code, _, err = run(tool, "--check", env=dict.fromkeys(names, ""))
            self.assertEqual((code, err), (0, ""), "lib/base/mistyped.cpp lists the names of all tools")


class Places(Case):
    def test_a_missing_folder_is_called_that(self):
        missing = self.folder / "none"
        words = f"the folder {missing} is missing"
        for command in (["bleingest", "--db", missing / "x.db"], ["blesend", "--url", "http://localhost:1", "--spool", missing / "x"],
                        ["blesend", "--spool", missing / "x", "--status"], ["blescan", "--replay", missing / "x"],
                        ["bleingest", "--db", ":memory:", missing / "x"], ["bleexport", "--db", missing / "x"],
                        ["blescan", "--replay", SAMPLE, "--hash-key", missing / "x"], ["blerecv", "--cert", missing / "x", "--key", missing / "y"],
                        ["blesend", "--broker", "x", "--cafile", missing / "x"]):
            with self.subTest(command=command):
                code, _, err = run(*command)
                self.assertNotEqual(code, 0)
                self.assertIn(words, err)
        self.says(0, words, "bleingest", "--db", ":memory:", "--reject", missing / "x", input=b"no batch\n")
        self.says(0, f"unable to write metrics to {missing}/x: {words}", "bleingest", "--db", ":memory:", "--metrics", missing / "x")
        self.assertNotIn("folder", self.says(69, "No such file or directory", "blescan", "--replay", self.folder / "x"))

    def test_check_finds_a_place_that_cannot_be(self):
        missing, file = self.folder / "none", self.folder / "file"
        file.write_bytes(b"")
        send = ["blesend", "--url", "http://localhost:1", "--check"]
        self.says(78, f"unable to write the spool {missing}/x: the folder {missing} is missing", *send, "--spool", missing / "x")
        self.says(78, f"unable to write the spool {file}/x: Not a directory", *send, "--spool", file / "x")
        self.says(78, "Is a directory", *send, "--spool", self.folder)
        for words in (["bleingest", "--db", missing / "x"], ["bleingest", "--reject", missing / "x"], ["blesub", "--broker", "x", "--reject", missing / "x"],
                      ["blescan", "--source", "monitor", "--record", missing / "x"], ["bleexport", "--db", "x", "--resume", missing / "x"],
                      ["blews", "--metrics", missing / "x"]):
            self.says(78, "is missing", *words, "--check")
        self.assertEqual(run(*send, "--spool", self.folder / "new")[0], 0)
        self.assertEqual(os.listdir(self.folder), ["file"])  # it makes nothing

    def test_check_finds_a_place_that_is_taken(self):
        """As the tool itself does: by another kind of file, another program, a newer version of ours."""
        null, fifo, other, text, newer = (self.folder / name for name in ("null", "fifo", "other.db", "text", "newer?#%41.db"))
        null.symlink_to("/dev/null")
        os.mkfifo(fifo)
        with contextlib.closing(sqlite3.connect(other)) as database:
            database.execute("CREATE TABLE theirs (a)")
        text.write_bytes(b"no database, " * 100)
        run("bleingest", "--db", newer, input=b"")
        with contextlib.closing(sqlite3.connect(newer)) as database:
            database.execute("PRAGMA user_version = 1000")
        there = sorted(os.listdir(self.folder))
        send = ["blesend", "--url", "http://127.0.0.1:1", "--spool"]
        wrong = [(place, objected, words) for place, objected in ((null, "it is no regular file"), (fifo, "it is no regular file"),
                                                                  (other, "a database of another program"), (text, "not a database"),
                                                                  (newer, "has version 1000"))
                 for words in (["bleingest", "--db"], ["blequery", "pis", "--db"], ["bleexport", "--db"], send)
                 if words is not send or place in (null, fifo, other)]
        for place, objected, words in wrong:
            with self.subTest(words=words, place=place):
                self.says(78, objected, *words, place, "--check")
        self.says(0, "", *send, text, "--check")  # it would be set aside
        self.says(0, "", "bleingest", "--db", self.folder / "new", "--check")
        self.assertEqual(sorted(os.listdir(self.folder)), there)
        for place, objected, words in wrong:
            with self.subTest(words=words, place=place):
                self.says(78, objected, *words, place, input=b"")

    def test_who_checks_is_not_who_runs(self):
        """So a missing right is nothing to object to."""
        os.chmod(self.folder, 0o555)
        if os.geteuid() != 0:
            self.addCleanup(os.chmod, self.folder, 0o755)
        words = as_other_user("blesend", "--url", "http://localhost:1", "--check", "--spool", str(self.folder / "x"))
        self.says(0, "", *words)


class Pipes(Case):
    def shell(self, script):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MQTT_", "HTTP_", "DEVICE_"))}
        environment["PATH"] = os.environ["BLEPIPE_BIN"] + ":" + environment["PATH"]
        done = subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True,
                              timeout=DEADLINE_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_reports_instead_of_batches_are_one_line_and_all_are_kept(self):
        for command in ("bleingest --db ble.db --reject kept", f"blesend --broker localhost --port {free_port()} --drain-timeout 1 --reject kept"):
            with self.subTest(command=command):
                (self.folder / "kept").unlink(missing_ok=True)
                code, _, err = self.shell(f"blescan --replay {SAMPLE} --each | {command}")
                self.assertEqual(code, 0, err)
                said = [line for line in err.splitlines() if "rejected a line" in line]
                self.assertEqual(len(said), 1, err)
                self.assertIn("one advertising report, as of blescan --each, and no batch: leave out --each", said[0])
                self.assertGreater(len((self.folder / "kept").read_text(encoding="ascii").splitlines()), 4000)

    def test_a_replay_says_nothing_of_a_missing_key(self):
        code, _, err = self.shell(f"blescan --replay {SAMPLE} --device-id pi-words | tail -1")
        self.assertEqual((code, err), (0, ""))

    def test_who_reads_no_input_says_so_when_there_is_some(self):
        with Broker() as broker:
            for words, instead in ((["blerecv", "--port", "0"], "batches come by HTTP"),
                                   (["blesub", "--broker", "127.0.0.1", "--port", broker.port], "batches come from a broker")):
                with Tool(*words, "--verbose") as tool:
                    tool.wait_err("ready: ")
                    self.assertNotIn("reads no input", tool.err)
                    tool.write(make_batches(1)[0].encode() + b"\n")
                    tool.wait_err(f"{words[0]} reads no input, and somebody writes to it: {instead}")
                    tool.write(make_batches(1)[0].encode() + b"\n")
                    tool.stats()
                    tool.signal(signal.SIGTERM)
                    self.assertEqual(tool.wait(), 0)
                    self.assertEqual(tool.err.count("reads no input"), 1)

    def test_who_reads_no_input_rests_when_its_writer_ends(self):
        with Tool("blerecv", "--port", "0", "--verbose") as tool:
            tool.wait_err("ready: ")
            tool.close_stdin()
            time.sleep(0.5)
            before, began = tool.processor_time(), time.monotonic()
            time.sleep(2)
            self.assertLess(tool.processor_time() - before, (time.monotonic() - began) / 10)

    def test_events_name_the_parameter_that_is_wrong(self):
        with Tool("blews", "--port", "0") as tool:
            tool.wait_err("listening on ")
            port = int(re.search(r":(\d+)$", tool.err).group(1))
            for query, named in (("device=pi-1", "device: not known; use device_id"), ("rssi_min=near", "rssi_min: not an integer"),
                                 ("rssi_min=01", "rssi_min: not an integer")):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(f"GET /events?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                    answer = b"".join(iter(lambda c=client: c.recv(4096), b"")).decode()
                self.assertTrue(answer.startswith("HTTP/1.1 400"), answer)
                self.assertIn(named, answer)


class WrongPorts(TlsBrokers, unittest.TestCase):
    """MQTT, HTTP, with TLS and without: what is at a port is found out and said."""

    def say(self, text, *words):
        with Tool(*words) as tool:
            tool.wait_err(text)
            self.assertNotIn("connected to", tool.err)

    def mqtt(self, port, *cases):
        """All at once: a server that waits for the rest of a request lets each wait for 10 s."""
        with contextlib.ExitStack() as stack:
            started = [(text, stack.enter_context(Tool(name, "--broker", "localhost", "--port", port, "--mqtt-version", version, *words)))
                       for text, *words in cases for name, version in (("blesend", "auto"), ("blesub", "3.1.1"))]
            for text, tool in started:
                with self.subTest(text=text, name=tool.name):
                    tool.wait_err(text)
                    self.assertNotIn("connected to", tool.err)

    def test_mqtt_to_a_server_of_http(self):
        with HttpServer() as server:
            self.mqtt(server.url.rsplit(":", 1)[1], ("this is no MQTT broker: it speaks HTTP",),
                      ("there is no TLS at this port, and this is no MQTT broker: it speaks HTTP", "--tls"))

    def test_mqtt_to_a_server_of_https(self):
        with HttpServer(certificate=(self.path("server.pem"), self.path("server.key")), tls=ssl.TLSVersion.TLSv1_3) as server:
            self.mqtt(server.url.rsplit(":", 1)[1], ("TLS: this is no MQTT broker: it speaks HTTP", "--cafile", self.path("ca.pem")))

    def test_tls_to_a_plain_broker_and_the_other_way_round(self):
        with Broker() as plain:
            self.mqtt(plain.port, ("there is no TLS at this port: it speaks plain MQTT", "--tls"))
        self.mqtt(self.broker().port, ("this port wants TLS: say --tls, or mqtts:// in the URL",))

    def test_http_to_what_is_none(self):
        with Broker() as plain, HttpServer() as server, HttpServer(certificate=(self.path("server.pem"), self.path("server.key"))) as secure:
            for url, text in ((f"http://localhost:{plain.port}", "this is no HTTP server: it speaks MQTT"),
                              (f"https://localhost:{plain.port}", "there is no TLS at this port, and this is no HTTP server: it speaks MQTT"),
                              (server.url.replace("http:", "https:"), "there is no TLS at this port: it speaks plain HTTP"),
                              (secure.url.replace("https:", "http:"), "this port wants TLS: write https:// in the URL")):
                with self.subTest(url=url):
                    self.say(text, "blesend", "--url", url)

    def test_a_broker_that_was_met_is_not_asked_what_it_speaks(self):
        with Broker() as broker, Tool("blesub", "--broker", "127.0.0.1", "--port", broker.port) as tool:
            tool.wait_err("subscribed to")
            broker.stop()
            with socket.create_server(("127.0.0.1", broker.port)) as silent:
                for _ in range(3):  # the version is tried down to 3.1.1, which ends alike
                    connection, _ = silent.accept()
                    begin = connection.recv(1)
                    connection.close()
                    self.assertEqual(begin, b"\x10")  # CONNECT, no question of TLS or HTTP


if __name__ == "__main__":
    unittest.main()
