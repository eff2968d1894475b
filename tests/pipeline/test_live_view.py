"""One dashboard for several backends: what each bleingest has stored goes by the broker to one blews, and nobody waits for that."""
import contextlib
import json
import pathlib
import signal
import tempfile
import time
import unittest

from harness import DEADLINE_S, Broker, EventStream, NatsBroker, Postgres, Tool, make_batches, pipeline, positions, wait_until

EVENTS = "tfg/events"


class LiveView(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-live-")))
        self.server = self.stack.enter_context(Postgres(["fsync=off"]))
        self.database = self.server.database()
        self.lines = []

    def start_backends(self, port, count=2):
        """bleingest | mosquitto_pub, each of which takes lines from the test."""
        self.backends = []
        for number in range(count):
            folder = self.folder / str(number)
            folder.mkdir(exist_ok=True)
            self.backends.append(pipeline(
                self.stack, ["bleingest", "--db", self.database.path],
                ["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-V", "mqttv311", "-t", EVENTS, "-l"], stdin="pipe", stdout=None, cwd=folder))

    def start_view(self, port):
        self.view = pipeline(self.stack, ["blesub", "--broker", f"127.0.0.1:{port}", "--topic", EVENTS, "--keepalive", "5"],
                             ["blews", "--port", "0"], stdout=None, cwd=self.folder)
        self.view[0].wait_err("subscribed to")
        self.view[1].wait_err("listening on ")
        at = self.view[1].err.split("listening on ", 1)[1].split()[0]
        return self.stack.enter_context(EventStream(int(at.rsplit(":", 1)[1])))

    def store(self, each, detections=3):
        """So many batches more by each of the backends, of a device of its own; the new lines."""
        new = []
        for number, (ingest, _) in enumerate(self.backends):
            mine = [line for line in self.lines if f'"pi-{number}"' in line]
            lines = make_batches(each, f"pi-{number}", f"{number:016x}", detections, first=len(mine))
            ingest.write("".join(line + "\n" for line in lines))
            new += lines
        self.lines += new
        return new

    @staticmethod
    def hear(stream, lines):
        """Until each of these was seen."""
        left, end = set(lines), time.monotonic() + DEADLINE_S
        while left:
            if time.monotonic() > end:
                raise AssertionError(f"{len(left)} of {len(lines)} were not shown")
            event = json.loads(stream.next()["data"])
            if event["type"] == "detection_event":
                left.discard(json.dumps(event["data"], separators=(",", ":")))

    def check(self):
        self.database.wait_count(len(self.lines))
        for ingest, _ in self.backends:
            ingest.close_stdin()
            self.assertEqual(ingest.wait(), 0, ingest.err)
        self.assertEqual(self.database.batches(), positions(self.lines))

    def test_it_shows_what_every_backend_has_stored(self):
        broker = self.stack.enter_context(Broker())
        stream = self.start_view(broker.port)
        self.start_backends(broker.port)
        self.hear(stream, self.store(100))
        self.hear(stream, self.store(1, detections=2500))  # a long line
        self.check()

    def test_by_a_broker_of_mqtt_3_1_1_too(self):
        broker = self.stack.enter_context(NatsBroker())
        stream = self.start_view(broker.port)
        self.start_backends(broker.port)
        self.hear(stream, self.store(100))
        self.check()

    def test_a_view_that_stands_still_and_a_broker_that_is_gone_hold_up_no_backend(self):
        broker = self.stack.enter_context(Broker())
        stream = self.start_view(broker.port)
        self.start_backends(broker.port)
        self.hear(stream, self.store(10))
        self.view[0].signal(signal.SIGSTOP)
        self.store(1000)
        self.database.wait_count(len(self.lines))
        wait_until(lambda: "exceeded timeout" in broker.log_text(), "the broker to give it up")
        self.view[0].signal(signal.SIGCONT)
        broker.kill()
        self.store(1000)
        self.database.wait_count(len(self.lines))
        broker.start()

        def back():
            since = broker.log_text().rsplit("mosquitto version", 1)[1]
            return since.count("Sending CONNACK") >= 3 and "Sending SUBACK" in since
        wait_until(back, "all to be back")
        self.hear(stream, self.store(10))
        self.check()


if __name__ == "__main__":
    unittest.main()
