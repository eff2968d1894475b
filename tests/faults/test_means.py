"""The means of the faults do what they say: links that forget, fall silent and slow down, and disks that are full."""
import contextlib
import errno
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import DEADLINE_S, Proxy, Tool, WrongClock, free_port, source_path
from harness.dead_address import DEAD, DeadAddress


class _Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass  # a reset


class Links(unittest.TestCase):
    def setUp(self):
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.link = Proxy(self.server.server_address[1])
        self.addCleanup(self.link.__exit__)

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.link.port), DEADLINE_S)
        self.addCleanup(client.close)
        return client

    def works(self, client, data=b"hello"):
        client.sendall(data)
        found = b""
        while len(found) < len(data):
            found += client.recv(65536)
        self.assertEqual(found, data)

    def is_reset(self, client):
        with self.assertRaises(ConnectionResetError):
            while client.recv(65536):
                pass

    def swallows(self, client):
        client.sendall(b"lost")
        client.settimeout(0.3)  # nothing comes: no condition tells
        with self.assertRaises(TimeoutError):
            client.recv(1)
        client.settimeout(DEADLINE_S)

    def test_a_cut_resets_and_lets_new_connections_in(self):
        client = self.connect()
        self.works(client)
        self.link.cut()
        self.is_reset(client)
        self.works(self.connect())

    def test_while_it_is_down_new_connections_are_reset(self):
        self.link.down()
        with self.assertRaises(ConnectionResetError):  # at once, or in the first word
            self.connect().recv(1)
        self.link.up()
        self.works(self.connect())

    def test_a_forgotten_connection_swallows_all_and_stays(self):
        client = self.connect()
        self.works(client)
        self.link.forget()
        self.swallows(client)
        self.works(self.connect())
        self.swallows(client)

    def test_a_silent_link_swallows_new_connections_too_until_it_is_up(self):
        old = self.connect()
        self.works(old)
        self.link.silence()
        new = self.connect()
        self.swallows(old)
        self.swallows(new)
        self.link.up()
        self.is_reset(old)
        self.is_reset(new)
        self.works(self.connect())

    def test_a_slow_link_passes_all_unchanged_piece_by_piece(self):
        client = self.connect()
        self.link.slow(1)
        client.sendall(bytes(range(256)) * 4)
        found = client.recv(65536)
        self.assertLess(len(found), 1024)
        self.link.slow(None)
        while len(found) < 1024:
            found += client.recv(65536)
        self.assertEqual(found, bytes(range(256)) * 4)

    def test_a_portal_answers_with_a_page_until_it_is_off(self):
        old = self.connect()
        self.works(old)
        self.link.portal(True)
        self.is_reset(old)
        new = self.connect()
        new.sendall(b"POST / HTTP/1.1\r\n\r\n")
        answer = b""
        while data := new.recv(65536):
            answer += data
        head, page = answer.split(b"\r\n\r\n")
        self.assertIn(b"200 OK", head)
        self.assertIn(f"Content-Length: {len(page)}\r\n".encode(), head)
        self.link.portal(False)
        self.works(self.connect())

    def test_much_passes_both_ways(self):
        client = self.connect()
        data = os.urandom(3_000_000)
        threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
        found = bytearray()
        while len(found) < len(data):
            found += client.recv(65536)
        self.assertEqual(bytes(found), data)


class DeadAddresses(unittest.TestCase):
    def test_one_takes_and_refuses_nothing_while_it_is_open(self):
        port = free_port()
        with contextlib.closing(DeadAddress(port)), socket.socket() as client:
            client.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                client.connect((DEAD, port))
        with self.assertRaises(ConnectionRefusedError), socket.socket() as client:
            client.connect((DEAD, port))


class WrongClocks(unittest.TestCase):
    def test_a_step_reaches_a_program_that_runs_and_spares_its_monotonic_clock(self):
        script = "import time\nwhile input():\n    print(time.time(), time.monotonic(), flush=True)"
        with tempfile.TemporaryDirectory(prefix="blepipe-clock-") as folder:
            clock = WrongClock(os.path.join(folder, "clock"))
            with Tool("/usr/bin/python3", "-c", script, env=clock.env) as tool:
                for ahead_s in (86400, -31 * 86400, 0):
                    clock.step(ahead_s)
                    tool.write(b"now\n")
                    wall, monotonic = map(float, tool.line().split())
                    self.assertAlmostEqual(wall - time.time(), ahead_s, delta=3600)
                    self.assertAlmostEqual(monotonic, time.monotonic(), delta=3600)


_FULL_DISK = """
import os, sys
from harness.mounts import fill, private_mounts, small_disk
private_mounts()
with small_disk(sys.argv[1], 1 << 20):
    fill(os.path.join(sys.argv[1], "filling"), 0)
    try:
        with open(os.path.join(sys.argv[1], "more"), "wb", buffering=0) as f:
            f.write(b"x")
    except OSError as error:
        print(error.errno)
    os.remove(os.path.join(sys.argv[1], "filling"))
    with open(os.path.join(sys.argv[1], "more"), "wb", buffering=0) as f:
        print(f.write(b"x"))
"""


_FULL_STANDBY = """
import contextlib, os, sys
from harness.mounts import fill, private_mounts, small_disk
from harness.postgres_pair import PostgresPair
private_mounts()
with contextlib.ExitStack() as stack:
    folders = [os.path.join(sys.argv[1], name) for name in ("one", "other")]
    for folder in folders:
        stack.enter_context(small_disk(folder, 192 << 20, files=8000))
    pair = stack.enter_context(PostgresPair(folders))
    standby = pair.standby
    filling = os.path.join(standby.folder, "filling")
    fill(filling, 0)

    one_try = pair.promoted

    def make_room_after_a_try():
        done = one_try()
        if os.path.exists(filling):
            print(done)
            os.remove(filling)
        return done
    pair.promoted = make_room_after_a_try
    pair.fail_over()
    print(pair.primary is standby, pair.sql("SELECT pg_is_in_recovery()").strip())
"""


class Disks(unittest.TestCase):
    def test_a_failover_on_a_full_disk_goes_on_when_there_is_room(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-disk-") as folder:
            os.chmod(folder, 0o755)  # PostgreSQL does not run as root
            done = subprocess.run([sys.executable, "-c", _FULL_STANDBY, folder], env={**os.environ, "PYTHONPATH": source_path("tests")},
                                  stdout=subprocess.PIPE, text=True, check=True)
            self.assertEqual(done.stdout.split(), ["False", "True", "f"])

    def test_a_small_disk_is_full_until_room_is_made_and_leaves_no_mount(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-disk-") as folder:
            disk = os.path.join(folder, "disk")
            done = subprocess.run([sys.executable, "-c", _FULL_DISK, disk], env={**os.environ, "PYTHONPATH": source_path("tests")},
                                  stdout=subprocess.PIPE, text=True, check=True)
            self.assertEqual(done.stdout.split(), [str(errno.ENOSPC), "1"])
            self.assertEqual(os.listdir(disk), [])


if __name__ == "__main__":
    unittest.main()
