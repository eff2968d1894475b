"""examples/mosquitto.conf and mosquitto.acl keep what they promise, in a mosquitto that runs with these very files."""
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from harness import DEADLINE_S, Database, ExampleBroker, Tool, end_pipeline, flatten, make_batches, pipeline, positions, wait_until

RAW, EVENTS = "tfg/detections/raw", "tfg/events"
GRANTED, NOT_AUTHORISED, TOO_LARGE = 0x00, 0x87, 0x95
LARGEST = 1048576


def topic_of(device):
    return f"{RAW}/{device}"


def confirmation_of(device):
    return f"{RAW}/stored/{device}"


class Example(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-example-broker-")))
        self.broker = ExampleBroker(self.folder, ["pi-lab-1", "pi-lab-2", "+"])
        self.assertEqual(self.broker.named, ["backend", "watcher"])  # no line for a Pi
        self.stack.enter_context(self.broker)

    def reason(self, account, topic, payload=None):
        """What the PUBACK says when this account publishes there: by default its own name."""
        words = self.broker.client("mosquitto_pub", account, "-t", topic, "-s", "-d")
        subprocess.run(words, input=payload or account, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        # As the broker says: mosquitto_pub of 2.0.21 ends with an error, and shows none of its own, at some.
        sent = re.findall(r"Sending PUBACK to \S+ \(m\d+, rc(\d+)\)", self.broker.log_text())
        return int(sent[-1])

    def send(self, lines, *words):
        given = self.folder / "input"
        given.write_text("".join(line + "\n" for line in lines), encoding="ascii")
        with open(given, "rb") as stream, Tool(*self.broker.tool("blesend", "pi-lab-1", "--topic", topic_of("{device_id}"), *words),
                                               stdin=stream) as sender:
            self.assertEqual(sender.wait(), 0, sender.err)

    def start_backend(self, database, *words):
        pair = pipeline(self.stack, self.broker.tool("blesub", "backend", "--client-id", "backend", "--topic-device", *words),
                        ["bleingest", "--db", database.path], stdout=None, cwd=self.folder)
        pair[0].wait_err("subscribed")
        return pair

    def start_subscriber(self, account, topic):
        subscriber = self.stack.enter_context(Tool(*self.broker.client("mosquitto_sub", account, "-i", account, "-t", topic)))
        wait_until(lambda: "Sending SUBACK to " + account in self.broker.log_text(), "the subscription")
        return subscriber

    def test_a_queue_of_more_than_1000_messages_survives_a_kill_once_it_is_saved(self):
        database, lines = Database(self.folder / "ble.db"), make_batches(1250, "pi-lab-1", detections=1)
        end_pipeline(self.start_backend(database))
        self.send(lines[:1200])
        saved = pathlib.Path(self.broker.folder.name) / "mosquitto.db"
        wait_until(lambda: saved.exists() and lines[1199].encode() in saved.read_bytes(), "the last message to be saved")
        self.broker.kill()
        self.broker.start()
        self.send(lines[1200:])  # the backend is still away: its session has to have kept its rights
        pair = self.start_backend(database)
        database.wait_count(len(lines))
        end_pipeline(pair)
        self.assertEqual(database.batches(), positions(lines))
        self.assertEqual(database.detections(), flatten(lines))
        self.assertEqual(database.gaps(), [])

    def test_a_group_of_backends_confirms_by_these_rights(self):
        database, lines = Database(self.folder / "ble.db"), make_batches(40, "pi-lab-1", detections=1)
        pair = self.start_backend(database, "--share", "backends", "--confirm")
        self.send(lines, "--confirm", "stored")
        end_pipeline(pair)
        self.assertEqual(database.batches(), positions(lines))

    def test_who_may_publish(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))  # somebody is subscribed: else it is 0x10
        reader = self.start_subscriber("pi-lab-1", confirmation_of("pi-lab-1"))
        for account, topic, reason in [
                ("pi-lab-1", topic_of("pi-lab-1"), GRANTED), ("pi-lab-2", topic_of("pi-lab-2"), GRANTED),
                ("backend", confirmation_of("pi-lab-1"), GRANTED), ("pi-lab-1", topic_of("pi-lab-2"), NOT_AUTHORISED),
                ("pi-lab-1", RAW, NOT_AUTHORISED), ("pi-lab-1", "other", NOT_AUTHORISED),
                ("pi-lab-1", topic_of("pi-lab-1/more"), NOT_AUTHORISED),
                ("pi-lab-1", confirmation_of("pi-lab-1"), NOT_AUTHORISED), ("pi-lab-1", confirmation_of("pi-lab-2"), NOT_AUTHORISED),
                ("watcher", confirmation_of("pi-lab-1"), NOT_AUTHORISED), ("watcher", topic_of("pi-lab-1"), NOT_AUTHORISED),
                ("watcher", topic_of("watcher"), NOT_AUTHORISED), ("backend", topic_of("backend"), NOT_AUTHORISED),
                ("backend", topic_of("pi-lab-1"), NOT_AUTHORISED), ("+", topic_of("pi-lab-1"), NOT_AUTHORISED)]:
            self.assertEqual(self.reason(account, topic), reason, f"{account} to {topic}")
        self.assertEqual(reader.line(), b"backend")

    def test_only_the_backend_writes_on_the_page_and_a_pi_does_not_read_it(self):
        watcher, pi = self.start_subscriber("watcher", EVENTS), self.start_subscriber("pi-lab-1", EVENTS)
        for account in ("pi-lab-1", "watcher"):
            self.assertEqual(self.reason(account, EVENTS), NOT_AUTHORISED, account)
        self.assertEqual(self.reason("backend", EVENTS), GRANTED)
        self.assertEqual(watcher.line(), b"backend")
        pi.signal(signal.SIGTERM)
        self.assertEqual(pi.lines(), [])

    def test_a_message_that_is_too_large_is_refused(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))
        self.assertEqual(self.reason("pi-lab-1", topic_of("pi-lab-1"), "x" * LARGEST), GRANTED)
        self.assertEqual(self.reason("pi-lab-1", topic_of("pi-lab-1"), "x" * (LARGEST + 1)), TOO_LARGE)

    def test_a_pi_reads_its_own_confirmations_nobody_elses_and_no_batches(self):
        pi, other = self.start_subscriber("pi-lab-1", "#"), self.start_subscriber("+", "#")
        watcher, neighbour = self.start_subscriber("watcher", "#"), self.start_subscriber("pi-lab-2", confirmation_of("pi-lab-1"))
        for device in ("pi-lab-2", "pi-lab-1"):
            self.assertEqual(self.reason(device, topic_of(device), "batch of " + device), GRANTED)
            self.reason("backend", confirmation_of(device), "stored of " + device)
        self.assertEqual(pi.line(), b"stored of pi-lab-1")
        self.assertEqual([watcher.line(), watcher.line()], [b"batch of pi-lab-2", b"batch of pi-lab-1"])
        for tool in (other, neighbour):
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.lines(), [])

    def test_the_backend_may_confirm_and_the_pi_may_hear_it(self):
        database, lines = Database(self.folder / "ble.db"), make_batches(20, "pi-lab-1")
        pair = self.start_backend(database, "--confirm")
        self.send(lines, "--confirm", "stored")
        self.assertEqual(database.batches(), positions(lines))
        end_pipeline(pair)

    def test_blesend_keeps_what_is_denied(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))
        with Tool(*self.broker.tool("blesend", "pi-lab-1", "--topic", "other")) as sender:
            sender.write("".join(line + "\n" for line in make_batches(12)))
            sender.wait_err("does not take messages on other: not authorised; they are kept and tried again; give this account")
            counters = sender.stats()
            self.assertEqual((counters["queued"], counters["out"]), (12, 0), json.dumps(counters))
            self.assertNotIn("is lost", sender.err)


if __name__ == "__main__":
    unittest.main()
