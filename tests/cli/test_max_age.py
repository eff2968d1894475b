"""blesend --max-age: what waited too long is dropped, counted and told of; what no clock can be believed to call old is not."""
import contextlib
import json
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import Broker, HttpServer, Tool, free_port, wait_until
from harness.process import run

RUN = "9f2c41d07a6be813"
STAMP = "2026-11-22T06:30:10.000Z"

HOUR = 3600
YEARS = 50 * 365 * 24 * HOUR


def batches(*limits):
    return "".join(json.dumps({"format": 1, "device_id": "pi-lab-1", "timestamp": STAMP, "run_id": RUN, "seq": seq,
                               "detections": []}) + "\n" for seq in range(*limits))


def told(bodies):
    """What was delivered: numbers, and for gap lines from, to and reason."""
    found = (json.loads(line) for body in bodies for line in body.split(b"\n"))
    return [line["seq"] if "seq" in line else tuple(line["gap"][name] for name in ("from_seq", "to_seq", "reason"))
            for line in found]


class MaxAge(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-age-")))
        self.spool = self.folder / "spool"

    def blesend(self, *words, spool=True):
        words = [*words, "--spool", self.spool] if spool else words
        tool = self.stack.enter_context(Tool("blesend", *words, cwd=self.folder))
        tool.wait_err("blesend: spool: ")  # from here on it takes signals
        return tool

    def nobody(self):
        return "--url", f"http://127.0.0.1:{free_port()}"

    def server(self):
        server = HttpServer()
        server.start()
        self.addCleanup(server.stop)
        return server

    def status(self, *words):
        code, out, err = run("blesend", "--status", "--spool", self.spool, *words)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def fill(self, count):
        """A spool with batches from 0 on, which nobody uses."""
        tool = self.blesend(*self.nobody())
        tool.write(batches(0, count))
        wait_until(lambda: tool.stats()["in"] == count, "the input to be taken")
        tool.signal(signal.SIGKILL)
        tool.wait()

    def make_older(self, wall_s, lived_s):
        """As if all had come so many seconds earlier, by the wall clock and by the time that the machine was on."""
        with sqlite3.connect(self.spool) as database:
            database.execute("UPDATE batches SET since = since - ?", (1000 * wall_s,))
            database.execute("UPDATE state SET lived_s = lived_s + ?", (lived_s,))
        database.close()

    def deliver(self, server, *words, last=""):
        tool = self.blesend("--url", server.url, *words)
        tool.write(last)
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        return tool

    def test_the_present_first_after_a_long_time_on_disk(self):
        self.fill(5)
        self.make_older(2 * HOUR, 2 * HOUR)
        server = self.server()
        tool = self.deliver(server, "--max-age", "1h", last=batches(5, 7))
        self.assertEqual(told(server.bodies), [(0, 4, "expired"), 5, 6])
        gap = json.loads(server.bodies[0])
        self.assertEqual((gap["run_id"], gap["gap"]["from"], gap["gap"]["to"]), (RUN, STAMP, STAMP))
        self.assertIn("older than --max-age, 5 since the start; gap lines will tell of them", tool.err)
        self.assertIn("5 batches were older than --max-age and dropped", tool.err)
        self.assertNotIn("dropped in all", tool.err)
        found = self.status()
        self.assertEqual((found["batches"], found["gaps"], found["dropped"], found["expired"]), (0, 0, 0, 5))

    def test_it_is_off_by_default(self):
        self.fill(3)
        self.make_older(YEARS // 100, YEARS // 100)
        server = self.server()
        tool = self.deliver(server)
        self.assertEqual(told(server.bodies), [0, 1, 2])
        self.assertNotIn("max-age", tool.err)

    def test_a_clock_that_is_wrong_drops_nothing(self):
        for step in (YEARS, 2 * HOUR, -2 * HOUR, -YEARS):
            with self.subTest(step):
                self.fill(3)
                self.make_older(step, 0)
                server = self.server()
                self.deliver(server, "--max-age", "1h", last=batches(3, 4))
                self.assertEqual(told(server.bodies), [0, 1, 2, 3])

    def test_in_memory_while_nobody_was_there(self):
        server = self.server()
        server.stop()
        tool = self.blesend("--url", server.url, "--max-age", "3", spool=False)
        tool.write(batches(0, 4))
        wait_until(lambda: tool.stats()["oldest_ms"] > 3000, "them to get too old")
        self.assertEqual(tool.stats().get("expired"), None)  # their turn has not come
        server.start()
        wait_until(lambda: tool.stats().get("expired") == 4, "them to be dropped")
        tool.write(batches(4, 6))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(told(server.bodies), [(0, 3, "expired"), 4, 5])

    def test_by_mqtt_with_several_in_a_message(self):
        broker = self.stack.enter_context(Broker())
        self.fill(40)
        self.make_older(2 * HOUR, 2 * HOUR)
        receiver = self.stack.enter_context(Tool("blesub", "--host", "127.0.0.1", "--port", broker.port, "--ack", "received"))
        receiver.wait_err("subscribed to")
        tool = self.blesend("--host", "127.0.0.1", "--port", broker.port, "--max-age", "1h", "--coalesce", "8")
        tool.write(batches(40, 43))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(told(receiver.line() for _ in range(4)), [(0, 39, "expired"), 40, 41, 42])

    def test_a_full_spool_that_blocks_makes_room_of_what_is_too_old(self):
        self.fill(4)
        self.make_older(2 * HOUR, 2 * HOUR)
        tool = self.blesend(*self.nobody(), "--max-age", "1h", "--spool-max", "4", "--policy", "block")
        tool.write(batches(4, 10))
        wait_until(lambda: tool.stats()["in"] == 4, "room to be made")
        self.assertEqual((tool.stats()["expired"], tool.stats()["dropped"]), (4, 0))
        found = self.status()
        self.assertEqual((found["batches"], found["gaps"], found["expired"]), (4, 1, 4))

    def test_a_gap_line_is_never_too_old(self):
        gap = json.dumps({"format": 1, "device_id": "pi-lab-1", "run_id": RUN,
                          "gap": {"from_seq": 50, "to_seq": 60, "reason": "scanner"}})
        tool = self.blesend(*self.nobody())
        tool.write(gap + "\n" + batches(0, 1))
        wait_until(lambda: tool.stats()["in"] == 2, "the input to be taken")
        tool.signal(signal.SIGTERM)
        tool.wait()
        self.make_older(2 * HOUR, 2 * HOUR)
        server = self.server()
        self.deliver(server, "--max-age", "1h")
        self.assertEqual(told(server.bodies), [(50, 60, "scanner"), (0, 0, "expired")])

    def test_status_and_metrics_tell_of_them(self):
        self.fill(3)
        self.make_older(2 * HOUR, 2 * HOUR)
        self.assertNotIn("too_old", self.status())
        self.assertEqual([self.status("--max-age", age)["too_old"] for age in ("1h", "3h")], [3, 0])
        metrics = self.folder / "blesend.prom"
        server = self.server()
        tool = self.blesend("--url", server.url, "--max-age", "1h", "--metrics", metrics)
        wait_until(lambda: tool.stats().get("expired") == 3, "them to be dropped")
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertRegex(metrics.read_text(encoding="utf-8"), r'(?m)^blepipe_expired_total\{.*tool="blesend".*\} 3$')

    def test_it_contradicts_a_spool_of_nothing(self):
        words = ("--url", "http://localhost", "--check")
        for given, env, code in ((("--buffer", "0", "--max-age", "1h"), {}, 64), (("--max-age", "1h"), {"MQTT_BUFFER_SIZE": "0"}, 64),
                                 ((), {"MQTT_BUFFER_SIZE": "0", "BLEPIPE_MAX_AGE": "1h"}, 78)):
            with self.subTest(given=given, env=env):
                found, _, err = run("blesend", *words, *given, env=env)
                self.assertEqual(found, code, err)
                self.assertIn("contradicts --max-age", err)
        self.assertEqual(run("blesend", *words, "--buffer", "0", "--max-age", "0")[0], 0)


if __name__ == "__main__":
    unittest.main()
