"""Three blerecv and bleingest with one PostgreSQL, behind a haproxy with examples/haproxy.cfg: each is killed under load, the others go on, and
every batch is stored once.

The seed of each run is printed; BLEPIPE_SEED repeats it.
"""
import contextlib
import http.client
import pathlib
import signal
import ssl
import subprocess
import tempfile
import threading
import unittest

from harness import (DEADLINE_S, Haproxy, Postgres, Tool, end_pipeline, flatten, free_port, make_batches, pipeline, positions, random_source,
                     self_signed, source_path, tool_path, wait_port, wait_until)


class Load(threading.Thread):
    """Writes batches to each sender, in bursts, until end(): however fast they go, there are always more, and never so many more that
    a slow machine is busy with them long after the end."""

    BURST, EVERY_S, MOST, MOST_BEHIND = 30, 0.25, 15_000, 3_000

    def __init__(self, senders, stored):
        """stored() says how many batches have arrived."""
        super().__init__(daemon=True)
        self.senders, self.stored, self.ended, self.written = senders, stored, threading.Event(), []
        self.start()

    def run(self):
        supply = [make_batches(self.MOST, f"pi-{number}", f"{number:016x}") for number in range(len(self.senders))]
        arrived = 0
        for first in range(0, self.MOST, self.BURST):
            while len(self.written) > arrived + self.MOST_BEHIND and not self.ended.wait(self.EVERY_S):
                arrived = self.stored()
            for sender, lines in zip(self.senders, supply):
                burst = lines[first:first + self.BURST]
                sender.write("".join(line + "\n" for line in burst))
                self.written += burst
            if self.ended.wait(self.EVERY_S):
                return

    def end(self):
        """All that was written."""
        self.ended.set()
        self.join()
        return self.written


class BehindHaproxy(unittest.TestCase):
    AGENTS = 3

    def setUp(self):
        self.random = random_source()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-haproxy-")))
        self.server = self.stack.enter_context(Postgres(["fsync=off"]))
        self.database = self.server.database()
        self.certificate, key = self_signed(self.folder)
        self.both = self.folder / "both.pem"
        self.both.write_bytes(pathlib.Path(self.certificate).read_bytes() + pathlib.Path(key).read_bytes())
        self.ports = {f"backend-{n}": free_port() for n in (1, 2, 3)}
        self.keys = [self.make_key(f"pi-{number}") for number in range(self.AGENTS)]
        self.pairs = {}
        for name in self.ports:
            self.start(name)
        self.haproxy = self.stack.enter_context(Haproxy(self.configuration()))

    def make_key(self, device):
        made = subprocess.run([tool_path("blerecv"), "--make-key", device], capture_output=True, check=True)
        with open(self.folder / "keys", "ab") as keys:
            keys.write(made.stdout)
        return made.stderr.decode().splitlines()[-1]

    def configuration(self, *changes):
        text = pathlib.Path(source_path("examples", "haproxy.cfg")).read_text(encoding="ascii")
        for old, new in ((":443 ssl crt /etc/haproxy/certs/collect.pem", f"127.0.0.1:@PORT@ ssl crt {self.both}"),
                         *((f"10.0.0.1{name[-1]}:8000", f"127.0.0.1:{port}") for name, port in self.ports.items()), *changes):
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        return text

    def start(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        self.pairs[name] = pipeline(
            self.stack, ["blerecv", "--port", self.ports[name], "--api-keys-file", self.folder / "keys", "--trusted-proxy", "127.0.0.1"],
            ["bleingest", "--db", self.database.path], stdout=None, cwd=folder)
        wait_port(self.ports[name])

    def kill(self, name):
        self.random.choice(self.pairs[name]).signal(signal.SIGKILL)
        for tool in self.pairs[name]:
            tool.wait()

    def said(self, name, state):
        return self.haproxy.log_text().count(f"Server receivers/{name} is {state}")

    def test_each_is_killed_under_load_and_the_others_go_on(self):
        load = Load([self.stack.enter_context(Tool(
            "blesend", "--mode", "http", "--url", self.haproxy.url, "--cafile", self.certificate, "--inflight", 8,
            "--spool", self.folder / f"spool-{number}", env={"HTTP_API_KEY": key})) for number, key in enumerate(self.keys)], self.database.count)
        self.stack.callback(load.end)
        for name in [*self.random.sample(sorted(self.ports), 3), *self.random.choices(sorted(self.ports), k=3)]:
            self.database.wait_count(self.database.count() + self.random.randrange(1, 1000))
            down, up = self.said(name, "DOWN"), self.said(name, "UP")
            self.kill(name)
            stored = self.database.count()
            wait_until(lambda stored=stored: self.database.count() >= stored + 500, "the others to go on")
            wait_until(lambda name=name, down=down: self.said(name, "DOWN") > down, f"haproxy to miss {name}")
            self.start(name)
            wait_until(lambda name=name, up=up: self.said(name, "UP") > up, f"haproxy to know {name} again")
        lines = load.end()
        for sender in load.senders:
            sender.close_stdin()
            self.assertEqual(sender.wait(), 0, sender.err)
        for pair in self.pairs.values():
            end_pipeline(pair)
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(3 * len(lines),)])
        self.assertEqual(self.database.gaps(), [])

    def test_bodies_that_drip_hold_no_place_at_a_receiver(self):
        few = (("default-server maxconn 200", "default-server maxconn 1"), ("timeout http-request 30s", "timeout http-request 3s"))
        haproxy = self.stack.enter_context(Haproxy(self.configuration(*few)))
        trust = ssl.create_default_context(cafile=self.certificate)

        def connect():
            return self.stack.enter_context(contextlib.closing(
                http.client.HTTPSConnection("localhost", haproxy.port, context=trust, timeout=DEADLINE_S)))

        def begin(size):
            connection = connect()
            connection.putrequest("POST", "/api/v1/detections/bulk")
            for name, value in (("Content-Type", "application/json"), ("X-Api-Key", self.keys[0]), ("Content-Length", str(size))):
                connection.putheader(name, value)
            connection.endheaders(b"{")
            return connection

        dripping = [begin(1000) for _ in range(2 * len(self.ports))]
        line = make_batches(1, "pi-0", f"{0:016x}")[0].encode()
        for _ in range(3):
            one = begin(len(line))
            one.send(line[1:])
            self.assertIn(one.getresponse().status, (200, 201))
        for connection in dripping:
            self.assertEqual(connection.getresponse().status, 408)


if __name__ == "__main__":
    unittest.main()
