"""blesend whose spool's disk is full, or may not be written, when it starts."""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import tempfile
import unittest

from harness import HttpServer, Tool, make_batches, standing, wait_until
from harness.mounts import fill, make_read_only, private_mounts, small_disk


def setUpModule():
    private_mounts()


class FullAtStart(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-full-")))
        self.disk, self.other = self.folder / "disk", self.folder / "disk" / "other"
        self.server = self.stack.enter_context(HttpServer())
        self.out, self.into = os.pipe()
        fcntl.fcntl(self.into, fcntl.F_SETPIPE_SZ, 1 << 20)  # writing must not block when nobody reads
        self.addCleanup(os.close, self.out)
        self.lines = [line.encode() + b"\n" for line in make_batches(20)]

    def make_disk(self, **options):
        self.stack.enter_context(small_disk(self.disk, 1 << 20, **options))

    def start(self, *words):
        return self.stack.enter_context(Tool("blesend", "--url", self.server.url, "--spool", self.disk / "spool", *words,
                                             stdin=self.out, cwd=self.folder))

    def write(self, lines):
        os.write(self.into, b"".join(lines))

    def delivered(self):
        return [json.loads(body)["seq"] for body in self.server.bodies]

    def check_goes_on(self, tool, expected):
        tool.wait_err("can be used now")
        wait_until(lambda: len(self.server.bodies) >= expected, "the lines to arrive")
        os.close(self.into)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.delivered(), list(range(expected)))
        self.assertEqual(tool.err.count("the input waits"), 1, tool.err)
        self.assertEqual(list(self.disk.glob("spool.damaged*")), [])

    def test_no_room_for_a_new_spool(self):
        self.make_disk()
        fill(self.other, 0)
        self.write(self.lines)
        tool = self.start()
        tool.wait_err("disk is full")
        # Each try makes SQLite's journal anew.
        for _ in range(2):
            before = self.disk.stat().st_mtime_ns
            wait_until(lambda: self.disk.stat().st_mtime_ns != before, "another try")
        self.assertEqual(standing(self.out), sum(map(len, self.lines)))
        self.assertEqual(tool.stats()["queued"], 0)
        self.other.unlink()
        self.check_goes_on(tool, 20)

    def test_little_room(self):
        """Enough for some of the steps of making a spool, or for the spool and not for what comes."""
        for pages in range(1, 12, 2):
            with self.subTest(pages=pages), contextlib.ExitStack() as stack:
                stack.enter_context(small_disk(self.disk, 1 << 20))
                fill(self.other, pages * 4096)
                self.server.requests.clear()
                self.write(self.lines)
                tool = self.start()
                tool.wait_err("the input waits")
                self.assertEqual(standing(self.out), sum(map(len, self.lines)))
                self.other.unlink()
                wait_until(lambda: len(self.server.bodies) >= 20, "the lines to arrive")
                tool.signal(signal.SIGTERM)
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(self.delivered(), list(range(20)))
                self.assertEqual(list(self.disk.glob("spool.damaged*")), [])
            self.disk.rmdir()

    def test_an_empty_spool_uses_the_little_that_is_left(self):
        self.make_disk()
        fill(self.other, 200_000)
        self.write(self.lines)
        tool = self.start()
        os.close(self.into)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.delivered(), list(range(20)))
        self.assertNotIn("the input waits", tool.err)

    def test_on_a_disk_that_tells_no_size_the_log_is_used_again(self):
        self.stack.enter_context(small_disk(self.disk, 0))  # 0: without a limit
        self.assertEqual(os.statvfs(self.disk).f_blocks, 0)
        self.server.stop()
        tool = self.start()
        lines = [line.encode() + b"\n" for line in make_batches(10_000)]
        for first in range(0, len(lines), 1000):
            self.write(lines[first:first + 1000])
            wait_until(lambda: standing(self.out) == 0, "the lines to be taken")
        self.assertLess((self.disk / "spool-wal").stat().st_size, sum(map(len, lines)))
        self.assertGreater((self.disk / "spool").stat().st_size, 1 << 20)
        self.assertEqual(tool.stats()["queued"], len(lines))

    def test_no_more_files_can_be_made(self):
        self.make_disk(files=4)  # a spool needs three
        others = [self.disk / str(number) for number in range(4)]
        for other in others:
            other.touch()
        self.write(self.lines)
        tool = self.start()
        tool.wait_err("No space left on device")
        for other in others:
            self.assertEqual(standing(self.out), sum(map(len, self.lines)))
            other.unlink()
        self.check_goes_on(tool, 20)

    def test_what_waits_in_a_spool_goes_first_when_there_is_room(self):
        self.make_disk()
        self.server.stop()
        self.write(self.lines[:10])
        tool = self.start()
        wait_until(lambda: standing(self.out) == 0, "the first lines")
        tool.signal(signal.SIGTERM)
        tool.wait()
        fill(self.other, 0)
        self.write(self.lines[10:])
        self.server.start()
        tool = self.start()
        tool.wait_err("the input waits")
        self.assertEqual(standing(self.out), sum(map(len, self.lines[10:])))
        self.other.unlink()
        self.check_goes_on(tool, 20)

    def test_it_can_be_stopped_meanwhile(self):
        self.make_disk()
        fill(self.other, 0)
        self.write(self.lines)
        tool = self.start()
        tool.wait_err("the input waits")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        tool = self.start("--count", "1", "--run-for", "0.1")
        self.assertEqual(tool.wait(), 75, tool.err)
        self.assertEqual(standing(self.out), sum(map(len, self.lines)))

    def test_a_read_only_disk_is_an_error(self):
        self.make_disk()
        make_read_only(self.disk)
        self.write(self.lines)
        tool = self.start()
        self.assertEqual(tool.wait(), 77, tool.err)
        self.assertIn("Read-only file system", tool.err)
        self.assertEqual(standing(self.out), sum(map(len, self.lines)))


if __name__ == "__main__":
    unittest.main()
