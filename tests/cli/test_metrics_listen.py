"""--metrics-listen of blerecv and blews: counters for a scraper, on a port of their own."""
import contextlib
import http.client
import socket
import tempfile
import time
import unittest

from harness import DEADLINE_S, Tool, free_port, make_batches, self_signed, wait_until
from harness.metrics import promtool, read_metrics
from harness.process import run

NOBODY = frozenset()


class Server(Tool):
    """Serves on a free port, and its metrics on another one."""

    def __init__(self, name, *options, listen="127.0.0.1:0", **more):
        super().__init__(name, "--port", "0", "--metrics-listen", listen, *options, stdout=None, **more)
        self.wait_err("listening on ")  # said after the other
        self.port = self.port_in("listening on ")
        self.metrics = self.port_in("metrics at ", "/metrics")

    def port_in(self, text, end=""):
        return int(self.err.split(text, 1)[1].split()[0].rstrip(",").removesuffix(end).rsplit(":", 1)[1])

    def ask(self, path="/metrics", method="GET", body=None, port=None, host="127.0.0.1", **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection(host, port or self.metrics, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def status(self, *words, **more):
        return self.ask(*words, **more)[0]

    def told(self, name):
        return read_metrics(self.ask()[2].decode()).get((name, NOBODY))

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.metrics), DEADLINE_S)
        sock.settimeout(DEADLINE_S)
        return sock


def for_both(test):
    def run_both(self):
        for name in ("blerecv", "blews"):
            with self.subTest(tool=name):
                test(self, name)
    return run_both


class Listen(unittest.TestCase):
    def start(self, name, *options, **more):
        server = Server(name, *options, **more)
        self.addCleanup(server.__exit__)
        return server

    @for_both
    def test_the_counters_as_prometheus_wants_them(self, name):
        server = self.start(name)
        status, headers, body = server.ask()
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertEqual(int(headers["Content-Length"]), len(body))
        self.assertEqual(promtool("check", "metrics", text=body.decode()), "")
        self.assertIn(f'\nblepipe_in_total{{tool="{name}"}} 0\n', body.decode())  # the scraper knows which instance this is
        for word in ("--instance", "--metrics"):
            with tempfile.TemporaryDirectory() as folder:
                named = self.start(name, word, "hall" if word == "--instance" else f"{folder}/hall.prom").ask()[2].decode()
            self.assertIn(f'\nblepipe_in_total{{tool="{name}",instance="hall"}} 0\n', named)

    @for_both
    def test_they_are_those_of_the_moment(self, name):
        server = self.start(name)
        batch = make_batches(1)[0]
        if name == "blews":
            server.write(batch + "\n")
        else:
            self.assertEqual(server.status("/api/v1/detections/bulk", "POST", batch, server.port, Content_Type="application/json"), 201)
        wait_until(lambda: server.told("in_total") == 1, "the batch to be counted")
        self.assertEqual(server.told("newest_window_timestamp_seconds"), 1795305600.9)

    @for_both
    def test_head_other_paths_and_other_methods(self, name):
        server = self.start(name)
        status, headers, body = server.ask(method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 100)
        for path in ("/", "/health", "/metrics/", "/events", "/ws", "/api/v1/detections/bulk"):
            self.assertEqual(server.status(path), 404, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            self.assertEqual(server.status(method=method, body=b"x" * 1000), 405, method)
        self.assertEqual(server.ask(method="POST")[1]["Allow"], "GET, HEAD")
        self.assertEqual(server.status("/ws", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
                                       Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="), 404)
        self.assertEqual(server.status(body=b"a body"), 200)  # which is not read
        self.assertEqual(server.status(), 200)

    @for_both
    def test_a_connection_serves_several_scrapes(self, name):
        server = self.start(name)
        connection = http.client.HTTPConnection("127.0.0.1", server.metrics, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            for _ in range(3):
                connection.request("GET", "/metrics")
                first = connection.sock
                self.assertIn(b"blepipe_build_info", connection.getresponse().read())
                self.assertIs(connection.sock, first)

    @for_both
    def test_whoever_may_only_reach_the_other_port_sees_nothing(self, name):
        server = self.start(name)
        self.assertEqual(server.status(port=server.port), 404)
        for host in (f"127.0.0.1:{server.port}", "localhost", "[::1]"):  # what it is called does not lead elsewhere
            self.assertEqual(server.status(port=server.metrics, Host=host), 200, host)
            self.assertEqual(server.status(port=server.port, Host=host), 404, host)
            self.assertEqual(server.status("/health", port=server.port, Host=host), 200, host)

    def test_a_scraper_needs_no_key_and_no_token(self):
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write("0123456789abcdef")
            secret.flush()
            for name, option in (("blerecv", "--api-keys-file"), ("blews", "--token-file")):
                server = self.start(name, option, secret.name)
                self.assertEqual(server.status(port=server.port), 401)
                self.assertEqual(server.status(), 200)

    @for_both
    def test_a_server_of_tls_has_plain_metrics(self, name):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = self_signed(folder)
            server = self.start(name, "--cert", cert, "--key", key)
            self.assertIn("metrics at http://", server.err)
            for _ in range(3):
                self.assertEqual(server.status(), 200)
            with self.assertRaises((ConnectionError, http.client.HTTPException)):
                server.ask("/health", port=server.port)  # plain there

    @for_both
    def test_pages_of_other_sites_and_foreign_names_are_refused(self, name):
        server = self.start(name, "--origin", "https://board.example.org")
        self.assertEqual(server.status(Host="evil.example"), 403)
        self.assertEqual(server.status(Host="server"), 403)
        self.assertEqual(server.status(Origin="https://evil.example"), 403)
        self.assertEqual(server.status(Host="board.example.org"), 200)
        self.assertEqual(server.status(Origin=f"http://127.0.0.1:{server.metrics}"), 200)

    @for_both
    def test_ipv6_and_names(self, name):
        server = self.start(name, listen="[::1]:0")
        self.assertRegex(server.err, r"metrics at http://\[::1\]:[1-9][0-9]*/metrics\n")
        self.assertEqual(server.status(host="::1"), 200)
        self.assertEqual(self.start(name, listen="localhost:0").status(host="localhost"), 200)

    @for_both
    def test_other_addresses_than_loopback_are_for_everybody_and_said(self, name):
        server = self.start(name, listen="0.0.0.0:0")
        self.assertIn("/metrics, for everybody who can reach it", server.err)
        self.assertEqual(server.status(Host="pi.example"), 200)
        self.assertNotIn("for everybody", self.start(name).err)

    @for_both
    def test_what_is_no_address_is_64_or_78(self, name):
        for wrong in ("9100", ":9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8001x", "::1:9100", "[::1]", "[]:1",
                      "http://127.0.0.1:8001"):
            for code, words, env in ((64, ["--metrics-listen", wrong], {}), (78, [], {"BLEPIPE_METRICS_LISTEN": wrong})):
                got, _, err = run(name, "--port", "0", "--check", *words, env=env)
                self.assertEqual(got, code, wrong)
                self.assertIn(f"--metrics-listen '{wrong}': an address and a port are expected, as in 127.0.0.1:8001", err)
        for right in ("127.0.0.1:0", "[::1]:8001", "host.example:65535", "[fe80::1%eth0]:9100"):
            self.assertEqual(run(name, "--port", "0", "--check", "--metrics-listen", right)[0], 0, right)

    @for_both
    def test_what_cannot_be_listened_on_ends_it_and_names_the_option(self, name):
        port = free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            for code, where, advice in ((69, f"127.0.0.1:{port}", "another program has it; end that or choose another with --metrics-listen"),
                                        (78, "192.0.2.1:9100", "name an address of this machine with --metrics-listen"),
                                        (78, "nowhere.invalid:9100", "unable to listen on nowhere.invalid: ")):
                got, _, err = run(name, "--port", "0", "--metrics-listen", where)
                self.assertEqual(got, code, err)
                self.assertIn(advice, err)

    @for_both
    def test_connections_are_limited_and_the_other_port_does_not_mind(self, name):
        server = self.start(name)
        waiting = [self.enterContext(contextlib.closing(server.connect())) for _ in range(16)]
        wait_until(lambda: server.status() == 503, "too many connections")
        server.wait_err("16 of 127.0.0.1 are open already at the address of --metrics-listen")
        self.assertEqual(server.status("/health", port=server.port), 200)
        waiting.pop().close()
        wait_until(lambda: server.status() == 200, "room again")

    @for_both
    def test_who_does_not_finish_a_request_is_disconnected(self, name):
        server = self.start(name, "--client-timeout", "1")
        sock = self.enterContext(contextlib.closing(server.connect()))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")
        end = time.monotonic() + DEADLINE_S
        with contextlib.suppress(ConnectionError):
            sock.settimeout(0.05)
            while time.monotonic() < end:  # never silent for long
                sock.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(100):
                        break
        self.assertLess(time.monotonic(), end)

    @for_both
    def test_requests_of_one_address_are_limited_as_on_the_other_port(self, name):
        server = self.start(name, "--max-rate", "1")
        wait_until(lambda: server.status() == 429, "too many requests")
        server.wait_err("allow more with --max-rate")


if __name__ == "__main__":
    unittest.main()
