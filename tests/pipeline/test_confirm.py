"""From the store back to the sender: blesub --confirm and blesend --confirm stored, over a broker that forgets."""
import contextlib
import hashlib
import json
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import (Broker, Database, MqttServer, Tool, confirmation, flatten, make_batches, pipeline, positions,
                     wait_until)

TOPIC = "tfg/detections/raw"
STORED = TOPIC + "/stored/pi-test"


class Confirm(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-confirm-")))
        self.database = Database(self.folder / "ble.db")
        self.broker = self.stack.enter_context(Broker())  # keeps nothing on disk

    def backend(self, *words, confirm=True, topic=TOPIC):
        """blesub | bleingest, subscribed."""
        said = self.broker.log_text().count("SUBACK to backend")
        words = [*words, "--confirm"] if confirm else words
        sub, ingest = pipeline(
            self.stack, ["blesub", "--host", "127.0.0.1", "--port", self.broker.port, "--client-id", "backend",
                         "--topic", topic, *words],
            ["bleingest", "--db", self.database.path], stdout=None, cwd=self.folder)
        wait_until(lambda: self.broker.log_text().count("SUBACK to backend") > said, "the subscription")
        return sub, ingest

    def blesend(self, *words, lines=()):
        tool = self.stack.enter_context(
            Tool("blesend", "--host", "127.0.0.1", "--port", self.broker.port, "--confirm", "stored",
                 "--spool", self.folder / "spool", *words))
        tool.wait_err("connected")
        tool.write("".join(line + "\n" for line in lines))
        tool.close_stdin()
        return tool

    def acknowledged(self):
        return self.broker.log_text().count("Sending PUBACK to blesend")

    def check_exactly_once(self, lines):
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.gaps(), [])
        self.assertFalse((self.folder / "bleingest.rejected.ndjson").exists())

    def test_a_batch_leaves_the_spool_when_it_is_stored_and_not_before(self):
        lines = make_batches(50)
        _, ingest = self.backend()
        ingest.signal(signal.SIGSTOP)
        sender = self.blesend(lines=lines)
        wait_until(lambda: self.acknowledged() == 50, "the broker to have all of them")
        self.assertEqual(sender.stats()["queued"], 50)
        ingest.signal(signal.SIGCONT)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)
        self.assertEqual(self.acknowledged(), 50)

    def test_what_the_broker_acknowledged_and_forgot_is_sent_again(self):
        """For example: its disk is lost while the backend is away."""
        lines = make_batches(300)
        sub, ingest = self.backend()
        sub.signal(signal.SIGTERM)
        self.assertEqual([sub.wait(), ingest.wait()], [0, 0])
        sender = self.blesend(lines=lines)
        wait_until(lambda: self.acknowledged() == 300, "the broker to have all of them")
        self.broker.kill()
        self.broker.start()
        self.backend()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)

    def test_a_backend_that_confirms_nothing_and_one_that_does_hours_later(self):
        """The first stores all, and each of its confirmations is lost; what is sent again is known, and confirmed."""
        lines = make_batches(40)
        sub, ingest = self.backend(confirm=False)
        sender = self.blesend("--confirm-timeout", "0.2", lines=lines)
        wait_until(lambda: self.acknowledged() >= 120, "two repetitions")
        self.assertEqual(sender.stats()["queued"], 40)
        sub.signal(signal.SIGTERM)
        self.assertEqual([sub.wait(), ingest.wait()], [0, 0])
        self.assertEqual(sender.err.count("no confirmation for"), 1)
        self.backend()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)

    def test_a_sender_that_is_killed_sends_again_what_was_not_confirmed(self):
        lines = make_batches(60)
        sub, ingest = self.backend()
        ingest.signal(signal.SIGSTOP)
        sender = self.blesend(lines=lines)
        wait_until(lambda: self.acknowledged() == 60, "the broker to have all of them")
        sender.signal(signal.SIGKILL)
        sender.wait()
        ingest.signal(signal.SIGCONT)
        self.database.wait_count(60)
        sender = self.blesend()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.acknowledged(), 120)
        self.check_exactly_once(lines)

    def test_gap_lines_and_batches_without_a_name_are_confirmed_too(self):
        lines = [json.dumps({"device_id": "pi-old", "detections": [], "number": n}) for n in range(3)]
        lines += [json.dumps({"device_id": "pi-odd", "run_id": "a/#", "seq": n, "detections": []}) for n in range(3)]
        gap = json.dumps({"format": 1, "device_id": "pi-odd", "run_id": "a/#",
                          "gap": {"from_seq": 3, "to_seq": 7, "reason": "buffer_full"}})
        self.backend()
        sender = self.blesend(lines=[*lines, gap, gap])
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.database.count(), 6)
        self.assertEqual(self.database.gaps(), [(3, 7, "buffer_full")])

    def test_lines_whose_bytes_or_names_mqtt_does_not_carry_are_confirmed_too(self):
        old = ['{"device_id":"pi-old","detections":[],"number":1}\r', ' {"device_id":"pi-old","detections":[],"number":2} ',
               '{"device_id":"pi-old",\r"detections":[],"number":3}\r']
        odd = [json.dumps({"device_id": "pi-odd", "run_id": run, "seq": 0, "detections": []}, ensure_ascii=False)
               for run in ("a\u00a0", "b\ufffe", "c\U0001ffff", "\u00e9", "d e", "$f")]
        self.backend()
        sender = self.blesend(lines=[*old, *odd])
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.database.count(), 9)
        self.assertEqual(self.acknowledged(), 9)
        self.assertNotIn("lost", sender.err)

    def test_several_runs_and_messages_of_several_batches(self):
        lines = [line for run in range(20) for line in make_batches(10, run_id=f"{run:016x}")]
        self.backend()
        sender = self.blesend("--coalesce", 7, lines=lines)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)

    def test_a_topic_for_each_device(self):
        lines = [line for n in range(3) for line in make_batches(20, device_id=f"pi-{n}")]
        lines = [lines[n % 3 * 20 + n // 3] for n in range(60)]
        sub, _ = self.backend("--topic-device", topic=TOPIC + "/+")
        sender = self.blesend("--topic", TOPIC + "/{device_id}", "--coalesce", 7, lines=lines)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)
        self.assertEqual(sub.stats()["rejected"], 0)
        for n in range(3):
            self.assertIn(f"'{TOPIC}/stored/pi-{n}'", self.broker.log_text())

    def test_both_ends_have_one_key(self):
        lines = make_batches(20)
        keys = [self.folder / "key", self.folder / "other"]
        for path in keys:
            path.write_text(path.name + " 0123456789abcdef\n", encoding="ascii")
        sub, ingest = self.backend("--confirm-key", keys[1])
        self.assertNotIn("anybody", sub.err)
        sender = self.blesend("--confirm-key", keys[0], lines=lines)
        sender.wait_err("not signed with our key")
        self.database.wait_count(20)
        self.assertEqual(sender.stats()["queued"], 20)
        sub.signal(signal.SIGTERM)
        self.assertEqual([sub.wait(), ingest.wait()], [0, 0])
        self.backend("--confirm-key", keys[0])
        sender.signal(signal.SIGTERM)
        self.assertEqual(sender.wait(), 0, sender.err)
        sender = self.blesend("--confirm-key", keys[0])
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)

    def test_another_content_under_a_name_that_is_stored_is_confirmed_in_its_turn(self):
        """The store keeps the first. The second is consumed all the same, and so let go."""
        first, second = make_batches(3), make_batches(3, detections=1)
        self.backend()
        self.assertEqual(self.blesend(lines=first).wait(), 0)
        sender = self.blesend(lines=second)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.database.detections(), flatten(first))

    def test_a_wildcard_brings_confirmations_that_are_not_taken_for_batches(self):
        lines = make_batches(20)
        self.backend(topic="#")
        sender = self.blesend(lines=lines)
        self.assertEqual(sender.wait(), 0, sender.err)
        wait_until(lambda: "/stored/" in self.broker.log_text(), "a confirmation")
        self.check_exactly_once(lines)

    def test_a_broker_that_takes_short_packets_only(self):
        """Shorter ones than a confirmation of all that gathers while nobody holds blesub up."""
        self.broker.kill()
        self.broker = self.stack.enter_context(Broker("max_packet_size 800\n"))
        lines = [json.dumps({"device_id": "pi-1", "run_id": "a", "seq": seq, "detections": []}) for seq in range(3000)]
        sub = self.stack.enter_context(Tool("blesub", "--host", "127.0.0.1", "--port", self.broker.port, "--confirm", stdout=None))
        sub.wait_err("subscribed")
        sender = self.blesend("--coalesce", 10, lines=lines)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertNotIn("the link to the broker", sub.err)
        self.assertEqual(sub.stats()["out"], 3000)

    def test_while_the_database_is_locked_nothing_is_confirmed(self):
        lines = make_batches(20)
        sub, ingest = self.backend()
        self.blesend(lines=lines[:1]).wait()
        other = sqlite3.connect(self.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sender = self.blesend(lines=lines[1:])
        ingest.wait_err("locked")
        self.assertEqual(sender.stats()["queued"], 19)
        other.execute("ROLLBACK")
        other.close()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check_exactly_once(lines)


class Patience(unittest.TestCase):
    """Broker and backend are one here, and do what the test says."""

    def setUp(self):
        self.server = MqttServer()
        self.addCleanup(self.server.__exit__)

    def blesend(self, *words, lines):
        tool = Tool("blesend", "--host", "127.0.0.1", "--port", self.server.port, "--mqtt-version", "3.1.1",
                    "--confirm", "stored", *words)
        self.addCleanup(tool.__exit__)
        tool.write("".join(line + "\n" for line in lines))
        wait_until(lambda: len(self.server.payloads) == len(lines), "all of them")
        tool.close_stdin()
        return tool

    def confirm(self, lines, *numbers):
        self.server.send(STORED, confirmation([lines[number] for number in numbers]))

    def test_what_a_slow_backend_comes_to_in_its_turn_is_not_sent_again(self):
        lines = make_batches(8)
        tool = self.blesend("--confirm-timeout", 4, lines=lines)
        for number in range(8):
            wait_until(lambda: tool.stats()["oldest_ms"] >= 1000 * (number + 1), "a second to pass")
            self.confirm(lines, number)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(len(self.server.payloads), 8)

    def test_what_a_confirmation_passes_over_is_sent_again(self):
        lines = make_batches(8)
        tool = self.blesend("--confirm-timeout", 1, lines=lines)
        self.confirm(lines, *range(1, 8))
        wait_until(lambda: len(self.server.payloads) > 8, "a repetition")
        self.assertEqual(self.server.payloads[8:], [lines[0].encode()])
        self.confirm(lines, 0)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_only_our_own_content_is_confirmed(self):
        """Somebody else has used the names of two: those stay, are sent again after the time-out, and stop no other."""
        lines = make_batches(8)
        forged = [line.replace('"rssi":-', '"rssi":-1') for line in lines]
        tool = self.blesend("--confirm-timeout", 1, lines=lines)
        self.server.send(STORED, confirmation(lines, [*lines[:2], *forged[2:4], *lines[4:]]))
        wait_until(lambda: tool.stats()["queued"] == 2, "the others to be confirmed")
        wait_until(lambda: len(self.server.payloads) >= 12, "two repetitions")
        self.assertEqual(set(self.server.payloads[8:]), {line.encode() for line in lines[2:4]})
        self.assertIn("another batch under this name: pi-test, run 00000000000000ab, seq 2 (1 such", tool.err)
        self.assertEqual(tool.err.count("another batch"), 1)
        self.confirm(lines, 2, 3)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_a_gap_line_is_confirmed_by_its_content_too(self):
        gap = {"format": 1, "device_id": "pi-test", "run_id": "ab", "gap": {"from_seq": 3, "to_seq": 7, "reason": "buffer_full"}}
        lines = [json.dumps(gap)]
        tool = self.blesend(lines=lines)
        self.server.send(STORED, confirmation(lines, ["{}"]))
        tool.wait_err("another gap line under this name: pi-test, run ab, seq 3 to 7")
        self.assertEqual(tool.stats()["queued"], 1)
        self.confirm(lines, 0)
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_it_listens_once_for_each_device(self):
        lines = [line for run in range(20) for line in make_batches(2, run_id=f"{run:016x}")]
        tool = self.blesend(lines=lines + make_batches(1, device_id="pi/2"))
        self.assertEqual(self.server.topics, [STORED, TOPIC + "/stored/" + hashlib.sha256(b"pi/2").hexdigest()])
        for number in range(40):
            self.confirm(lines, number)
        wait_until(lambda: tool.stats()["queued"] == 1, "the confirmations")

    def test_a_device_listens_below_its_own_topic(self):
        lines = make_batches(3)
        tool = self.blesend("--topic", TOPIC + "/{device_id}", lines=lines)
        self.assertEqual(self.server.topics, [STORED])
        self.server.send(STORED, confirmation(lines))
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_with_a_key_only_what_is_sealed_with_it_counts(self):
        key, lines = "0123456789abcdef", make_batches(4)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(key)
            file.flush()
            tool = self.blesend("--confirm-key", file.name, lines=lines)
        right = confirmation(lines, key=key, topic=STORED)
        for forged in (confirmation(lines), confirmation(lines, key=key[:-1], topic=STORED), right.replace(b"00ab", b"00ac"),
                       confirmation(lines, key=key, topic=TOPIC + "/stored/pi-other"), b'"' * 300, b"",
                       confirmation([line.replace("00ab", "00ac") for line in lines])):
            self.server.send(STORED, forged)
        tool.wait_err(f"a confirmation on {STORED} is not signed with our key, and is ignored (1 since")
        self.server.send(STORED, confirmation(lines[:1], key=key, topic=STORED))
        wait_until(lambda: tool.stats()["out"] == 1, "the one that is sealed")
        self.assertEqual(tool.stats()["queued"], 3)
        self.server.send(STORED, right)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(tool.err.count("not signed"), 1)
        self.assertNotIn("without --confirm-key", tool.err)

    def test_sighup_reads_the_key_again(self):
        lines, new = make_batches(2), "fedcba9876543210"
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write("0123456789abcdef")
            file.flush()
            tool = self.blesend("--confirm-key", file.name, lines=lines)
            sealed = confirmation(lines, key=new, topic=STORED)
            self.server.send(STORED, sealed)
            tool.wait_err("is not signed with our key")
            self.assertEqual(tool.stats()["out"], 0)
            file.seek(0)
            file.write(new)
            file.flush()
            tool.signal(signal.SIGHUP)
            tool.wait_err("the secrets are read again")
            self.server.send(STORED, sealed)
            self.assertEqual(tool.wait(), 0, tool.err)

    def test_without_a_key_it_says_who_can_confirm(self):
        lines = make_batches(1)
        tool = self.blesend(lines=lines)
        self.assertIn(f"without --confirm-key anybody who may publish on {TOPIC}/stored/{{device_id}} can say", tool.err)
        self.assertIn("openssl rand -hex 32 >FILE", tool.err)
        self.server.send(STORED, confirmation(lines, key="somebody's key, 0123456789", topic=STORED))
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_that_we_may_not_read_confirmations_is_said_once(self):
        self.server.suback = lambda level, topic: 0x80
        lines = [json.dumps({"device_id": f"pi-old-{n}", "detections": []}) for n in range(5)]
        tool = self.blesend(lines=lines)
        wait_until(lambda: len(self.server.topics) == 5, "the subscriptions")
        tool.wait_err("refuses a subscription")
        self.assertEqual(tool.stats()["queued"], 5)
        self.assertEqual(tool.err.count("refuses a subscription"), 1)
        self.server.suback = lambda level, topic: 1
        before = len(self.server.topics)
        wait_until(lambda: len(self.server.topics) >= before + 5, "it to ask for them again")


if __name__ == "__main__":
    unittest.main()
