"""The commands of "Questions at night" in blepipe(7), as they are written, answer them."""
import json
import os
import pathlib
import subprocess
import unittest

from harness import Broker, FolderTest, Tool, free_port, make_batches, tool_path
from harness.manual import displays

ADDRESS = "C0:11:22:33:44:01"


class Night(FolderTest):
    def setUp(self):
        super().setUp()
        self.environment = {**os.environ, "PATH": f"{pathlib.Path(tool_path('blescan')).parent}:{os.environ['PATH']}"}
        self.best, self.legs, self.doctors, self.page, self.missed, self.dropping = displays("blepipe.7", "Questions at night")

    def type(self, text, code=0, **environment):
        done = subprocess.run(["bash", "-c", text], cwd=self.folder, env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def store(self, lines):
        with Tool("bleingest", "--db", "ble.db", stdout=None, cwd=self.folder) as tool:
            tool.offer("".join(line + "\n" for line in lines).encode())
            self.assertEqual(tool.wait(), 0, tool.err)

    def heard(self, device, rssi, count, **more):
        """Batches of now that hear the beacon."""
        found = self.type(f"blescan --hash-key hash_key --hash {ADDRESS}").strip()
        lines = []
        for line in make_batches(count, device, detections=1, **more):
            batch = json.loads(line)
            batch["timestamp"] = batch["detections"][0]["timestamp"] = self.type("date -u +%Y-%m-%dT%H:%M:%SZ").strip()
            batch["detections"][0].update(device_hash=found, rssi=rssi)
            lines.append(json.dumps(batch))
        return lines

    def test_the_database(self):
        self.file("hash_key", "0123456789abcdef" * 4)
        near = self.heard("pi-near", -50, 4)
        self.store(self.heard("pi-far", -80, 3, run_id="00000000000000f0") + near[:1] + near[3:])
        heard = [row for row in map(json.loads, self.type(self.best).splitlines()) if row["what"] == "heard"]
        self.assertEqual({row["device_id"] for row in heard}, {"pi-near", "pi-far"})
        self.assertEqual(max(heard, key=lambda row: row["mean_rssi"])["device_id"], "pi-near")
        self.assertIn("pi-near", self.type(self.legs))
        missed = self.type(self.missed)
        self.assertIn("pi-near", missed)
        self.assertNotIn("pi-far", missed)

    def test_a_spool(self):
        with Tool("blesend", "--url", f"http://127.0.0.1:{free_port()}", "--spool", "blesend.spool", cwd=self.folder) as tool:
            tool.write(make_batches(1)[0] + "\n")
            tool.wait_err("refused")
        self.assertEqual({json.loads(self.type(self.dropping))[name] for name in ("dropped", "expired")}, {0})

    def test_each_leg(self):
        self.assertIn("port", self.type(self.page, BLEPIPE_PORT=str(free_port())))
        with Broker() as broker:
            said = self.type("\n".join(self.doctors.splitlines()[1:]), MQTT_BROKER="127.0.0.1", MQTT_PORT=str(broker.port))
        for word in ("Batches can be sent.", "Batches can be received.", "Batches can be stored."):
            self.assertIn(word, said)


if __name__ == "__main__":
    unittest.main()
