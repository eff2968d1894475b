"""scripts/demo: the two ways, the table, and that nothing stays behind, however it ends."""
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import tempfile
import unittest
import uuid

from harness import Tool, source_path, wait_until

TABLE_ROW = re.compile(r"│\s*(demo-\w+)\s*" + r"│\s*(\d+)\s*" * 7 + "│")


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-demo-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.db = self.folder / "demo.db"
        self.mark = uuid.uuid4().hex
        self.addCleanup(self.nothing_is_left)

    def demo(self, *argv):
        # Every process that the demo starts inherits the mark.
        return Tool("/usr/bin/env", "bash", source_path("scripts", "demo"), "--bin", os.environ["BLEPIPE_BIN"],
                    "--db", self.db, *argv, env={"DEMO_MARK": self.mark, "TMPDIR": str(self.folder)}, stdin=None)

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if self.mark.encode() in f.read():
                        with open(f"/proc/{pid}/cmdline", "rb") as g:
                            found.append(g.read().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def nothing_is_left(self):
        wait_until(lambda: not self.processes(), f"the end of all that the demo started; left: {self.processes()}", 20)
        self.assertEqual([p.name for p in self.folder.glob("blepipe-demo.*")], [], "its folder is gone")

    def read_until(self, tool, text):
        said = []
        while (line := tool.line()) is not None:
            said.append(line.decode())
            if text in said[-1]:
                return "\n".join(said)
        raise AssertionError(f"{text!r} was not said: {said}; {tool.err}")

    def test_the_capture_arrives_by_mqtt_and_by_http(self):
        with self.demo() as demo:
            said = "\n".join(line.decode() for line in demo.lines())
            self.assertEqual(demo.wait(), 0, demo.err + said)
        for shown in ("blesub ", "| bleingest --db ble.db | blews", "blescan --replay", "| blesend --mode mqtt",
                      "blerecv ", "| blesend --mode http", "http://localhost:"):
            self.assertIn(shown, said)
        rows = {row[0]: [int(n) for n in row[1:]] for row in TABLE_ROW.findall(said)}
        self.assertEqual(set(rows), {"demo-mqtt", "demo-http"}, said)
        self.assertEqual(rows["demo-mqtt"], rows["demo-http"], "both ways carry the same")
        batches, advertisers, detections, near, medium, far, gaps = rows["demo-mqtt"]
        self.assertIn(f"{batches} batches of a recorded capture", said, "all that was announced, and nothing else")
        self.assertGreaterEqual(advertisers, 30)
        self.assertEqual(detections, near + medium + far)
        self.assertEqual(gaps, 0)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM batches").fetchone()[0], 2 * batches)
            self.assertEqual(db.execute("SELECT count(*) FROM detections").fetchone()[0], 2 * detections)

    def test_keep_stays_until_ctrl_c(self):
        with self.demo("--keep") as demo:
            self.read_until(demo, "until Ctrl-C")
            self.assertTrue(demo.running())
            self.assertTrue(any("blews" in p for p in self.processes()))
            demo.signal(signal.SIGINT)
            self.assertEqual(demo.wait(), 0, demo.err)
        self.assertTrue(self.db.exists())

    def test_ctrl_c_in_mid_stream(self):
        with self.demo() as demo:
            self.read_until(demo, "| blesend --mode mqtt")
            demo.signal(signal.SIGINT)
            self.assertEqual(demo.wait(), 130, demo.err)

    def test_the_reader_of_its_output_leaves(self):
        with self.demo() as demo:
            self.assertTrue(demo.process.stdout.readline())
            demo.process.stdout.close()
            self.assertNotEqual(demo.wait(), 0)

    def test_a_pipeline_that_dies_ends_the_demo(self):
        with self.demo() as demo:
            self.read_until(demo, "| blesend --mode mqtt")
            victims = [p for p in os.listdir("/proc") if p.isdigit() and self.is_mosquitto(p)]
            self.assertEqual(len(victims), 1)
            os.kill(int(victims[0]), signal.SIGKILL)
            self.assertEqual(demo.wait(), 1, demo.err)
            self.assertIn("a pipeline ended early", demo.err)

    def is_mosquitto(self, pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f, open(f"/proc/{pid}/comm", "rb") as g:
                return self.mark.encode() in f.read() and g.read().strip() == b"mosquitto"
        except OSError:
            return False

    def test_what_is_no_capture(self):
        with self.demo("--capture", source_path("LICENSE")) as demo:
            self.assertEqual(demo.wait(), 1)
            self.assertIn("blescan", demo.err)
        with self.demo("--capture", self.folder / "absent") as demo:
            self.assertEqual(demo.wait(), 69)
            self.assertIn("absent", demo.err)

    def test_usage(self):
        for words in (["--nonsense"], ["--capture"]):
            done = subprocess.run(["bash", source_path("scripts", "demo"), *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 64, done.stderr)
        self.assertIn("--capture needs a value", done.stderr)


if __name__ == "__main__":
    unittest.main()
