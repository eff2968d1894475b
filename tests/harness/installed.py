"""Machines on which the packages are installed: the chain over a local broker, with a capture in place of the radio."""
import collections
import contextlib
import json
import os
import subprocess
import unittest

from .machine import Machine, release
from .pipeline import Database
from .process import source_path, standing, tool_path

AGENT = ["blescan@any.service", "blesend.service"]
SERVER = ["blesub.service", "blerecv.service", "bleingest.service", "blews.service"]
SECRETS = "/etc/blepipe/secrets"

# A run takes 6 s, and has a batch of each second of the capture.
REPLAY = ["--replay", "/usr/share/doc/blepipe/examples/sample.btsnoop", "--window", "1", "--interval", "0"]

QUICK = "[Service]\nRestartSec=200ms\n" + ("RestartSteps=1\nRestartMaxDelaySec=300ms\n" if release() == "trixie" else "")
DROP_INS = {
    "blescan@.service": f"{QUICK}Environment=DEVICE_ID=pi-test\nExecStart=\nExecStart=/usr/bin/blescan {' '.join(REPLAY)} --now --speed 20\n",
    "blesend.service": f"{QUICK}Environment=BLEPIPE_CONFIRM_TIMEOUT=5\n",
    "mosquitto.service": "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n",
    **{unit: QUICK for unit in SERVER},
}


def detections_of_a_run():
    """How many detections each batch of the replay has."""
    words = [source_path("examples", "sample.btsnoop") if word.endswith(".btsnoop") else word for word in REPLAY]
    lines = subprocess.run([tool_path("blescan"), "--device-id", "pi-test", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=True).stdout.splitlines()
    return [len(json.loads(line)["detections"]) for line in lines]


class Installed(unittest.TestCase):
    """A machine for all tests of a class, on which the packages were installed as README says, while it ran."""

    first = "/srv"  # where the packages are that are installed

    @classmethod
    def setUpClass(cls):
        cls.ended_early = 0  # runs of blescan, by all tests
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.machine = cls.stack.enter_context(Machine())
        for unit, text in DROP_INS.items():
            cls.machine.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        cls.prepare()
        cls.machine.boot()
        cls.said = cls.machine.run("sh", "-c", f"apt-get -q install -y {cls.first}/*.deb")
        cls.database = Database(cls.machine.root / "var/lib/blepipe/bleingest/ble.db")

    @classmethod
    def prepare(cls):
        """What else there is before the machine boots."""

    def state(self, unit):
        return self.machine.try_run("systemctl", "is-active", unit).stdout.strip()

    def wait_state(self, unit, state):
        self.machine.wait(lambda: self.state(unit) == state, f"{unit} to be {state}")

    def wait_more(self, batches=20):
        count = self.database.count()
        self.machine.wait(lambda: self.database.count() >= count + batches, "batches to be stored")

    def standing(self, fifo):
        """How many bytes wait in it: a look from outside, that takes nothing."""
        path = os.path.join("/proc", self.machine.init, "root", "run", "blepipe", fifo)
        with open(path, "rb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:
            return standing(stream)

    def queued(self):
        return json.loads(self.machine.run("blesend", "--spool", "/var/lib/blepipe/blesend/blesend.spool", "--status"))["batches"]

    def fetch(self, port, path):
        return subprocess.run(["nsenter", "--target", self.machine.init, "--net", "curl", "-s", f"http://127.0.0.1:{port}{path}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout

    def health(self, port):
        return json.loads(self.fetch(port, "/health"))["status"]

    def check_all_stored(self, ended_early):
        """Stops the scanner, and waits for what it sent. ended_early: how many runs may be incomplete."""
        self.machine.run("systemctl", "stop", "blescan@any.service")
        self.addCleanup(self.machine.run, "systemctl", "start", "--no-block", "blescan@any.service")
        self.machine.wait(lambda: self.standing("scan") == 0 and self.queued() == 0, "the queue to be empty")
        self.machine.wait(lambda: self.standing("mqtt") == 0, "the store to be done")
        detections = collections.Counter((run, seq) for _, run, seq, *_ in self.database.detections())
        runs = collections.defaultdict(list)
        for _, run, seq in self.database.batches():
            runs[run].append((seq, detections[run, seq]))
        expected = list(enumerate(detections_of_a_run()))
        for run, batches in runs.items():
            batches.sort()
            last = len(batches) - 1  # its window may have been cut short
            self.assertEqual(batches[:last], expected[:last], run)
            self.assertEqual(batches[last][0], last, run)
        self.assertEqual(self.database.gaps(), [])
        incomplete = sum(len(batches) < len(expected) for batches in runs.values())
        type(self).ended_early += ended_early + 1  # the stop above
        self.assertLessEqual(incomplete, self.ended_early)
        # No run is missing whole, but for those that were ended before their first window.
        started = self.machine.run("journalctl", "-q", "--no-pager", "-o", "cat", "--unit=blescan@any.service").count("Started blescan@any.service")
        self.assertGreaterEqual(len(runs), started - self.ended_early)
