"""A stolen account suppresses, forges and confirms while an honest Pi delivers: every honest batch is stored, once."""
import contextlib
import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

from harness import (DEADLINE_S, Broker, Database, ExampleBroker, Tool, confirmation, end_pipeline, flatten, make_batches, pipeline,
                     positions, wait_until)

RAW = "tfg/detections/raw"
HONEST, STOLEN = "pi-lab-1", "pi-lab-2"
BATCHES, AT_ONCE = 60, 20


def emptied(lines):
    """Batches under the same names, without a detection: stored first, they would make the real ones "known already"."""
    return [json.dumps({**json.loads(line), "detections": []}) for line in lines]


def records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


class StolenAccount(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-stolen-")))
        self.database = Database(self.folder / "ble.db")

    def start(self, subscriber, sender):
        """The backend, subscribed, and a blesend of the honest Pi that is connected."""
        sub, ingest = pipeline(self.stack, [*subscriber, "--client-id", "backend", "--confirm"],
                               ["bleingest", "--db", self.database.path], stdout=None, cwd=self.folder)
        sub.wait_err("subscribed")
        tool = self.stack.enter_context(Tool(*sender, "--confirm", "stored", "--spool", self.folder / "spool"))
        tool.wait_err("connected")
        return sub, ingest, tool

    def finish(self, pair, sender, lines):
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        end_pipeline(pair)
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.gaps(), [])

    def test_with_a_topic_for_each_pi_and_the_example_rights(self):
        """Even if the thief knew what the real batches will be, to the last byte."""
        broker = self.stack.enter_context(ExampleBroker(self.folder, [HONEST, STOLEN]))

        def steal(topic, *payloads):
            subprocess.run(broker.client("mosquitto_pub", STOLEN, "-t", topic, "-l"), check=False, timeout=DEADLINE_S,
                           input=b"".join(payload + b"\n" for payload in payloads), capture_output=True)

        lines = make_batches(BATCHES, HONEST)
        sub, ingest, sender = self.start(broker.tool("blesub", "backend", "--topic-device"),
                                         broker.tool("blesend", HONEST, "--topic", RAW + "/{device_id}"))
        for first in range(0, BATCHES, AT_ONCE):
            piece = lines[first:first + AT_ONCE]
            forged = [line.encode() for line in emptied(lines[first:])]
            for topic in (f"{RAW}/{STOLEN}", f"{RAW}/{HONEST}", RAW):
                steal(topic, *forged)
            ingest.signal(signal.SIGSTOP)
            sender.write("".join(line + "\n" for line in piece))
            taken = "Sending PUBACK to blesend"
            wait_until(lambda: broker.log_text().count(taken) >= first + AT_ONCE, "the broker to have the piece")
            for base in (RAW, f"{RAW}/{STOLEN}", f"{RAW}/{HONEST}"):
                steal(f"{base}/stored/{HONEST}", confirmation(piece), confirmation(piece, emptied(piece)))
            self.assertEqual(sender.stats()["queued"], AT_ONCE)
            ingest.signal(signal.SIGCONT)
            wait_until(lambda: sender.stats()["queued"] == 0, "the piece to be confirmed")
        wait_until(lambda: sub.stats()["rejected"] == 120, "all that is forged to be set aside")
        self.finish((sub, ingest), sender, lines)
        self.assertNotIn("another batch", sender.err)
        reasons = {record["reason"] for record in records(self.folder / "blesub.rejected.ndjson")}
        self.assertEqual(reasons, {f"topic {RAW}/{STOLEN} may not carry batches of {HONEST}"})
        senders = self.database.rows("SELECT DISTINCT device_id FROM batches JOIN devices ON devices.id = batches.device")
        self.assertEqual(senders, [(HONEST,)])

    def test_without_any_rights_a_forged_confirmation_lets_nothing_go(self):
        """By its digests for who does not know the bytes, by the key for who does."""
        key = self.folder / "key"
        key.write_text("0123456789abcdef", encoding="ascii")
        for words, forge in ((["--confirm-key", key], lambda lines: confirmation(lines)),
                             (["--confirm-key", key], lambda lines: confirmation(lines, key="0123456789abcdeF", topic=RAW + "/stored/" + HONEST)),
                             ([], lambda lines: confirmation(lines, emptied(lines)))):
            with self.subTest(words=words), Broker() as broker:
                where = ["--host", "127.0.0.1", "--port", broker.port, *words]
                lines = make_batches(20, HONEST)
                self.database = Database(self.folder / f"{broker.port}.db")
                (self.folder / "spool").unlink(missing_ok=True)
                sub, ingest, sender = self.start(["blesub", *where], ["blesend", *where])
                ingest.signal(signal.SIGSTOP)
                sender.write("".join(line + "\n" for line in lines))
                wait_until(lambda: broker.log_text().count("Sending PUBACK to blesend") == 20, "the broker to have all")
                subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", f"{RAW}/stored/{HONEST}", "-s"],
                               input=forge(lines), check=True, timeout=DEADLINE_S)
                sender.wait_err("is not signed with our key" if words else "another batch under this name")
                self.assertEqual(sender.stats()["queued"], 20)
                ingest.signal(signal.SIGCONT)
                self.finish((sub, ingest), sender, lines)


if __name__ == "__main__":
    unittest.main()
