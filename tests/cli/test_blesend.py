import email.utils
import gzip
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Broker, HttpServer, TlsBrokers, Tool, free_port, run_past_pipe_quota, self_signed, wait_until
from harness.process import run

RUN = "9f2c41d07a6be813"
POST = "/api/v1/detections/bulk"


def batch(seq):
    return json.dumps({"format": 1, "device_id": "pi-lab-1", "timestamp": "2026-11-22T06:30:10.000Z", "run_id": RUN, "seq": seq,
                       "detections": []})


def old_batch(number):
    """As the first implementation sends it."""
    return json.dumps({"device_id": f"old-pi-{number}", "timestamp": "2026-11-22T06:30:10Z", "detections": []})


def lines(*texts):
    return "".join(text + "\n" for text in texts)


def by_seq(answers):
    """For HttpServer: what is answered to a batch of that seq, to gap lines (None) and to health checks ("health")."""
    def answer(request):
        if request.method == "GET":
            return answers.get("health", 200), {}, b""
        found = answers.get(json.loads(request.body).get("seq"), 201)
        return (found, {}, b"") if isinstance(found, int) else found
    return answer


def told(server):
    """What a server was sent: the seq of batches, (from_seq, to_seq, reason) of gap lines."""
    return [line["seq"] if "seq" in line else tuple(line["gap"][name] for name in ("from_seq", "to_seq", "reason"))
            for line in map(json.loads, server.bodies)]


class Case(unittest.TestCase):
    def blesend(self, *words, **options):
        tool = Tool("blesend", *words, **options)
        self.addCleanup(tool.__exit__)
        tool.wait_err("spool")  # from here on it takes signals
        return tool

    def server(self, *args, **options):
        server = HttpServer(*args, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def fifo(self):
        """(its path, a descriptor that holds it open and writes to it)"""
        path = os.path.join(self.folder(), "fifo")
        os.mkfifo(path)
        holder = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, holder)
        return path, holder

    def check_run(self, code, text, *words, **options):
        found, out, err = run("blesend", *words, **options)
        self.assertEqual(found, code, err)
        self.assertEqual(out, b"")
        self.assertIn(text, err)
        return err


class CommandLine(Case):
    def test_help_and_version(self):
        code, out, err = run("blesend", "--help")
        self.assertEqual((code, err), (0, ""))
        for text in (b"--mode mqtt|http", b"COMMUNICATION_MODE", b"HTTP_BASE_URL", b"MQTT_BUFFER_SIZE", b"Examples:"):
            self.assertIn(text, out)
        code, out, _ = run("blesend", "--version")
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith(b"blesend (blepipe) "))

    def test_a_mistyped_command_line_is_64(self):
        for words in (["--nonsense"], ["extra"], ["--mode", "smoke"], ["--buffer", "many"], ["--inflight", "0"],
                      ["--policy", "newest"], ["--drain-timeout", "soon"], ["--url", "ftp://h"], ["--url", "h:1883"],
                      ["--mode", "http", "--timeout", "0"], ["--url", "http://u:p@h"], ["--url", "mqtt://u:p@h"],
                      ["--host", "h", "--buffer", "0"], ["--host", "h", "--coalesce", "0"],
                      ["--mode", "http", "--buffer", "0", "--coalesce", "2"], ["--host", "h", "--topic", "a/#"], ["--host", "h", "--topic", "a\ufffe"],
                      ["--host", "h", "--keepalive", "4"], ["--host", "h", "--confirm-timeout", "0"]):
            with self.subTest(words):
                code, out, err = run("blesend", *words)
                self.assertEqual(code, 64, err)
                self.assertEqual(out, b"")
                self.assertNotIn("u:p", err)

    def test_a_mistyped_environment_is_78_and_named(self):
        for name, value in (("COMMUNICATION_MODE", "smoke"), ("MQTT_BUFFER_SIZE", "-1"), ("HTTP_TIMEOUT", "x"),
                            ("MQTT_PORT", "0"), ("BLEPIPE_POLICY", "newest")):
            with self.subTest(name):
                self.check_run(78, name, env={name: value})
        self.check_run(78, "HTTP_BASE_URL", "--mode", "http", env={"HTTP_BASE_URL": "mqtt://h"})
        self.check_run(78, "MQTT_BUFFER_SIZE", env={"MQTT_BUFFER_SIZE": "0", "MQTT_BROKER": "h"})
        self.check_run(78, "--coalesce", "--mode", "http", env={"MQTT_BUFFER_SIZE": "0", "BLEPIPE_COALESCE": "2"})

    def test_without_a_broker_it_says_how_to_name_one(self):
        self.check_run(78, "MQTT_BROKER")

    def test_a_url_that_contradicts_the_mode_is_64(self):
        self.check_run(64, "--mode says mqtt", "--mode", "mqtt", "--url", "http://h")
        self.check_run(64, "--mode says http", "--mode", "http", "--url", "mqtts://h")
        self.check_run(64, "COMMUNICATION_MODE says http", "--url", "mqtt://h", env={"COMMUNICATION_MODE": "http"})

    def test_what_is_asked_to_be_encrypted_is_never_sent_in_the_clear(self):
        for words in (["--tls"], ["--cafile", "/dev/null"], ["--insecure"]):
            self.check_run(64, "https://", "--url", "http://h", *words)
            self.check_run(64, "https://", "--mode", "http", *words)
            self.check_run(0, "", "--check", "--url", "https://h", *words)

    def test_the_mode_comes_from_flag_url_and_environment_in_this_order(self):
        both = {"MQTT_BROKER": "h", "HTTP_BASE_URL": "http://h"}
        for words, env in ((["--mode", "http"], {**both, "COMMUNICATION_MODE": "mqtt"}), (["--url", "https://h"], {}),
                           ([], {**both, "COMMUNICATION_MODE": "http"}), ([], both), (["--url", "mqtt://h/t"], {})):
            with self.subTest(words=words, env=env):
                self.check_run(0, "", "--check", *words, env=env)
        # HTTP_BASE_URL alone does not choose http: without a broker that is an error of mqtt.
        self.check_run(78, "no broker", "--check", env={"HTTP_BASE_URL": "http://h"})

    def test_a_secret_file_that_is_absent_is_78(self):
        self.check_run(78, "/absent", "--mode", "http", "--api-key-file", "/absent")

    def test_a_pipe_too_small_for_the_longest_line_is_71(self):
        code, err = run_past_pipe_quota("blesend", "--mode", "http")
        self.assertEqual(code, 71, err)
        self.assertIn("pipe-user-pages-soft", err)


class Input(Case):
    def http(self, given, *words, **options):
        """Runs to the end of `given`: (bodies, tool)."""
        server = self.server()
        tool = self.blesend("--url", server.url, *words, **options)
        tool.write(given)
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        return [b.decode() for b in server.bodies], tool

    def test_empty_lines_are_skipped_and_a_last_line_without_lf_is_taken(self):
        bodies, tool = self.http("\n" + batch(0) + "\n\n\n" + batch(1))
        self.assertEqual(bodies, [batch(0), batch(1)])
        self.assertEqual(os.listdir(tool.cwd), [])

    def test_no_input_ends_at_once_with_0(self):
        self.check_run(0, "", "--url", f"http://127.0.0.1:{free_port()}")

    def test_a_torn_tail_is_counted_and_said(self):
        bodies, tool = self.http(batch(0) + "\n" + batch(1)[:-9])
        self.assertEqual(bodies, [batch(0)])
        self.assertIn("within a line", tool.err)

    def test_what_is_no_batch_goes_to_the_reject_file_and_the_queue_goes_on(self):
        folder = self.folder()
        long = '{"device_id":"' + "x" * 600_000 + '"}'
        bodies, _ = self.http(lines("hello", batch(0), '{"device_id":"x"}', long, batch(1)), "--reject", f"{folder}/r")
        self.assertEqual(bodies, [batch(0), batch(1)])
        with open(f"{folder}/r", encoding="utf-8") as f:
            records = [json.loads(line) for line in f]
        self.assertEqual([r["line"][:20] for r in records], ["hello", '{"device_id":"x"}', long[:20]])
        self.assertIn("512000", records[2]["reason"])
        for record in records:
            self.assertTrue(record["time"].endswith("Z") and record["reason"])

    def test_a_reject_file_that_cannot_be_written_stops_nothing(self):
        unread = os.path.join(self.folder(), "fifo")
        os.mkfifo(unread)
        for name in (unread, "/dev/full", "/absent/file"):
            self.check_run(0, f"{name}: ", "--mode", "http", "--reject", name, input="junk\n")

    def test_the_reject_file_has_a_name_by_default(self):
        server = self.server()
        with Tool("blesend", "--url", server.url, env={"STATE_DIRECTORY": self.folder()}) as tool:
            tool.write("hello\n")
            wait_until(lambda: "blesend.rejected.ndjson" in tool.err, "the name of the file")
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(os.listdir(tool.cwd), [])

    def test_a_file_is_read_whole_though_the_spool_is_small(self):
        server = self.server()
        given = lines(*(batch(seq) for seq in range(3000)))
        server.stop()
        with tempfile.TemporaryFile() as file:
            file.write(given.encode())
            file.seek(0)
            tool = self.blesend("--url", server.url, "--buffer", "5", "--drop-after", "0", stdin=file)
            tool.wait_err("try")
            server.start()
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([json.loads(b)["seq"] for b in server.bodies], list(range(3000)))

    def test_a_file_and_nobody_to_take_it_ends_with_75(self):
        with tempfile.TemporaryFile() as file:
            file.write(lines(*(batch(seq) for seq in range(30_000))).encode())
            file.seek(0)
            tool = self.blesend("--url", f"http://127.0.0.1:{free_port()}", "--drain-timeout", "0.2", stdin=file)
            self.assertEqual(tool.wait(), 75)
            self.assertIn("100 batches", tool.err)
            self.assertIn("the rest of the input was not read", tool.err)

    def test_a_burst_through_a_pipe_is_not_dropped_while_it_is_delivered(self):
        bodies, _ = self.http(lines(*(batch(seq) for seq in range(2000))), "--buffer", "3")
        self.assertEqual([json.loads(b)["seq"] for b in bodies], list(range(2000)))

    def test_neither_a_burst_after_a_pause_nor_a_slow_server_is_a_reason_to_drop(self):
        def slow(request):
            if request.method == "POST" and "seq\": 0," not in request.body.decode():
                time.sleep(0.1)
            return 201, {}, b""
        server = self.server(answer=slow)
        tool = self.blesend("--url", server.url, "--buffer", "20", "--drop-after", "1")
        tool.write(lines(batch(0)))
        wait_until(lambda: server.posts, "the first batch")
        quiet_since = time.monotonic()
        wait_until(lambda: time.monotonic() - quiet_since > 1.2, "the pause to be longer than --drop-after")
        tool.write(lines(*(batch(seq) for seq in range(1, 60))))  # the last of 20 waits two seconds
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([json.loads(b)["seq"] for b in server.bodies], list(range(60)))

    def test_what_was_not_taken_is_still_in_a_held_fifo_after_sigkill(self):
        fifo, holder = self.fifo()
        words = ["--buffer", "4", "--policy", "block"]
        os.write(holder, lines(*(batch(seq) for seq in range(10))).encode())
        with open(fifo, "rb", buffering=0) as stdin:
            first = self.blesend("--url", f"http://127.0.0.1:{free_port()}", *words, stdin=stdin)
        wait_until(lambda: first.stats()["in"] == 4, "the spool to fill")
        first.signal(signal.SIGKILL)
        first.wait()
        server = self.server()
        with open(fifo, "rb", buffering=0) as stdin:
            second = self.blesend("--url", server.url, *words, stdin=stdin)
        wait_until(lambda: len(server.bodies) == 10, "all to arrive")
        self.assertEqual([json.loads(b)["seq"] for b in server.bodies], list(range(10)))
        second.signal(signal.SIGTERM)
        self.assertEqual(second.wait(), 0, second.err)

    def test_a_pipe_has_one_reader(self):
        fifo, _ = self.fifo()
        url = f"http://127.0.0.1:{free_port()}"
        with open(fifo, "rb", buffering=0) as one, open(fifo, "rb", buffering=0) as two:
            self.blesend("--url", url, stdin=one)
            second = Tool("blesend", "--url", url, stdin=two)
            self.addCleanup(second.__exit__)
            self.assertEqual(second.wait(), 69)
            self.assertIn("another", second.err)

    def test_a_directory_cannot_be_read(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        with Tool("blesend", "--url", "http://h", stdin=folder) as tool:
            self.assertEqual(tool.wait(), 74)
            self.assertIn("directory", tool.err)

    def test_count_ends_it_and_leaves_the_rest_in_the_pipe(self):
        server = self.server()
        out, into = os.pipe()
        self.addCleanup(os.close, into)
        self.addCleanup(os.close, out)
        os.write(into, lines("bad", *(batch(seq) for seq in range(5))).encode())
        for expected in (range(2), range(4)):
            tool = self.blesend("--url", server.url, "--count", "2", stdin=out)
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual([json.loads(b)["seq"] for b in server.bodies], list(expected))
        self.assertEqual(os.read(out, 65536).decode(), lines(batch(4)))

    def test_run_for_ends_it_and_a_count_not_reached_is_75(self):
        server = self.server()
        for words, code in (([], 0), (["--count", "2"], 75)):
            with self.subTest(words):
                tool = self.blesend("--url", server.url, "--run-for", "0.2", *words)
                tool.write(lines(batch(0)))
                self.assertEqual(tool.wait(), code, tool.err)


class Queue(Case):
    """What is the same for both transports is in the contract suite."""

    def test_block_leaves_the_input_waiting_and_loses_nothing(self):
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, "--buffer", "4", "--policy", "block", "--drop-after", "0")
        tool.write(lines(*(batch(seq) for seq in range(50))))
        wait_until(lambda: tool.stats()["oldest_ms"] > 300, "the queue to stand")
        self.assertEqual(tool.stats()["in"], 4)
        server.start()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([json.loads(b)["seq"] for b in server.bodies], list(range(50)))

    def test_dropped_batches_without_run_id_are_counted_and_it_says_that_no_gap_line_can_tell(self):
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, "--buffer", "2", "--drop-after", "0")
        tool.write(lines(*(old_batch(n) for n in range(10))))
        tool.wait_err("8 that have no run_id")
        self.assertEqual(tool.stats()["dropped"], 8)
        server.start()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([b.decode() for b in server.bodies], [old_batch(8), old_batch(9)])

    def test_sigterm_gives_up_after_the_drain_timeout_and_says_what_is_left(self):
        tool = self.blesend("--url", f"http://127.0.0.1:{free_port()}", "--drain-timeout", "0.2")
        tool.write(lines(batch(0), batch(1), batch(2)))
        wait_until(lambda: tool.stats()["in"] == 3, "all to be taken")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 75)
        self.assertIn("3 batches", tool.err)

    def test_sigterm_is_bounded_without_a_drain_timeout(self):
        tool = self.blesend("--url", f"http://127.0.0.1:{free_port()}")
        tool.write(lines(batch(0)))
        wait_until(lambda: tool.stats()["in"] == 1, "it to be taken")
        tool.signal(signal.SIGINT)
        self.assertEqual(tool.wait(), 75)

    def test_it_says_how_long_the_spool_lasts_once_the_rate_is_known(self):
        server = self.server()
        tool = self.blesend("--url", server.url)
        for seq in range(10):
            tool.write(lines(batch(seq)))
            wait_until(lambda: len(server.bodies) == seq + 1, "the batch")
        tool.wait_err("at the present rate the spool lasts")
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0)

    def test_counters(self):
        server = self.server(script=[201, 422])
        tool = self.blesend("--url", server.url, "--reject", "")
        tool.write(lines(batch(0), batch(1), "bad", batch(2)))
        wait_until(lambda: tool.stats()["out"] == 3, "two batches and a gap line to be delivered")
        stats = tool.stats()
        expected = {"tool": "blesend", "in": 3, "out": 3, "dropped": 0, "rejected": 2, "torn": 0, "queued": 0}
        self.assertEqual({k: stats[k] for k in expected}, expected)


class Http(Case):
    def deliver(self, server, *batches, words=(), env=None):
        tool = self.blesend("--url", server.url, *words, env=env)
        tool.write(lines(*batches))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        return tool

    def test_a_health_check_comes_first_and_one_connection_carries_all(self):
        server = self.server()
        self.deliver(server, *(batch(seq) for seq in range(100)))
        first, *posts = server.requests
        self.assertEqual((first.method, first.path, first.body), ("GET", "/health", b""))
        self.assertEqual({(r.method, r.path) for r in posts}, {("POST", POST)})
        self.assertEqual([r.body.decode() for r in posts], [batch(seq) for seq in range(100)])
        self.assertEqual({r.connection for r in server.requests}, {first.connection})
        self.assertEqual(posts[0].headers["Content-Type"], "application/json")
        self.assertNotIn("Expect", posts[0].headers)
        self.assertNotIn("X-API-Key", posts[0].headers)

    def test_a_path_in_the_url_goes_before_ours(self):
        server = self.server()
        server.url += "/base/"
        self.deliver(server, batch(0))
        self.assertEqual([r.path for r in server.requests], ["/base/health", "/base" + POST])

    def test_the_key_comes_from_file_or_environment_and_is_never_shown(self):
        folder = self.folder()
        with open(f"{folder}/key", "w", encoding="ascii") as f:
            f.write("s3cret\n")
        for words, env in ((["--api-key-file", f"{folder}/key"], {"HTTP_API_KEY": "other"}), ([], {"HTTP_API_KEY": "s3cret"}),
                           ([], {"HTTP_API_KEY_FILE": f"{folder}/key"})):
            with self.subTest(words=words, env=env):
                server = self.server()
                tool = self.deliver(server, batch(0), words=[*words, "--verbose"], env=env)
                self.assertEqual(server.posts[0].headers["X-API-Key"], "s3cret")
                self.assertNotIn("s3cret", tool.err)

    def test_sighup_reads_the_key_again(self):
        path = self.folder() + "/key"
        pathlib.Path(path).write_text("a key of yesterday\n", encoding="ascii")
        with HttpServer(lambda r: (201 if r.headers.get("X-API-Key") == "a key of today" or r.method == "GET" else 401, {}, b"")) as server, \
                Tool("blesend", "--mode", "http", "--url", server.url, "--api-key-file", path) as tool:
            tool.write(batch(0) + "\n")
            tool.wait_err("401")
            pathlib.Path(path).write_text("a key of today\n", encoding="ascii")
            tool.signal(signal.SIGHUP)
            tool.wait_err("the secrets are read again")
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertNotIn("of today", tool.err)

    def test_200_and_201_are_success(self):
        for status in (200, 201):
            server = self.server(script=[status] * 2)
            self.deliver(server, batch(0), batch(1))
            self.assertEqual(len(server.bodies), 2)

    def test_a_busy_server_is_tried_again_after_a_health_check(self):
        for status in (408, 425, 429, 500, 502, 503, 504):
            with self.subTest(status):
                server = self.server(script=[status])
                tool = self.deliver(server, batch(0), batch(1))
                self.assertEqual([(r.method, r.body.decode()) for r in server.requests],
                                 [("GET", ""), ("POST", batch(0)), ("GET", ""), ("POST", batch(0)), ("POST", batch(1))])
                self.assertIn(f"status {status}", tool.err)
                self.assertIn("takes batches again", tool.err)

    def test_a_server_that_is_not_healthy_gets_no_batch(self):
        server = self.server()
        server.health = 503
        tool = self.blesend("--url", server.url)
        tool.write(lines(batch(0)))
        tool.wait_err("/health: status 503")
        wait_until(lambda: len(server.requests) > 2, "further health checks")
        self.assertEqual(server.posts, [])
        server.health = 200
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(len(server.posts), 1)

    def test_an_answer_that_does_not_come_is_tried_again(self):
        def hang_up(request, seen=[]):
            if request.method == "POST" and not seen:
                seen.append(request)
                return None
            return 201, {}, b""
        server = self.server(answer=hang_up)
        self.deliver(server, batch(0))
        self.assertEqual(len(server.posts), 2)

        def stall(request, seen=[]):
            if request.method == "POST" and not seen:
                seen.append(request)
                wait_until(lambda: len(server.requests) > 2, "blesend to lose patience")
                return None
            return 200, {}, b""
        server = self.server(answer=stall)
        tool = self.deliver(server, batch(0), words=["--timeout", "0.3"])
        self.assertIn("timed out", tool.err)

    def test_retry_after_is_obeyed_in_seconds_and_as_a_date(self):
        years = 10 * 365 * 86400

        def date(ahead):
            return email.utils.formatdate(time.time() + ahead, usegmt=True)
        for name, server_time, value in (("seconds", 0, lambda: "2"), ("a date", 0, lambda: date(3)),
                                         ("a date of a clock ahead", years, lambda: date(years + 3)),
                                         ("a date of a clock behind", -years, lambda: date(-years + 3))):
            with self.subTest(name):
                times = []

                def answer(request, times=times, value=value):
                    times.append(time.monotonic())
                    return (503, {"Retry-After": value()}, b"") if len(times) == 2 else (200, {}, b"")
                self.deliver(self.server(answer=answer, clock=server_time), batch(0))
                self.assertEqual(len(times), 4)
                self.assertGreater(times[2] - times[1], 1.9)  # without it: a second at most

    def test_a_connection_that_the_server_has_closed_meanwhile_is_no_failure(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                for served in range(4):  # /health and one POST, then two POSTs more on connections of their own
                    peer, _ = listener.accept()
                    with peer, peer.makefile("rb") as stream:
                        for _ in range(2 if served == 0 else 1):
                            size = 0
                            while (line := stream.readline()) not in (b"\r\n", b""):
                                size = int(line[15:]) if line.lower().startswith(b"content-length:") else size
                            bodies.append(stream.read(size))
                            peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n")
            bodies = []
            threading.Thread(target=serve, daemon=True).start()
            tool = self.blesend("--url", f"http://127.0.0.1:{listener.getsockname()[1]}")
            for number in range(3):
                tool.write(lines(batch(number)))
                wait_until(lambda number=number: len(bodies) == 2 + number, "the batch")
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(bodies[1:], [batch(number).encode() for number in range(3)])
            self.assertNotIn("next try", tool.err)

    def test_a_proxy_is_used_when_the_environment_names_one(self):
        proxy = self.server()
        tool = self.blesend("--url", "http://backend.invalid:81", env={"http_proxy": proxy.url, "no_proxy": ""})
        tool.write(lines(batch(0)))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(proxy.posts[0].path, "http://backend.invalid:81" + POST)
        direct = self.server()
        self.check_run(0, "connected to", "--url", direct.url, input=lines(batch(0)),
                       env={"http_proxy": f"http://127.0.0.1:{free_port()}", "no_proxy": "127.0.0.1"})

    def test_what_a_proxy_says_is_no_reason_to_look_at_a_certificate(self):
        with HttpServer(certificate=self_signed(self.folder())) as other:  # on the proxy's machine, at the port of the server
            tool = self.blesend("--url", f"https://backend.invalid:{other.port}", "--drain-timeout", "1",
                                env={"https_proxy": self.server().url, "no_proxy": ""})
            tool.write(lines(batch(0)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 75, tool.err)
            self.assertIn("CONNECT", tool.err)
            self.assertNotIn("certificate", tool.err)

    def test_a_name_server_that_does_not_answer_holds_up_nothing(self):
        library = os.path.join(self.folder(), "slow.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", library], check=True, input=b"""
            #include <unistd.h>
            int getaddrinfo(void) { for (;;) pause(); }""")
        tool = self.blesend("--url", "http://backend.invalid", "--timeout", "0.2",
                            env={"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
        tool.wait_err("Resolving timed out")
        tool.signal(signal.SIGUSR1)
        tool.wait_err('"queued":0')
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_a_refused_batch_is_set_aside_and_the_queue_goes_on(self):
        folder = self.folder()
        server = self.server(by_seq({seq: (status, {}, b'{"detail":"no"}') for seq, status in enumerate((400, 413, 422))}))
        tool = self.deliver(server, *(batch(seq) for seq in range(4)), words=["--reject", f"{folder}/r"])
        # A gap line tells the server of each hole, in its place.
        refused = [(seq, seq, "refused") for seq in range(3)]
        self.assertEqual(told(server), [0, refused[0], 1, refused[1], 2, refused[2], 3])
        self.assertNotIn("dropped", tool.err)
        with open(f"{folder}/r", encoding="utf-8") as f:
            records = [json.loads(line) for line in f]
        self.assertEqual([r["line"] for r in records], [batch(0), batch(1), batch(2)])
        for record, status in zip(records, (400, 413, 422)):
            self.assertIn(f"status {status}", record["reason"])
            self.assertIn('"detail":"no"', record["reason"])

    def test_a_refused_gap_line_is_set_aside_and_nothing_follows_it(self):
        folder = self.folder()
        server = self.server(by_seq({0: 422, None: 400}))  # as a server that knows no gap lines
        self.deliver(server, batch(0), batch(1), words=["--reject", f"{folder}/r"])
        self.assertEqual(told(server), [0, (0, 0, "refused"), 1])
        with open(f"{folder}/r", encoding="utf-8") as f:
            kept = [json.loads(json.loads(line)["line"]) for line in f]
        self.assertEqual([line.get("seq", "gap") for line in kept], [0, "gap"])

    def test_what_only_a_person_can_change_is_said_and_the_batch_is_kept(self):
        for status, hint in ((401, "--api-key-file"), (403, "--api-key-file"), (404, "--url"), (405, "--url"), (415, "right server"),
                             (301, "redirects are not followed"), (307, "--url"), (409, "right server"), (204, "right server")):
            with self.subTest(status):
                server = self.server(script=[(status, {"Location": "/elsewhere"}, b"")])
                tool = self.blesend("--url", server.url, "--drain-timeout", "0.2")
                tool.write(lines(batch(0)))
                tool.wait_err(f"status {status}")
                self.assertIn(hint, tool.err)
                self.assertIn("kept", tool.err)
                tool.close_stdin()
                self.assertEqual(tool.wait(), 75)
                self.assertEqual(len(server.posts), 1)
                self.assertFalse(os.listdir(tool.cwd))

    def test_a_wrong_key_that_is_mended_on_the_server_needs_no_restart(self):
        server = self.server(script=[401])
        self.deliver(server, batch(0))
        self.assertEqual([r.method for r in server.requests], ["GET", "POST", "GET", "POST"])

    def check_kept(self, server, text, **options):
        """The batch is kept, which is said once, and tried again slowly."""
        tool = self.blesend("--url", server.url, "--drain-timeout", "0.5", **options)
        tool.write(lines(batch(0)))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 75, tool.err)
        self.assertEqual(tool.err.count("kept, next try in "), 1, tool.err)
        self.assertIn(text, tool.err)
        self.assertGreaterEqual(float(re.search(r"next try in (\S+) s", tool.err)[1]), 2, tool.err)
        self.assertFalse(os.listdir(tool.cwd))
        return tool

    def test_success_that_no_backend_has_said_is_none(self):
        """A login page, another server in between."""
        page = {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><title>Log in</title>"
        strange = [((status, *page), f"answers {status} with text/html; charset=utf-8: a login page or another server in between?")
                   for status in (200, 201)]
        strange += [((200, {"Content-Type": "text/plain"}, b""), "answers 200 with nothing"),
                    ((201, {}, b"[]"), "answers 201 with a JSON object that is not whole"),
                    ((200, {"Content-Type": "text/plain"}, b"OK"), "answers 200 with text/plain"),
                    ((200, {"Content-Type": "application/captive+json"}, b'{"captive": true}'), "answers 200 with application/captive+json"),
                    ((302, {"Location": "http://portal.invalid/login"}, b""),
                     "status 302, to http://portal.invalid/login; redirects are not followed"),
                    ((307, {"Location": "/login"}, b"<html>"), "log in if that is a login page"),
                    ((511, *page), "; this network needs a login first"), ((407, *page), "; the proxy needs a login"),
                    ((202, {}, b"{}"), "status 202"), ((204, {}, b""), "status 204"), ((207, {}, b"{}"), "status 207")]
        for answer, text in strange:
            with self.subTest(answer, when="posting"):
                server = self.server(script=[answer])
                tool = self.check_kept(server, text)
                self.assertIn(f"{POST}: ", tool.err)
                self.assertEqual(len(server.posts), 1)
            with self.subTest(answer, when="asking"):
                server = self.server(answer=lambda request, answer=answer: answer)
                tool = self.check_kept(server, text)
                self.assertIn("/health: ", tool.err)
                self.assertEqual(server.posts, [])
                self.assertNotIn("connected", tool.err)

    def test_a_login_page_that_goes_away_has_cost_nothing(self):
        script = [(200, {"Content-Type": "text/html"}, b"<html>")]
        server = self.server(script=script)
        tool = self.deliver(server, *(batch(seq) for seq in range(5)))
        self.assertEqual(told(server), [0, 0, 1, 2, 3, 4])
        self.assertIn("takes batches again", tool.err)

    def test_what_backends_answer_is_success(self):
        for answer in ((201, {}, b'{"message":"Stored 0 detections","device_id":"pi-1","count":0}'),
                       (200, {"Content-Type": "application/json; charset=utf-8"}, b' {"message": "ok"}\n'), (200, {}, b""),
                       (201, {"Content-Encoding": "gzip"}, gzip.compress(b'{"status":"stored"}')),
                       (201, {"Content-Type": "text/html"}, b'{"ok":true}'), (201, {}, b'{"x":"' + b"y" * 1_000_000 + b'"}')):
            with self.subTest(answer[1:]):
                server = self.server(answer=lambda request, answer=answer: answer)
                self.deliver(server, batch(0))
                self.assertEqual(told(server), [0])

    def test_a_body_that_is_cut_short_is_no_answer(self):
        whole = b'{"message":"Stored 0 detections","device_id":"pi-1","count":0}'
        for head, body in ((b"", b""), (b"", whole[:-1]), (b"Content-Length: 62\r\n", whole[:-1]), (b"Content-Length: 62\r\n", b""),
                           (b"Transfer-Encoding: chunked\r\n", b"3e\r\n" + whole[:-1]), (b"Transfer-Encoding: chunked\r\n", b"")):
            with self.subTest(head=head, body=body), socket.create_server(("127.0.0.1", 0)) as listener:
                answers = [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                           b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n" + head + b"\r\n" + body]

                def serve(listener=listener, answers=answers):
                    peer, _ = listener.accept()
                    with peer, peer.makefile("rb") as stream:
                        for answer in answers:
                            size = 0
                            while (line := stream.readline()) not in (b"\r\n", b""):
                                size = int(line[15:]) if line.lower().startswith(b"content-length:") else size
                            stream.read(size)
                            peer.sendall(answer)
                threading.Thread(target=serve, daemon=True).start()
                tool = self.blesend("--url", f"http://127.0.0.1:{listener.getsockname()[1]}", "--drain-timeout", "0.5")
                tool.write(lines(batch(0)))
                tool.wait_err("kept, next try")
                tool.close_stdin()
                self.assertEqual(tool.wait(), 75, tool.err)

    def test_a_page_that_refuses_is_believed_when_the_backend_is_there_all_the_same(self):
        page = 400, {"Content-Type": "text/html"}, b"<h1>Bad Request</h1>"
        server = self.server(by_seq({0: page}))  # a backend of few words, which does not like this one
        tool = self.deliver(server, batch(0), batch(1))
        self.assertEqual(told(server), [0, 0, (0, 0, "refused"), 1])
        with open(os.path.join(tool.cwd, "blesend.rejected.ndjson"), encoding="utf-8") as f:
            self.assertEqual([json.loads(line)["line"] for line in f], [batch(0)])

        posted = threading.Event()

        def proxy(request):  # it has lost its backend
            if request.method == "POST":
                posted.set()
            return page if posted.is_set() else (200, {}, b"{}")
        for page in (page, (400, {"Content-Type": "text/plain"}, b"")):
            posted.clear()
            server = self.server(proxy)
            tool = self.blesend("--url", server.url, "--drain-timeout", "0.5")
            tool.write(lines(batch(0), batch(1)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 75, tool.err)
            self.assertEqual(told(server), [0])
            self.assertFalse(os.listdir(tool.cwd))

    def test_a_long_answer_is_not_kept(self):
        long = {"Content-Type": "text/plain"}, b"y" * 3_000_000
        server = self.server(by_seq({1: (422, *long)}))
        tool = self.deliver(server, *(batch(seq) for seq in range(3)))
        self.assertEqual(told(server), [0, 1, 1, (1, 1, "refused"), 2])
        self.assertLess(len(tool.err), 3000)
        numbers = [r.connection for r in server.posts]
        self.assertEqual(len(set(numbers)), 3, "an answer past 1 MiB is cut off with its connection")
        self.check_kept(self.server(script=[(201, {}, b'{"x":"' + long[1] + b'"}')]), "answers 201 with more than 1 MiB")

    def test_several_travel_as_ndjson_and_one_as_json(self):
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, "--coalesce", "4")
        tool.write(lines(*(batch(seq) for seq in range(9))))
        wait_until(lambda: tool.stats()["queued"] == 9, "a backlog")
        server.start()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual([(r.headers["Content-Type"], r.body.decode()) for r in server.posts],
                         [("application/x-ndjson", "\n".join(batch(seq) for seq in range(4))),
                          ("application/x-ndjson", "\n".join(batch(seq) for seq in range(4, 8))),
                          ("application/json", batch(8))])

    def test_of_several_only_what_is_refused_by_itself_is_set_aside(self):
        for status in (400, 413, 422):
            with self.subTest(status):
                def answer(request, status=status):
                    return (status if b'"seq": 5,' in request.body else 201), {}, b""
                server = self.server(answer)
                tool = self.deliver(server, *(batch(seq) for seq in range(20)), words=["--coalesce", "4"])
                bodies = [[json.loads(line).get("seq", "gap") for line in body.split(b"\n")] for body in server.bodies]
                bodies.remove(["gap"])  # tells of what is refused
                refused = next(i for i, body in enumerate(bodies) if 5 in body)
                parted, after = bodies[refused], bodies[refused + 1:]
                self.assertGreater(len(parted), 1)
                self.assertEqual(after[:len(parted)], [[seq] for seq in parted])
                self.assertGreater(len(after[len(parted)]), 1)
                self.assertEqual(sum(bodies[:refused] + after, []), list(range(20)))
                with open(os.path.join(tool.cwd, "blesend.rejected.ndjson"), encoding="utf-8") as f:
                    self.assertEqual([json.loads(line)["line"] for line in f], [batch(5)])
                self.assertIn("one by one", tool.err)

    def test_a_server_that_knows_no_ndjson_gets_them_one_by_one(self):
        def answer(request):
            return (415 if "ndjson" in request.headers.get("Content-Type", "") else 201), {}, b""
        server = self.server(answer)
        tool = self.deliver(server, *(batch(seq) for seq in range(10)), words=["--coalesce", "4"])
        self.assertIn("--coalesce 1", tool.err)
        self.assertTrue(any(b"\n" in body for body in server.bodies))
        self.assertEqual([json.loads(body)["seq"] for body in server.bodies if b"\n" not in body], list(range(10)))
        self.assertFalse(os.listdir(tool.cwd))

    def test_buffer_0_checks_health_before_every_batch_and_tries_once(self):
        answers = {1: 503, 3: 401}
        server = self.server(by_seq(answers))
        tool = self.blesend("--url", server.url, env={"MQTT_BUFFER_SIZE": "0"})
        tool.write(lines(*(batch(seq) for seq in range(5))))
        wait_until(lambda: tool.stats()["dropped"] == 2 and len(server.posts) == 7, "five tries and two gap lines")
        answers["health"] = 503
        tool.write(lines(batch(5)))
        wait_until(lambda: tool.stats()["dropped"] == 3, "the sixth to be dropped")
        answers["health"] = 200
        tool.write(lines(batch(6)))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        expected = ["GET", "POST"] * 7 + ["GET"] + ["GET", "POST"] * 2
        methods = [r.method for r in server.requests]
        self.assertEqual(methods[-len(expected):], expected)
        self.assertIn(methods[:-len(expected)], ([], ["GET"]))  # one at start, before there is a batch
        lost = [(seq, seq, "not_delivered") for seq in range(7)]
        self.assertEqual(told(server), [0, 1, 2, lost[1], 3, 4, lost[3], 6, lost[5]])
        self.assertIn("dropped after one try", tool.err)
        self.assertIn("3 batches were dropped in all", tool.err)

    def test_buffer_0_tells_of_a_range_in_one_gap_line_however_often_that_fails(self):
        broken = {seq: 503 for seq in (1, 2, 3, None)}
        server = self.server(by_seq(broken))
        tool = self.blesend("--url", server.url, "--buffer", "0")
        tool.write(lines(*(batch(seq) for seq in range(5))))
        gap = (1, 3, "not_delivered")
        wait_until(lambda: len(server.posts) == 6, "five tries and one gap line")
        self.assertEqual(told(server), [0, 1, 2, 3, 4, gap])
        broken.clear()
        tool.write(lines(batch(5)))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(told(server), [0, 1, 2, 3, 4, gap, 5, gap])
        self.assertIn("3 batches were dropped in all", tool.err)

    def test_buffer_0_with_nobody_there_drops_and_ends_with_0(self):
        self.check_run(0, "2 batches were dropped in all", "--url", f"http://127.0.0.1:{free_port()}", "--buffer", "0",
                       input=lines(batch(0), batch(1)))


class HttpTls(Case):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.TemporaryDirectory(prefix="blepipe-tls-")
        for name, subject in (("right", "IP:127.0.0.1"), ("other", "DNS:other.example")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}",
                            "-keyout", f"{cls.keys.name}/{name}.key", "-out", f"{cls.keys.name}/{name}.pem"],
                           check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.keys.cleanup()

    def attempt(self, certificate, *words):
        server = self.server(certificate=(f"{self.keys.name}/{certificate}.pem", f"{self.keys.name}/{certificate}.key"))
        tool = self.blesend("--url", server.url, *words)
        tool.write(lines(batch(0)))
        return server, tool

    def check_delivered(self, server, tool):
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(server.bodies, [batch(0).encode()])

    def check_not_trusted(self, server, tool):
        tool.wait_err("SSL")
        self.assertEqual(server.requests, [])
        tool.signal(signal.SIGKILL)

    def test_a_certificate_that_cafile_vouches_for(self):
        self.check_delivered(*self.attempt("right", "--cafile", f"{self.keys.name}/right.pem"))

    def test_a_certificate_nobody_vouches_for(self):
        self.check_not_trusted(*self.attempt("right"))

    def test_a_certificate_for_another_host(self):
        self.check_not_trusted(*self.attempt("other", "--cafile", f"{self.keys.name}/other.pem"))

    def test_insecure_takes_any_and_is_warned_of(self):
        server, tool = self.attempt("other", "--insecure")
        self.check_delivered(server, tool)
        self.assertIn("--insecure: anyone", tool.err)


class MqttTls(TlsBrokers, Case):
    def attempt(self, broker, *words, host="localhost", **options):
        return self.blesend("--url", f"mqtts://{host}:{broker.port}", *words, **options)

    def taken(self, *args, **options):
        tool = self.attempt(*args, **options)
        tool.wait_err(", TLS)")
        return tool

    def refused(self, said, *args, **options):
        tool = self.attempt(*args, **options)
        tool.wait_err(said)
        self.assertNotIn("connected", tool.err)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_the_certificate_and_the_host_name_are_verified(self):
        broker = self.broker()
        for host in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]"):
            self.taken(broker, "--cafile", self.path("ca.pem"), host=host)
        self.taken(broker, "--capath", self.keys.name)
        self.refused("certificate is not trusted", broker, "--cafile", self.path("other.pem"))
        self.refused("certificate is not trusted", broker)
        ours = ["--cafile", self.path("ca.pem")]
        self.refused("certificate is for another host name", self.broker("elsewhere"), *ours)
        self.refused("certificate has expired", self.broker("expired"), *ours)

    def test_insecure_takes_any_and_is_warned_of(self):
        for certificate in ("elsewhere", "expired"):
            self.assertIn("--insecure: anyone", self.taken(self.broker(certificate), "--insecure").err)

    def test_a_client_certificate(self):
        broker = self.broker(extra="require_certificate true\n")
        words = ["--cafile", self.path("ca.pem")]
        self.taken(broker, *words, "--cert", self.path("client.pem"), "--key", self.path("client.key"))
        self.refused("unable to connect", broker, *words)

    def test_neither_side_is_plain(self):
        tool = self.blesend("--host", "localhost", "--port", self.broker().port)
        tool.wait_err("wants TLS")
        with Broker() as plain:
            self.refused("TLS: ", plain, "--insecure")


class Mqtt(Case):
    """The transport's own tests are mqtt's; here is what the tool adds."""

    def test_a_url_names_broker_port_and_topic_and_the_status_topic_is_kept(self):
        with Broker() as broker:
            words = ["mosquitto_sub", "-p", broker.port, "-F", "%t %r %p"]
            with Tool(*words, "-t", "lab/#") as receiver, Tool(*words, "-t", "state") as states:
                wait_until(lambda: broker.log_text().count("Sending SUBACK") == 2, "the subscriptions")
                tool = self.blesend("--url", f"mqtt://127.0.0.1:{broker.port}/lab/raw", "--status-topic", "state")
                self.assertEqual(states.line(), b"state 0 online")
                tool.write(lines(batch(0)))
                tool.close_stdin()
                self.assertEqual(receiver.line(), b"lab/raw 0 " + batch(0).encode())
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(states.line(), b"state 0 offline")

    def test_the_environment_alone_is_enough(self):
        with Broker() as broker, Tool("mosquitto_sub", "-p", broker.port, "-t", "tfg/detections/raw") as receiver:
            wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
            tool = self.blesend(env={"COMMUNICATION_MODE": "mqtt", "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port)})
            tool.write(lines(batch(0)))
            tool.close_stdin()
            self.assertEqual(receiver.line(), batch(0).encode())
            self.assertEqual(tool.wait(), 0, tool.err)
