"""bletop: its screens and keys in a real terminal (tmux), its tables without one, blews as its source, and each exit code."""
import contextlib
import json
import os
import pathlib
import re
import signal
import tempfile
import time
import unittest

from harness import Tool, free_port, self_signed, standing, wait_until
from harness.process import run
from harness.tmux import Tmux

NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
TOKEN = "0123456789abcdef0123456789abcdef"


def heard(digit, rssi, **more):
    zone = "near" if rssi >= -60 else "medium" if rssi >= -75 else "far"
    return {"device_hash": digit * 64, "rssi": rssi, "zone": zone, "timestamp": NOW, "count": 20, **more}


def batch(device, *detections, seq=0, **more):
    return json.dumps({"format": 1, "device_id": device, "timestamp": NOW, "run_id": "r1", "seq": seq, "window_ms": 10000,
                       "interval_ms": 40000, "detections": list(detections), **more})


def event(*words, **more):
    return '{"type":"detection_event","data":' + batch(*words, **more) + "}"


GAP = '{"format":1,"device_id":"pi-2","run_id":"r1","gap":{"from_seq":3,"to_seq":5,"reason":"expired"}}'
AIR = [batch("pi-1", heard("a", -80, local_name="Lamp"), heard("b", -55), name="Hall"),
       event("pi-2", heard("a", -70, local_name="Lamp"), heard("c", -65, beacon={"ibeacon": {"uuid": "0123456789", "major": 1, "minor": 2}}))]


def text(*lines):
    return "".join(line + "\n" for line in lines)


def rows(screen):
    """The first words of the table's rows."""
    return re.findall(r"^([0-9a-f])\1{7} ", screen, re.MULTILINE)


def next_with(top, wanted):
    """The next line of its output with this in it."""
    while True:
        line = top.line()
        if line is None:
            raise AssertionError(f"the output ended before {wanted!r}: {top.err}")
        if wanted in line.decode():
            return line.decode()


class Plain(unittest.TestCase):
    def top(self, *words, given="", **options):
        code, out, err = run("bletop", *words, input=given if isinstance(given, bytes) else given.encode(), **options)
        return code, out.decode(), err

    def test_the_last_table_at_the_end_of_the_input(self):
        code, out, err = self.top(given=text(*AIR))
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^\d{4}-\d\d-\d\dT[0-9:.]+Z\nbletop  3 advertisers, 2 Pis  .*input ended\n")
        self.assertEqual(rows(out), ["b", "c", "a"])
        lamp = next(line for line in out.splitlines() if line.startswith("aaaa"))
        self.assertRegex(lamp, r"Lamp +-70 .* 2\.0 medium pi-2 ")
        self.assertIn("ibeacon 01234567 1/2", out)
        self.assertNotIn("\x1b", out)

    def test_sorted_filtered_and_so_many_rows(self):
        self.assertEqual(rows(self.top("--sort", "hash", "--reverse", given=text(*AIR))[1]), ["c", "b", "a"])
        self.assertEqual(rows(self.top("--filter", "LAMP", given=text(*AIR))[1]), ["a"])
        self.assertEqual(rows(self.top("--rows", "1", given=text(*AIR))[1]), ["b"])

    def test_pis_with_what_is_missing_and_lost(self):
        out = self.top("--pis", given=text(*AIR, batch("pi-1", seq=3, name="Hall", clock="unsynced"), GAP))[1]
        one, two = [line.split() for line in out.splitlines() if line.startswith("pi-")]
        self.assertEqual(one[:2], ["pi-1", "Hall"])
        self.assertEqual(one[4:10], ["10/40", "s", "2", "0", "2", "-"])
        self.assertIn("unsynced", one)
        self.assertEqual(two[3:9], ["10/40", "s", "1", "2", "-", "3"])
        self.assertEqual(self.top("--pis", "--sort", "lost", given=text(*AIR, GAP))[1].find("pi-2") <
                         self.top("--pis", "--sort", "lost", given=text(*AIR, GAP))[1].find("pi-1"), True)

    def test_what_is_none_of_ours_is_counted_and_said_once(self):
        code, out, err = self.top(given=text(*AIR, "nonsense", "{}", "x" * 600_000) + '{"dev')
        self.assertEqual(code, 0)
        self.assertEqual(err.count("left out"), 1)
        self.assertEqual(rows(out), ["b", "c", "a"])

    def test_names_do_nothing_to_a_terminal(self):
        evil = "\x1b]0;gone\x07\x1b[2J\u202eevil\u2028\x9b31m\r\n"
        out = self.top(given=text(batch("pi-1", heard("a", -50, local_name=evil)),
                                  event("pi-2", heard("b", -50, identity=evil, beacon={"eddystone_url": {"url": evil}}))),
                       env={"LC_ALL": "C.UTF-8"})[1]
        self.assertEqual(rows(out), ["a", "b"])
        self.assertFalse(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", out), out)

    def test_ascii_only_where_the_locale_is(self):
        given = text(batch("pi-1", heard("a", -50, local_name="Höhle")))
        self.assertTrue(self.top(given=given, env={"LC_ALL": "C"})[1].isascii())
        self.assertIn("Höhle", self.top(given=given, env={"LC_ALL": "C.UTF-8"})[1])

    def test_again_and_again(self):
        with Tool("bletop", "--every", "0.1") as top:
            top.write(text(AIR[0]))
            next_with(top, "2 advertisers, 1 Pi ")
            top.write(text(AIR[1]))
            next_with(top, "3 advertisers, 2 Pis ")
            top.signal(signal.SIGTERM)
            self.assertEqual(top.wait(), 0)

    def test_lines_are_taken_at_once(self):
        with Tool("bletop", "--every", "3600", "--verbose") as top:
            top.wait_err("ready")
            top.write(text(AIR[0]))
            wait_until(lambda: top.stats()["out"] == 1, "the line to be taken")

    def test_the_reader_is_gone(self):
        reading, writing = os.pipe()
        with Tool("bletop", "--every", "3600", stdout=writing) as top:
            os.close(writing)
            os.close(reading)
            self.assertEqual(top.wait(), 74)
            self.assertEqual(top.err, "")


class ExitCodes(unittest.TestCase):
    def test_help_and_version(self):
        code, out, _ = run("bletop", "--help")
        self.assertEqual(code, 0)
        self.assertIn(b"blescan --detail", out)
        self.assertEqual(run("bletop", "--version")[0], 0)

    def test_usage(self):
        for words, said in ((("--sort", "weight"), "no such column"), (("--pis", "--sort", "rssi"), "of Pis"), (("--url", "mqtt://x"), "http://"),
                            (("--url", "http://u:p@h/events"), "--token-file"), (("--token-file", "x"), "--url"), (("stray",), "stray"),
                            (("--every", "0"), "--every"), (("--url", "http://"), "HOST"), (("--key", "x", "--url", "https://h/"), "--cert")):
            code, _, err = run("bletop", *words)
            self.assertEqual(code, 64, (words, err))
            self.assertIn(said, err)
        self.assertEqual(run("bletop", env={"BLEPIPE_SORT": "weight"})[0], 78)
        self.assertEqual(run("bletop", "--check", "--url", "http://127.0.0.1:1/events")[0], 0)
        self.assertEqual(run("bletop", "--url", "http://127.0.0.1:1/events", "--token-file", "absent")[0], 78)

    def test_a_terminal_as_input_is_nothing_to_read(self):
        with Tmux() as term:
            term.run("bletop; echo code $?")
            self.assertIn("blescan | bletop", term.wait("code 64"))

    def test_a_folder_as_input(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        with Tool("bletop", stdin=folder) as top:
            self.assertEqual(top.wait(), 74)

    def test_two_readers_of_one_pipe(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, "air")
            os.mkfifo(fifo)
            with open(fifo, "r+b", buffering=0), open(fifo, "rb") as one, open(fifo, "rb") as other, \
                    Tool("bletop", "--verbose", stdin=one) as first:
                first.wait_err("ready")
                with Tool("bletop", stdin=other) as second:
                    self.assertEqual(second.wait(), 69)


class OnTerminal(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, *lines, columns=100, rows=24, words="", before="", **env):
        """bletop in a terminal, behind a FIFO that is held open: (terminal, writer)."""
        term = self.stack.enter_context(Tmux(columns, rows, **env))
        os.mkfifo(os.path.join(term.cwd, "air"))
        term.run(f"{before} bletop {words} <air; echo code $?")
        writer = self.stack.enter_context(open(os.path.join(term.cwd, "air"), "w", encoding="utf-8"))
        self.write(writer, *lines)
        term.wait("reading")
        return term, writer

    def write(self, writer, *lines):
        writer.write(text(*lines))
        writer.flush()

    def wait_rows(self, term, *wanted):
        return wait_until(lambda: rows(term.screen()) == list(wanted) and term.screen(), lambda: f"{wanted} in:\n{term.screen()}")

    def test_the_table_sorts_by_keys(self):
        term, writer = self.start(*AIR)
        self.wait_rows(term, "b", "c", "a")
        term.type("r")
        self.wait_rows(term, "a", "c", "b")
        term.type("1")
        self.wait_rows(term, "a", "b", "c")
        self.write(writer, batch("pi-1", heard("0", -40)))
        self.wait_rows(term, "0", "a", "b", "c")
        self.assertIn("█", term.screen())
        term.type("q")
        self.assertNotIn("advertisers", term.wait("code 0"))

    def test_the_filter(self):
        term, _ = self.start(*AIR)
        term.type("/laq")
        self.wait_rows(term)
        term.press("BSpace")
        self.wait_rows(term, "a")
        self.assertIn("1 of 3 advertisers", term.screen())
        term.press("Enter")
        term.wait("/la   (Esc: all)")
        term.press("Escape")
        self.wait_rows(term, "b", "c", "a")

    def test_frozen_and_going_on(self):
        term, writer = self.start(AIR[0])
        self.wait_rows(term, "b", "a")
        term.type(" ")
        term.wait("FROZEN")
        self.write(writer, AIR[1])
        wait_until(lambda: standing(writer.fileno()) == 0, "the line to be taken")
        term.type("r")
        self.wait_rows(term, "a", "b")
        term.type("r ")
        self.wait_rows(term, "b", "c", "a")

    def test_one_advertiser_large(self):
        term, _ = self.start(*AIR)
        self.wait_rows(term, "b", "c", "a")
        term.press("End", "Enter")
        screen = term.wait("a" * 64)
        self.assertRegex(screen, r"name +Lamp")
        self.assertRegex(screen, r"nearest Pi +pi-2")
        self.assertRegex(screen, r"pi-1 +-80 far")
        self.assertIn("now", screen)
        term.press("Escape")
        self.wait_rows(term, "b", "c", "a")

    def test_pis_and_help(self):
        term, _ = self.start(*AIR, GAP)
        term.press("Tab")
        screen = term.wait("missing")
        self.assertRegex(screen, r"pi-1 +Hall +\d")
        term.type("?")
        term.wait("filter as you type")
        term.press("Escape")
        term.wait("missing")
        term.type("p")
        self.wait_rows(term, "b", "c", "a")

    def test_resized(self):
        many = batch("pi-1", *(heard(digit, -50 - n) for n, digit in enumerate("0123456789abcdef")))
        term, _ = self.start(many, rows=8)
        self.wait_rows(term, *"01234")
        term.resize(60, 12)
        self.wait_rows(term, *"012345678")
        self.assertNotIn("strength", term.screen())
        term.resize(100, 8)
        self.wait_rows(term, *"01234")
        self.assertIn("strength", term.screen())
        term.press("End")
        self.wait_rows(term, *"bcdef")

    def test_names_do_nothing_to_the_terminal(self):
        term, _ = self.start(batch("pi-1", heard("a", -50, local_name="\x1b[2Jevil\x1b]0;gone\x07\u202e"), heard("b", -60)))
        self.assertIn("?[2Jevil?", self.wait_rows(term, "a", "b"))

    def test_colours_and_none(self):
        term, _ = self.start(*AIR)
        term.wait("\x1b[1m\x1b[32m", escapes=True)
        plain, _ = self.start(*AIR, NO_COLOR="1")
        self.wait_rows(plain, "b", "c", "a")
        self.assertIsNone(re.search(r"\x1b\[3[0-7]m", plain.screen(escapes=True)))

    def test_ascii_terminal(self):
        term, _ = self.start(*AIR, LC_ALL="C")
        self.wait_rows(term, "b", "c", "a")
        self.assertTrue(term.screen().isascii())
        self.assertIn("####", term.screen())

    def test_the_last_state_stays_when_the_input_ends(self):
        term, writer = self.start(*AIR)
        writer.close()
        self.assertEqual(rows(term.wait("input ended")), ["b", "c", "a"])
        term.type("q")
        term.wait("code 0")

    def test_a_signal_puts_the_terminal_back(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            term, _ = self.start(*AIR)
            self.wait_rows(term, "b", "c", "a")
            term.signal("bletop", number)
            self.assertEqual(rows(term.wait("code 0")), [])
            term.run("stty -a")
            for word in ("icanon", "echo", "onlcr"):
                wait_until(lambda w=word: re.search(rf"(^|\s){w}(\s|$)", term.screen()), lambda: term.screen())

    def test_a_terminal_that_is_closed_ends_it(self):
        term, _ = self.start(*AIR)
        pid = term.pids("bletop")[0]
        term.close()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "bletop to end")

    def test_stopped_and_continued(self):
        term, writer = self.start(*AIR)
        self.wait_rows(term, "b", "c", "a")
        term.press("C-z")
        term.wait("Stopped")
        self.assertEqual(rows(term.screen()), [])
        self.write(writer, batch("pi-1", heard("0", -40)))
        term.run("fg")
        self.wait_rows(term, "0", "b", "c", "a")

    def test_what_it_logs_does_not_spoil_the_picture(self):
        term, writer = self.start(*AIR)
        self.wait_rows(term, "b", "c", "a")
        self.write(writer, "nonsense")
        wait_until(lambda: "a line is left out" in term.lines()[23], lambda: term.screen())
        self.assertEqual(rows(term.screen()), ["b", "c", "a"])

    def test_a_terminal_that_nobody_knows_gets_tables(self):
        term, writer = self.start(*AIR, words="--every 0.2", before="TERM=nonsense")
        writer.close()
        term.wait("input ended")
        term.wait("code 0")


class FromBlews(unittest.TestCase):
    def server(self, port, *words):
        server = Tool("blews", "--port", port, "--stats-update", "0", *words)
        server.wait_err("listening on ")
        return server

    def test_events_with_a_token_and_after_a_restart(self):
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            token = pathlib.Path(folder) / "token"
            token.write_text(TOKEN)
            token.chmod(0o600)
            words = ("--url", f"http://127.0.0.1:{port}/events", "--token-file", token, "--every", "0.1")
            with Tool("bletop", *words) as top:  # before there is a server
                top.wait_err("no connection")
                with self.server(port, "--token-file", token) as server:
                    server.write(text(AIR[0]))
                    next_with(top, "2 advertisers, 1 Pi ")
                    server.signal(signal.SIGKILL)
                next_with(top, "no connection")
                with self.server(port, "--token-file", token) as server:
                    server.write(text(AIR[1]))
                    next_with(top, "3 advertisers, 2 Pis ")
            wrong = pathlib.Path(folder) / "wrong"
            wrong.write_text(TOKEN[::-1])
            wrong.chmod(0o600)
            with self.server(port, "--token-file", token):
                for more in ((), ("--token-file", wrong)):
                    code, _, err = run("bletop", "--url", f"http://127.0.0.1:{port}/events", *more)
                    self.assertEqual(code, 77, err)
                    self.assertIn("--token-file", err)

    def test_by_https(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = self_signed(folder)
            port = free_port()
            url = f"https://localhost:{port}/events"
            with self.server(port, "--cert", certificate, "--key", key) as server:
                server.write(text(AIR[0]))
                with Tool("bletop", "--url", url, "--cafile", certificate, "--every", "0.1") as top:
                    next_with(top, "2 advertisers, 1 Pi ")
                with Tool("bletop", "--url", url, "--insecure", "--every", "0.1") as top:
                    next_with(top, "2 advertisers, 1 Pi ")
                with Tool("bletop", "--url", url, "--every", "0.1") as top:
                    top.wait_err("its certificate is not trusted")
                    next_with(top, "no connection")
                    self.assertEqual(top.err.count("not trusted"), 1)
                with Tool("bletop", "--url", url.replace("https:", "http:")) as top:
                    top.wait_err("this port wants TLS: write https:// in the URL")

    def test_by_https_with_a_certificate_of_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = self_signed(folder)
            port = free_port()
            words = ("--url", f"https://localhost:{port}/events", "--cafile", certificate, "--every", "0.1")
            with self.server(port, "--cert", certificate, "--key", key, "--client-ca", certificate) as server:
                server.write(text(AIR[0]))
                with Tool("bletop", *words, "--cert", certificate, "--key", key) as top:
                    next_with(top, "2 advertisers, 1 Pi ")
                with Tool("bletop", *words) as top:
                    top.wait_err("it asks for a certificate of ours")

    def test_what_is_current_is_as_old_as_it_is(self):
        port = free_port()
        with self.server(port) as server:
            server.write(text(batch("pi-1", heard("a", -50), name="Hall", timestamp="2026-01-22T06:30:10Z")))
            wait_until(lambda: server.stats()["in"] == 1, "the event to be taken")
            with Tool("bletop", "--url", f"http://127.0.0.1:{port}/events", "--every", "0.1", "--pis") as top:
                self.assertRegex(next_with(top, "pi-1 "), r"Hall +\d+ d ")

    def test_a_server_without_events(self):
        port = free_port()
        with self.server(port):
            for path in ("health", "nothing"):
                code, _, err = run("bletop", "--url", f"http://127.0.0.1:{port}/{path}")
                self.assertEqual(code, 76, err)
                self.assertIn("/events", err)

    def test_keys_with_an_address(self):
        port = free_port()
        with self.server(port) as server, Tmux() as term:
            server.write(text(AIR[0]))
            term.run(f"bletop --url http://127.0.0.1:{port}/events; echo code $?")
            term.wait("connected")
            wait_until(lambda: rows(term.screen()) == ["b", "a"], term.screen)
            term.type("q")
            term.wait("code 0")
