"""examples/mosquitto.conf and mosquitto.acl keep what they promise, in a mosquitto that runs with these very files."""
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import (DEADLINE_S, Broker, Database, Tool, end_pipeline, flatten, make_batches, pipeline, positions,
                     self_signed, source_path, wait_until)

TOPIC = "tfg/detections/raw"
CONFIRMATION = TOPIC + "/stored/9f2c41d07a6be813"
GRANTED, NOT_AUTHORISED, TOO_LARGE = 0x00, 0x87, 0x95
LARGEST = 1048576


class ExampleBroker(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-example-broker-")))
        self.certificate, key = self_signed(self.folder)
        acl = source_path("examples", "mosquitto.acl")
        passwords = self.folder / "passwd"
        passwords.touch(0o600)
        for name in re.findall("^user (.*)", pathlib.Path(acl).read_text(encoding="ascii"), re.MULTILINE):
            subprocess.run(["mosquitto_passwd", "-b", passwords, name, "secret of " + name], check=True, capture_output=True)
        config = pathlib.Path(source_path("examples", "mosquitto.conf")).read_text(encoding="ascii")
        for setting, value in [("listener", "@PORT@ 127.0.0.1"), ("cafile", self.certificate), ("certfile", self.certificate),
                               ("keyfile", key), ("password_file", passwords), ("acl_file", acl), ("persistence_location", "@DIR@/")]:
            config, count = re.subn(f"^{setting} .*", f"{setting} {value}", config, flags=re.MULTILINE)
            self.assertEqual(count, 1, setting)
        self.broker = self.stack.enter_context(Broker(config, whole=True))

    def client(self, program, account, *words):
        """The command line of a client of mosquitto's, with MQTT 5."""
        return [program, "-h", "127.0.0.1", "-p", self.broker.port, "--cafile", self.certificate, "-V", "mqttv5", "-q", "1",
                "-u", account, "-P", "secret of " + account, *words]

    def tool(self, program, account, *words):
        """The command line of one of our tools; its password is in our folder."""
        password = self.folder / (account + ".password")
        password.write_text("secret of " + account, encoding="ascii")
        return [program, "--host", "127.0.0.1", "--port", self.broker.port, "--cafile", self.certificate, "--username", account,
                "--password-file", password, *words]

    def reason(self, account, topic, payload=None):
        """What the PUBACK says when this account publishes there: by default its own name."""
        words = [str(word) for word in self.client("mosquitto_pub", account, "-t", topic, "-s", "-d")]
        subprocess.run(words, input=payload or account, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        # As the broker says: mosquitto_pub of 2.0.21 ends with an error, and shows none of its own, at some.
        sent = re.findall(r"Sending PUBACK to \S+ \(m\d+, rc(\d+)\)", self.broker.log_text())
        return int(sent[-1])

    def send(self, lines, *words):
        given = self.folder / "input"
        given.write_text("".join(line + "\n" for line in lines), encoding="ascii")
        with open(given, "rb") as stream, Tool(*self.tool("blesend", "pi-lab-1", *words), stdin=stream) as sender:
            self.assertEqual(sender.wait(), 0, sender.err)

    def start_backend(self, database, *words):
        pair = pipeline(self.stack, self.tool("blesub", "backend", "--client-id", "backend", *words), ["bleingest", "--db", database.path],
                        stdout=None, cwd=self.folder)
        pair[0].wait_err("subscribed")
        return pair

    def start_subscriber(self, account, topic):
        subscriber = self.stack.enter_context(Tool(*self.client("mosquitto_sub", account, "-i", account, "-t", topic)))
        wait_until(lambda: "Sending SUBACK to " + account in self.broker.log_text(), "the subscription")
        return subscriber

    def test_a_queue_of_more_than_1000_messages_survives_a_kill_once_it_is_saved(self):
        database, lines = Database(self.folder / "ble.db"), make_batches(1250, detections=1)
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

    def test_who_may_publish(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))  # somebody is subscribed: else it is 0x10
        reader = self.start_subscriber("pi-lab-1", TOPIC + "/stored/+")
        for account, topic, reason in [
                ("pi-lab-1", TOPIC, GRANTED), ("pi-lab-2", TOPIC, GRANTED), ("backend", CONFIRMATION, GRANTED),
                ("pi-lab-1", CONFIRMATION, NOT_AUTHORISED), ("pi-lab-1", "other", NOT_AUTHORISED),
                ("watcher", CONFIRMATION, NOT_AUTHORISED), ("watcher", TOPIC, NOT_AUTHORISED),
                ("backend", TOPIC, NOT_AUTHORISED)]:
            self.assertEqual(self.reason(account, topic), reason, f"{account} to {topic}")
        self.assertEqual(reader.line(), b"backend")

    def test_a_message_that_is_too_large_is_refused(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))
        self.assertEqual(self.reason("pi-lab-1", TOPIC, "x" * LARGEST), GRANTED)
        self.assertEqual(self.reason("pi-lab-1", TOPIC, "x" * (LARGEST + 1)), TOO_LARGE)

    def test_a_pi_reads_confirmations_and_no_batches(self):
        pi, watcher = self.start_subscriber("pi-lab-1", "#"), self.start_subscriber("watcher", "#")
        self.assertEqual(self.reason("pi-lab-2", TOPIC), GRANTED)
        self.assertEqual(self.reason("backend", CONFIRMATION), GRANTED)
        self.assertEqual(pi.line(), b"backend")
        self.assertEqual(watcher.line(), b"pi-lab-2")

    def test_the_backend_may_confirm_and_the_pi_may_hear_it(self):
        database, lines = Database(self.folder / "ble.db"), make_batches(20)
        pair = self.start_backend(database, "--confirm")
        self.send(lines, "--confirm", "stored")
        self.assertEqual(database.batches(), positions(lines))
        end_pipeline(pair)

    def test_blesend_keeps_what_is_denied(self):
        end_pipeline(self.start_backend(Database(self.folder / "ble.db")))
        with Tool(*self.tool("blesend", "pi-lab-1", "--topic", "other")) as sender:
            sender.write("".join(line + "\n" for line in make_batches(12)))
            sender.wait_err("does not take messages on other: not authorised; they are kept and tried again; give this account")
            counters = sender.stats()
            self.assertEqual((counters["queued"], counters["out"]), (12, 0), json.dumps(counters))
            self.assertNotIn("is lost", sender.err)


if __name__ == "__main__":
    unittest.main()
