"""The scripts in examples/pipelines do what they say, on the sample capture."""
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

from harness import DEADLINE_S, free_port, source_path

SAMPLE = source_path("examples", "sample.btsnoop")


class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-examples-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.database = self.folder / "ble.db"

    def example(self, name, *words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MQTT_", "HTTP_", "DEVICE_"))}
        environment["PATH"] = os.environ["BLEPIPE_BIN"] + ":" + environment["PATH"]
        done = subprocess.run([source_path("examples", "pipelines", name), *map(str, words)], cwd=self.folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=2 * DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def rows(self, query):
        with sqlite3.connect(self.database) as db:
            return db.execute(query).fetchall()

    def sample_batches(self):
        done = subprocess.run([os.path.join(os.environ["BLEPIPE_BIN"], "blescan"), "--replay", SAMPLE, "--device-id", "count"],
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.count(b"\n")

    def test_look(self):
        said = self.example("1-look.sh", SAMPLE)
        self.assertEqual(len([line for line in said if '"event_type"' in line]), 3)
        self.assertEqual(len([line for line in said if line.count("\t") == 2]), self.sample_batches())
        self.assertTrue(any("ibeacon" in line.lower() for line in said), said)

    def test_store_twice(self):
        said = self.example("2-store.sh", SAMPLE, self.database)
        count = self.sample_batches()
        self.assertEqual(said[:2], [f"Stored the first time:  {count}", "Stored the second time: 0"])
        self.assertEqual(self.rows("SELECT count(*) FROM batches"), [(count,)])

    def test_mqtt(self):
        said = self.example("3-mqtt.sh", SAMPLE, self.database, free_port())
        self.assertEqual(said[-1], "{0} of {0} batches stored".format(self.sample_batches()))
        self.assertEqual(self.rows("SELECT count(*) FROM batches"), [(self.sample_batches(),)])

    def test_http(self):
        said = self.example("4-http.sh", SAMPLE, self.database, free_port())
        self.assertEqual(said[-1], f"{self.sample_batches()} batches stored")

    def test_two_ways_into_one_store(self):
        said = self.example("5-two-ways.sh", SAMPLE, self.database, free_port(), free_port())
        count = self.sample_batches()
        self.assertEqual(said[-2:], [f"pi-by-http|{count}", f"pi-by-mqtt|{count}"])


if __name__ == "__main__":
    unittest.main()
