"""From the store back to the sender: blesub --confirm and blesend --confirm stored, over a broker that forgets."""
import contextlib
import json
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import Broker, Database, MqttServer, Tool, flatten, make_batches, pipeline, positions, wait_until

TOPIC = "tfg/detections/raw"


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
               for run in ("a\u0085", "b\ufffe", "c\U0001ffff", "\u00e9", "d e", "$f")]
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

    def test_a_wildcard_brings_confirmations_that_are_not_taken_for_batches(self):
        lines = make_batches(20)
        self.backend(topic="#")
        sender = self.blesend(lines=lines)
        self.assertEqual(sender.wait(), 0, sender.err)
        wait_until(lambda: "/stored/" in self.broker.log_text(), "a confirmation")
        self.check_exactly_once(lines)

    def test_a_keep_alive_that_is_too_short_for_a_publisher(self):
        lines = make_batches(1)
        self.backend("--keepalive", 1)
        self.assertEqual(self.blesend(lines=lines).wait(), 0)

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
        names = [json.loads(lines[number]) for number in numbers]
        self.server.send(f"{TOPIC}/stored/{names[0]['run_id']}", json.dumps(
            {"device_id": names[0]["device_id"], "run_id": names[0]["run_id"],
             "stored": [[name["seq"], name["seq"]] for name in names], "gaps": []}).encode())

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

    def test_that_we_may_not_read_confirmations_is_said_once(self):
        self.server.suback = lambda level, topic: 0x80
        lines = [json.dumps({"device_id": "pi-old", "detections": [], "number": n}) for n in range(5)]
        tool = self.blesend(lines=lines)
        wait_until(lambda: len(self.server.topics) == 5, "the subscriptions")
        tool.wait_err("refuses us a subscription")
        self.assertEqual(tool.stats()["queued"], 5)
        self.assertEqual(tool.err.count("refuses us a subscription"), 1)


if __name__ == "__main__":
    unittest.main()
