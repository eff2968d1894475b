"""From the store back to the sender: blesub --confirm and blesend --confirm stored, over a broker that forgets."""
import contextlib
import json
import pathlib
import signal
import sqlite3
import tempfile
import unittest

from harness import Broker, Database, Tool, flatten, make_batches, pipeline, positions, wait_until

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


if __name__ == "__main__":
    unittest.main()
