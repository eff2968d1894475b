"""A topic for each device: blesend publishes on it, and blesub --topic-device takes from it only what is that device's."""
import json
import pathlib
import subprocess
import unittest

from harness import Broker, FolderTest, MqttServer, Tool, wait_until
from harness.process import run

RAW = "tfg/detections/raw"
PATTERN = RAW + "/{device_id}"


def batch(seq, device_id="pi-1", **more):
    return json.dumps({"device_id": device_id, "run_id": "9f2c41d07a6be813", "seq": seq, "detections": [], **more})


def gap(device_id="pi-1"):
    return json.dumps({"format": 1, "device_id": device_id, "run_id": "9f2c41d07a6be813",
                       "gap": {"from_seq": 3, "to_seq": 7, "reason": "buffer_full"}})


def sent_by(line, account):
    return f'{line[:-1]},"sender":"mqtt {account}"}}'


def records(folder, name):
    path = pathlib.Path(folder) / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


class Blesend(FolderTest):
    def setUp(self):
        super().setUp()
        self.server = MqttServer()
        self.addCleanup(self.server.__exit__)

    def send(self, lines, *words):
        """Standard error of a blesend that has delivered or set aside all of them."""
        code, _, err = run("blesend", "--host", "127.0.0.1", "--port", self.server.port, "--topic", PATTERN, *words,
                           input="".join(line + "\n" for line in lines), cwd=self.folder)
        self.assertEqual(code, 0, err)
        return err

    def test_each_line_goes_to_the_topic_of_its_device(self):
        lines = [batch(0), batch(0, "pi-2"), gap("pi-2"), gap("pi-3"), batch(1), batch(2, "a b $~")]
        self.send(lines)
        self.assertEqual(self.server.published, [
            (f"{RAW}/{json.loads(line)['device_id']}", line.encode()) for line in lines])

    def test_a_shard_has_a_topic_with_or_without_its_devices(self):
        lines = [batch(n, device) for n, device in enumerate(("pi-1", "pi-2", "pi-1", "pi-3"))]
        shards = {"pi-1": "9", "pi-2": "f", "pi-3": "b"}  # printf %s pi-1 | sha256sum
        topics = [(shards[json.loads(line)["device_id"]], json.loads(line)["device_id"]) for line in lines]
        self.send(lines, "--topic", RAW + "/{shard}/{device_id}")
        self.assertEqual(self.server.published, [(f"{RAW}/{shard}/{device}", line.encode()) for (shard, device), line in zip(topics, lines)])
        self.server.published.clear()
        self.send(lines, "--topic", RAW + "/{shard}")
        self.assertEqual(self.server.published, [(f"{RAW}/{shard}", line.encode()) for (shard, _), line in zip(topics, lines)])

    def test_lines_of_one_topic_share_a_message_and_others_do_not(self):
        ours, theirs = [batch(n) for n in range(3)], [batch(n, "pi-2") for n in range(2)]
        self.send([*ours, *theirs, gap()], "--coalesce", 100)
        self.assertEqual(self.server.published, [
            (RAW + "/pi-1", "\n".join(ours).encode()), (RAW + "/pi-2", "\n".join(theirs).encode()), (RAW + "/pi-1", gap().encode())])

    def test_a_device_that_cannot_be_a_level_is_set_aside_with_its_gap_line(self):
        odd = ["pi/1", "pi+1", "#pi", "küche"]
        lines = [line for n, device in enumerate(odd) for line in (batch(n, device), batch(n))]
        err = self.send(lines)
        self.assertEqual([payload.decode() for _, payload in self.server.published], lines[1::2])
        kept = records(self.folder, "blesend.rejected.ndjson")
        self.assertEqual([record["line"] for record in kept if "gap" not in json.loads(record["line"])], lines[::2])
        gaps = [json.loads(record["line"]) for record in kept if "gap" in json.loads(record["line"])]
        self.assertEqual([line["device_id"] for line in gaps], odd)
        self.assertEqual({record["reason"] for record in kept},
                         {"its device_id cannot be a level of the topic tfg/detections/raw/{device_id} (printable ASCII without /, + and #)"})
        self.assertNotIn("küche", err)

    def test_after_a_lost_link_each_goes_to_its_own_topic_again(self):
        lines = [batch(n, f"pi-{n % 3}") for n in range(30)]
        ended = []

        def close_once(payload):
            if payload == lines[20].encode() and not ended:
                ended.append(payload)
                return "close"
            return None
        self.server.disconnect_at = close_once
        self.send(lines)
        self.assertEqual({payload.decode() for _, payload in self.server.published}, set(lines))
        for topic, payload in self.server.published:
            self.assertEqual(topic, f"{RAW}/{json.loads(payload)['device_id']}")

    def test_what_stands_wrongly_in_braces_is_64(self):
        for words, said in [(["--topic", "a/{device}"], "once each"), (["--topic", PATTERN + "/{device_id}"], "once each"),
                            (["--topic", "{shard}/{shard}/a"], "once each"),
                            (["--topic", PATTERN, "--status-topic", "s/{device_id}"], "--status-topic"),
                            (["--topic", PATTERN, "--status-topic", "s/{shard}"], "--status-topic")]:
            code, _, err = run("blesend", "--check", "--host", "h", *words)
            self.assertEqual(code, 64, err)
            self.assertIn(said, err)


class Blesub(FolderTest):
    def setUp(self):
        super().setUp()
        self.broker = Broker()
        self.broker.start()
        self.addCleanup(self.broker.__exit__)

    def subscribe(self, *words):
        tool = Tool("blesub", "--host", "127.0.0.1", "--port", self.broker.port, "--client-id", "backend", *words, cwd=self.folder)
        self.addCleanup(tool.__exit__)
        tool.wait_err("subscribed to")
        return tool

    def publish(self, device, *lines):
        """One message."""
        subprocess.run(["mosquitto_pub", "-V", "mqttv5", "-p", str(self.broker.port), "-q", "1", "-t", f"{RAW}/{device}", "-s"],
                       input="\n".join(lines).encode(), check=True)

    def test_a_line_of_its_own_device_passes_with_its_sender(self):
        tool = self.subscribe("--topic-device")
        self.assertIn("subscribed to tfg/detections/raw/+", tool.err)
        self.publish("pi-1", batch(1), gap() + " ", batch(2, x={"y": 1}))
        self.assertEqual([tool.line().decode() for _ in range(3)],
                         [sent_by(batch(1), "pi-1"), sent_by(gap(), "pi-1"), sent_by(batch(2, x={"y": 1}), "pi-1")])
        self.assertEqual(records(self.folder, "blesub.rejected.ndjson"), [])

    def test_what_is_of_another_device_is_set_aside_and_the_rest_of_the_message_passes(self):
        tool = self.subscribe("--topic-device", "--confirm")
        confirmed = Tool("mosquitto_sub", "-p", self.broker.port, "-t", RAW + "/stored/#")
        self.addCleanup(confirmed.__exit__)
        wait_until(lambda: self.broker.log_text().count("Sending SUBACK") == 2, "the subscriptions")
        forged = [batch(1, "pi-2"), gap("pi-2"), batch(1, "pi-1 "), "{}", "not JSON", batch(1, sender="key pi-1"), batch(1, "\x1b[2Jpi")]
        self.publish("pi-1", *forged[:4])
        self.publish("pi-1", forged[4])
        self.publish("pi-1", batch(7), *forged[5:], batch(8))
        self.assertEqual([tool.line().decode() for _ in range(2)], [sent_by(batch(7), "pi-1"), sent_by(batch(8), "pi-1")])
        wait_until(lambda: self.broker.log_text().count("Received PUBACK from backend ") == 3, "all messages to be acknowledged")
        kept = records(self.folder, "blesub.rejected.ndjson")
        self.assertEqual([record["line"] for record in kept], forged)
        self.assertEqual(kept[0]["reason"], "topic tfg/detections/raw/pi-1 may not carry batches of pi-2")
        self.assertEqual({record.get("from") for record in kept}, {"mqtt pi-1"})
        self.assertIn("the device of this line is not known", kept[3]["reason"])
        counters = tool.stats()
        self.assertEqual((counters["in"], counters["out"], counters["rejected"]), (9, 2, 7))
        self.assertIn("topic tfg/detections/raw/pi-1 may not carry batches of pi-2", tool.err)
        self.assertEqual(tool.err.count("rejected a line"), 1)
        self.assertNotIn("\x1b", tool.err)
        first = json.loads(confirmed.line())
        self.assertEqual(first["device_id"], "pi-1")
        self.assertNotIn("pi-2", json.dumps(first))

    def test_one_that_sends_junk_cannot_fill_the_reject_file(self):
        tool = self.subscribe("--topic-device")
        junk = "x" * 500_000
        for _ in range(12):
            self.publish("pi-1", junk)
        self.publish("pi-2", "junk of pi-2")
        wait_until(lambda: tool.stats()["rejected"] == 13, "all to be set aside")
        kept = [record["from"] for record in records(self.folder, "blesub.rejected.ndjson")]
        self.assertEqual(kept, ["mqtt pi-1"] * 8 + ["mqtt pi-2"])

    def test_a_sender_is_a_receivers_word_on_a_shared_topic_too(self):
        tool = self.subscribe("--topic", RAW + "/+")
        forged = batch(1, sender="mqtt pi-2")
        self.publish("pi-1", forged, batch(2), "{}")
        self.assertEqual([tool.line().decode() for _ in range(2)], [batch(2), "{}"])
        wait_until(lambda: tool.stats()["rejected"] == 1, "the other to be set aside")
        (kept,) = records(self.folder, "blesub.rejected.ndjson")
        self.assertEqual((kept["line"], "sender" in kept["reason"]), (forged, True))

    def test_the_longest_line_passes_with_its_sender(self):
        tool = self.subscribe("--topic-device")
        line = batch(1, x="")
        line = line[:-2] + "y" * (512_000 - len(line)) + '"}'
        self.publish("pi-1", line)
        self.assertEqual(tool.line().decode(), sent_by(line, "pi-1"))

    def test_the_topic_names_the_device_last(self):
        for words in (["--topic", RAW], ["--topic", "a/#"], ["--topic", "a/+/b"], ["--url", "mqtt://h/a"]):
            host = [] if "--url" in words else ["--host", "h"]
            code, _, err = run("blesub", "--check", "--topic-device", *host, *words)
            self.assertEqual(code, 64, err)
            self.assertIn("must end in /+", err)
        code, _, err = run("blesub", "--check", env={"MQTT_BROKER": "h", "MQTT_TOPIC": "a", "BLEPIPE_TOPIC_DEVICE": "true"})
        self.assertEqual(code, 78, err)
        for words in (["--host", "h", "--topic", "a/+"], ["--url", "mqtt://h"], ["--url", "mqtt://h/a/+"]):
            self.assertEqual(run("blesub", "--check", "--topic-device", *words)[0], 0)
        code, _, err = run("blesub", "--check", "--host", "h", "--topic", PATTERN)
        self.assertEqual(code, 64, err)
        self.assertIn("subscribe to +", err)


if __name__ == "__main__":
    unittest.main()
