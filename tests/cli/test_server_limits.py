"""What one client can take from the others of blerecv and blews: connections, time, tries at a secret, requests."""
import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import DEADLINE_S, Tool, self_signed, wait_until
from harness.clock import WrongClock

BULK = "/api/v1/detections/bulk"
SECRET = "0123456789abcdef"
# Loopback addresses of clients that have nothing to do with each other.
HERE, ELSEWHERE, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
LIMIT_S = 2.0  # how late an address that guesses is served


class Server(Tool):
    def __init__(self, name, *options, **more):
        super().__init__(name, "--port", "0", *options, stdout=None, **more)
        self.wait_err("listening on ")
        self.port = int(self.err.split("listening on ", 1)[1].split()[0].rsplit(":", 1)[1])

    def connect(self, source=HERE):
        sock = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S, (source, 0))
        sock.settimeout(DEADLINE_S)
        return sock

    def ask(self, path="/nowhere", source=HERE, method="GET", body=None, **headers):
        """(status, headers, body); 0: the connection ended without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S, source_address=(source, 0))
        with contextlib.closing(connection):
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (ConnectionError, http.client.RemoteDisconnected):
                return 0, {}, b""

    def status(self, *words, **more):
        return self.ask(*words, **more)[0]

    def health(self, source=HERE):
        return json.loads(self.ask("/health", source)[2])


def dripping(server, done, text):
    """Sends the text and then a byte each moment, until the server ends the connection; then sets `done`."""
    def drip():
        with server.connect() as sock:
            try:
                sock.sendall(text)
                sock.settimeout(0.1)
                while True:
                    sock.sendall(b"x")
                    try:
                        if not sock.recv(4096):
                            break
                    except TimeoutError:
                        pass
            except ConnectionError:
                pass
        done.set()
    threading.Thread(target=drip, daemon=True).start()


class Limits(unittest.TestCase):
    def start(self, name, *options, **more):
        server = Server(name, *options, **more)
        self.addCleanup(server.__exit__)
        return server

    def silent(self, server, count, source=HERE):
        """So many connections that say nothing."""
        for _ in range(count):
            self.addCleanup(server.connect(source).close)

    def test_one_address_cannot_take_the_place_of_all(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--max-clients", "40", "--max-clients-per-address", "10")
            self.silent(server, 60)
            self.assertEqual(server.status(source=ELSEWHERE), 404)
            # There as well one can tell that it is well, and nothing else.
            self.assertEqual(server.status("/health"), 200)
            status, headers, _ = server.ask()
            self.assertEqual((status, headers["retry-after"]), (503, "1"))
            server.wait_err("10 of 127.0.0.1 are open already; allow more with --max-clients-per-address")
            self.assertEqual(server.err.count("--max-clients-per-address"), 1)
            self.assertGreaterEqual(server.health(ELSEWHERE)["refused"]["clients"], 1)

    def test_it_is_so_over_tls_too(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = self_signed(folder)
            for name in ("blerecv", "blews"):
                server = self.start(name, "--cert", cert, "--key", key, "--max-clients-per-address", "10")
                self.silent(server, 20)
                server.wait_err("10 of 127.0.0.1 are open already")
                for source in (HERE, ELSEWHERE):
                    self.assertEqual(subprocess.run(["curl", "-sf", "-o", "/dev/null", "--cacert", cert, "--interface", source,
                                                     f"https://127.0.0.1:{server.port}/health"], timeout=DEADLINE_S, check=False).returncode, 0)

    def test_by_default_it_is_a_quarter(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--max-clients", "80")
            self.silent(server, 21)
            self.assertEqual(server.status(), 503)
            self.assertEqual(server.status(source=ELSEWHERE), 404)

    def test_when_all_places_are_taken_it_still_tells_that_it_is_well(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--max-clients", "20", "--max-clients-per-address", "10", "--client-timeout", "3")
            for source in (HERE, ELSEWHERE):
                self.silent(server, 12, source)
            self.silent(server, 20, THIRD)
            self.assertEqual(server.status("/health", THIRD), 200)
            self.assertEqual(server.status("/health", HERE), 200)
            self.assertEqual(server.status(source=THIRD), 503)
            server.wait_err("20 are open already; allow more with --max-clients")
            wait_until(lambda s=server: s.status(source=THIRD) == 404, "the silent ones to be disconnected")

    def test_a_proxy_that_is_named_may_have_all(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--max-clients", "40", "--max-clients-per-address", "10", "--trusted-proxy", "127.0.0.1")
            self.silent(server, 30)
            self.assertEqual(server.status(), 404)

    def test_what_drips_ends(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--client-timeout", "1")
            path = BULK if name == "blerecv" else "/login"
            body = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
            for text in (b"G", b"GET /health HTTP/1.1\r\nX-A: ", body.encode()):
                done = threading.Event()
                dripping(server, done, text)
                self.assertTrue(done.wait(DEADLINE_S), text)

    def test_a_thousand_that_drip_shut_nobody_out(self):
        server = self.start("blerecv", "--client-timeout", "60")
        for n in range(1200):
            sock = server.connect()
            self.addCleanup(sock.close)
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /health")
            if n % 100 == 0:
                self.assertEqual(server.status("/health", ELSEWHERE), 200)
        self.assertEqual(server.status(source=ELSEWHERE), 404)
        self.assertEqual(server.status("/health"), 200)

    def test_headers_that_are_too_long_are_refused_with_431(self):
        for name in ("blerecv", "blews"):
            server = self.start(name)
            self.assertEqual(server.status(Cookie="x" * 15_000), 404)
            for _ in range(3):
                self.assertEqual(server.status("/health", Cookie="x" * 20_000), 431)
                self.assertEqual(server.status("/" + "x" * 20_000), 431)
                self.assertEqual(server.status(Cookie="x" * 40_000), 0)  # beyond what libwebsockets has room for
            server.wait_err("answering 431 to 127.0.0.1")
            server.wait_err("ending a connection whose headers are longer than")
            self.assertEqual(server.err.count("headers"), 2)
            self.assertNotIn("libwebsockets", server.err)

    def test_whoever_guesses_is_served_late_and_others_are_not(self):
        for name, secret, header in (("blerecv", "API_KEY", "X-API-Key"), ("blews", "BLEPIPE_TOKEN", "Authorization")):
            server = self.start(name, env={secret: SECRET})
            word = "" if header == "X-API-Key" else "Bearer "
            guess, right = {header: word + "wrong"}, {header: word + SECRET}
            for _ in range(5):
                self.assertEqual(server.status(**guess), 401)
            for headers, status in ((guess, 401), (right, 404)):
                began, done, answers = time.monotonic(), threading.Event(), []
                threading.Thread(target=lambda h=headers, a=answers, d=done: (a.append(server.status(**h)), d.set()), daemon=True).start()
                self.assertEqual(server.status(source=ELSEWHERE, **right), 404)
                self.assertTrue(done.wait(DEADLINE_S))
                self.assertEqual(answers, [status])
                self.assertGreaterEqual(time.monotonic() - began, LIMIT_S - 0.1)
            if name == "blews":
                began = time.monotonic()
                self.assertEqual(server.status("/login", THIRD, "POST", b"token=wrong"), 401)
                for _ in range(5):
                    server.status("/login", THIRD, "POST", b"token=wrong")
                self.assertGreaterEqual(time.monotonic() - began, LIMIT_S - 0.1)

    def test_behind_a_proxy_guesses_count_for_whom_it_names(self):
        for name, secret, header in (("blerecv", "API_KEY", "X-API-Key"), ("blews", "BLEPIPE_TOKEN", "Authorization")):
            server = self.start(name, "--trusted-proxy", HERE, env={secret: SECRET})
            word = "" if header == "X-API-Key" else "Bearer "
            guess, right = {header: word + "wrong"}, {header: word + SECRET}

            def ask(address, source=HERE, **headers):
                return server.ask("/nowhere", source, **headers, **{"X-Forwarded-For": address})
            for n in range(5):
                self.assertEqual(ask(f"2001:db8::{n}", **guess)[0], 401)  # one client, who has a network
            # Whoever guesses on learns nothing more, not even by the right one.
            for headers in (guess, right):
                status, answered, _ = ask("2001:db8::7", **headers)
                self.assertEqual((status, answered["retry-after"], answered["connection"]), (429, "10", "close"))
            self.assertEqual(ask("192.0.2.1", **right)[0], 404)
            self.assertEqual(ask("2001:db8::7")[0], 401)
            self.assertEqual(ask("2001:db8::7", source=ELSEWHERE, **right)[0], 404)  # no proxy: its word counts for nothing
            self.assertEqual(server.status(**right), 404)
            for _ in range(20):
                self.assertEqual(server.status(**guess), 401)  # of a proxy that names nobody
            self.assertEqual(server.health()["refused"]["rate"], 2)
            server.wait_err("answering 429 to 2001:db8::7, which sent too many wrong keys or tokens")
            wait_until(lambda a=ask, r=right: a("2001:db8::7", **r)[0] == 404, "another try")

    def test_who_had_a_right_key_is_not_kept_out_by_those_who_guess_beside_it(self):
        server = self.start("blerecv", "--trusted-proxy", HERE, env={"API_KEY": SECRET})

        def ask(key):
            return server.status("/nowhere", HERE, **{"X-API-Key": key, "X-Forwarded-For": "192.0.2.1"})
        self.assertEqual(ask(SECRET), 404)
        self.assertEqual([ask("wrong") for _ in range(6)], [401] * 5 + [429])
        self.assertEqual([ask(SECRET) for _ in range(10)], [404] * 10)
        self.assertEqual(ask("wrong"), 429)

    def test_a_login_behind_a_proxy_is_slowed_and_whoever_has_logged_in_is_not(self):
        server = self.start("blews", "--trusted-proxy", HERE, env={"BLEPIPE_TOKEN": SECRET})
        client = {"X-Forwarded-For": "192.0.2.1"}
        status, headers, _ = server.ask("/login", HERE, "POST", b"token=" + SECRET.encode(), **client)
        self.assertEqual(status, 303)
        cookie = headers["set-cookie"].split(";")[0]
        for _ in range(5):
            self.assertEqual(server.status("/login", HERE, "POST", b"token=wrong", **client), 401)
        for token in (b"wrong", SECRET.encode()):
            status, headers, body = server.ask("/login", HERE, "POST", b"token=" + token, **client)
            self.assertEqual((status, headers["retry-after"], headers["set-cookie"]), (429, "10", None))
            self.assertIn(b"try again in ten seconds", body)
        self.assertEqual(server.status(Cookie=cookie, **client), 404)

    def test_a_guess_that_says_it_is_a_browser_counts_as_well(self):
        server = self.start("blews", "--trusted-proxy", HERE, env={"BLEPIPE_TOKEN": SECRET})
        guess = {"Accept": "text/html", "X-Forwarded-For": "192.0.2.1", "Authorization": "Bearer wrong"}
        self.assertEqual([server.status(**guess) for _ in range(6)], [401] * 5 + [429])
        self.assertEqual(server.status(Accept="text/html"), 303)

    def test_a_client_that_knows_no_key_is_not_taken_for_one_that_guesses(self):
        server = self.start("blerecv", env={"API_KEY": SECRET})
        for _ in range(20):
            self.assertEqual(server.status(), 401)
        for _ in range(5):
            self.assertEqual(server.status(**{"X-API-Key": "wrong"}), 401)
        self.assertEqual(server.health(ELSEWHERE)["refused"]["key"], 25)

    def test_so_many_requests_of_one_key_and_no_more(self):
        for name, env in (("blerecv", {"API_KEY": SECRET}), ("blerecv", {}), ("blews", {})):
            server = self.start(name, "--max-rate", "1", env=env)
            headers = {"X-API-Key": SECRET} if env else {}
            answers = [server.ask(**headers) for _ in range(30)]
            self.assertEqual([status for status, _, _ in answers[:10]], [404] * 10)
            refused = [headers for status, headers, _ in answers if status == 429]
            self.assertGreater(len(refused), 10)
            self.assertEqual(refused[0]["retry-after"], "1")
            self.assertEqual(server.status("/health"), 200)
            self.assertEqual(server.health()["refused"]["rate"], len(refused))
            server.wait_err("answering 429 to " + ("key *" if env else "127.0.0.1"))
            self.assertEqual(server.err.count("answering 429"), 1)
            self.assertEqual(server.status(source=ELSEWHERE, **headers), 429 if env else 404)
            wait_until(lambda s=server, h=headers: s.status(**h) == 404, "an allowance")
        server = self.start("blerecv", "--max-rate", "0")
        self.assertEqual({server.status() for _ in range(50)}, {404})


class WallClock(unittest.TestCase):
    def test_a_server_whose_clock_is_set_by_years_goes_on(self):
        years = 3000 * 86_400
        with tempfile.TemporaryDirectory(prefix="blepipe-clock-") as folder:
            clock = WrongClock(f"{folder}/clock")
            for name in ("blerecv", "blews"):
                with self.subTest(name), Server(name, "--client-timeout", "1", env=clock.env) as server:
                    for ahead_s in (0, years, -years, 0):
                        clock.step(ahead_s)
                        with server.connect() as slow:
                            slow.sendall(b"GET")
                            while slow.recv(1000):  # its timers go on: this one is sent away
                                pass
                        self.assertEqual(server.ask()[0], 404)
                    self.assertTrue(server.running())


if __name__ == "__main__":
    unittest.main()
