"""examples/nats.conf keeps what it promises, in a nats-server that runs with this very file."""
import contextlib
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import (DEADLINE_S, Database, NatsBroker, Tool, end_pipeline, make_batches, pipeline, positions, self_signed, source_path,
                     wait_until)

RAW, EVENTS = "tfg/detections/raw", "tfg/events"


def confirmation_of(device, base=RAW):
    return f"{base}/stored/{device}"


class ExampleNats(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-example-nats-")))
        self.certificate, key = self_signed(self.folder)
        config = pathlib.Path(source_path("examples", "nats.conf")).read_text(encoding="ascii")
        for setting, value in [("host: 127.0.0.1", "host: 127.0.0.1"), ("port: 4222", "port: -1"), ("host: 0.0.0.0", "host: 127.0.0.1"),
                               ("port: 8883", "port: @PORT@"), ('store_dir: "/var/lib/nats"', 'store_dir: "@DIR@/store"'),
                               ('cert_file: "/etc/nats/certs/server.pem"', f'cert_file: "{self.certificate}"'),
                               ('key_file: "/etc/nats/certs/server.key"', f'key_file: "{key}"')]:
            self.assertEqual(config.count(setting), 1, setting)
            config = config.replace(setting, value)
        config, count = re.subn('user: "(.*)", password: "HASH"', r'user: "\1", password: "secret of \1"', config)
        self.assertEqual(count, 4)
        self.broker = self.stack.enter_context(NatsBroker(config, whole=True))

    def client(self, program, account, *words):
        return [program, "-h", "127.0.0.1", "-p", str(self.broker.port), "--cafile", self.certificate, "-V", "mqttv311", "-q", "1",
                "-u", account, "-P", "secret of " + account, *words]

    def tool(self, program, account, *words):
        password = self.folder / (account + ".password")
        password.write_text("secret of " + account, encoding="ascii")
        return [program, "--host", "127.0.0.1", "--port", self.broker.port, "--cafile", self.certificate, "--username", account,
                "--password-file", password, *words]

    def subscriber(self, account, topic):
        tool = self.stack.enter_context(Tool("stdbuf", "-oL", *self.client("mosquitto_sub", account, "-d", "-F", "%t %p", "-t", topic)))
        subscribed = re.compile(rb"Subscribed \(mid: 1\): (\d+)")
        while (line := tool.line()) is not None:
            if found := subscribed.match(line):
                return tool, int(found[1])
        raise AssertionError(tool.err)

    def messages(self, tool):
        """What has come: all until the account says the end."""
        while (line := tool.line()) is not None:
            if line.startswith(b"tfg/"):
                yield line.decode()

    def publish(self, account, topic, payload):
        """Acknowledged, be it denied or not."""
        subprocess.run(self.client("mosquitto_pub", account, "-t", topic, "-m", payload), check=True, timeout=DEADLINE_S)

    def test_a_pi_cannot_speak_for_another(self):
        watcher, _ = self.subscriber("watcher", RAW + "/+")
        for account, topic in [("pi-lab-1", RAW + "/pi-lab-2"), ("pi-lab-1", RAW), ("watcher", RAW + "/pi-lab-2"), ("backend", RAW + "/backend")]:
            self.publish(account, topic, "forged")
        self.publish("pi-lab-2", RAW + "/pi-lab-2", "honest")
        self.assertEqual(next(self.messages(watcher)), f"{RAW}/pi-lab-2 honest")
        wait_until(lambda: self.broker.log_text().count("Publish Violation") == 4, "the broker's log to say so")

    def test_a_pi_can_neither_confirm_nor_read_the_confirmations_of_others(self):
        pi, granted = self.subscriber("pi-lab-1", confirmation_of("pi-lab-1"))
        self.assertEqual(granted, 1)
        for topic in (confirmation_of("pi-lab-2"), RAW + "/stored/+", RAW + "/+", "#", RAW + "/pi-lab-1", "$MQTT/sub/#"):
            self.assertEqual(self.subscriber("pi-lab-1", topic)[1], 128, topic)
        for account in ("pi-lab-1", "pi-lab-2", "watcher"):
            self.publish(account, confirmation_of("pi-lab-1"), "forged")
        self.publish("backend", confirmation_of("pi-lab-2"), "not ours")
        self.publish("backend", confirmation_of("pi-lab-1"), "honest")
        self.assertEqual(next(self.messages(pi)), confirmation_of("pi-lab-1") + " honest")

    def test_a_shard_gives_no_right_to_speak_for_another(self):
        watcher, granted = self.subscriber("watcher", RAW + "/+/+")
        self.assertEqual(granted, 1)
        pi, granted = self.subscriber("pi-lab-1", confirmation_of("pi-lab-1", RAW + "/3"))
        self.assertEqual(granted, 1)
        for topic in (RAW + "/+/+", RAW + "/3/pi-lab-1", confirmation_of("pi-lab-2", RAW + "/3"), RAW + "/3/stored/+"):
            self.assertEqual(self.subscriber("pi-lab-1", topic)[1], 128, topic)
        forged = [("pi-lab-1", RAW + "/3/pi-lab-2"), ("pi-lab-1", confirmation_of("pi-lab-1")), ("watcher", RAW + "/3/pi-lab-2"),
                  ("backend", RAW + "/3/backend"), ("pi-lab-1", confirmation_of("pi-lab-1", RAW + "/3")),
                  ("watcher", confirmation_of("pi-lab-1", RAW + "/3"))]
        for account, topic in forged:
            self.publish(account, topic, "forged")
        self.publish("pi-lab-2", RAW + "/3/pi-lab-2", "honest")
        self.publish("backend", confirmation_of("pi-lab-1", RAW + "/3"), "honest")
        self.assertEqual(next(self.messages(watcher)), f"{RAW}/3/pi-lab-2 honest")
        self.assertEqual(next(self.messages(pi)), confirmation_of("pi-lab-1", RAW + "/3") + " honest")
        wait_until(lambda: self.broker.log_text().count("Publish Violation") == len(forged), "the broker's log to say so")

    def test_only_the_backend_writes_on_the_page_and_a_pi_does_not_read_it(self):
        watcher, granted = self.subscriber("watcher", EVENTS)
        self.assertEqual((granted, self.subscriber("pi-lab-1", EVENTS)[1]), (1, 128))
        for account in ("pi-lab-1", "watcher"):
            self.publish(account, EVENTS, "forged")
        self.publish("backend", EVENTS, "honest")
        self.assertEqual(next(self.messages(watcher)), EVENTS + " honest")

    def test_each_pi_delivers_and_is_confirmed(self):
        self.deliver(RAW + "/{device_id}")

    def test_each_pi_delivers_by_a_shard_and_is_confirmed(self):
        self.deliver(RAW + "/{shard}/{device_id}", "--shards", "0-f")

    def deliver(self, topic, *words):
        database = Database(self.folder / "ble.db")
        pair = pipeline(self.stack, self.tool("blesub", "backend", "--client-id", "backend", "--topic-device", "--confirm", *words),
                        ["bleingest", "--db", database.path], stdout=None, cwd=self.folder)
        pair[0].wait_err("subscribed")
        sent = []
        for account in ("pi-lab-1", "pi-lab-2"):
            lines = make_batches(20, device_id=account)
            sent += lines
            given = self.folder / "input"
            given.write_text("".join(line + "\n" for line in lines), encoding="ascii")
            with open(given, "rb") as stream, Tool(*self.tool("blesend", account, "--topic", topic, "--confirm", "stored"),
                                                   stdin=stream) as sender:
                self.assertEqual(sender.wait(), 0, sender.err)
        end_pipeline(pair)
        self.assertEqual(database.batches(), positions(sent))


if __name__ == "__main__":
    unittest.main()
