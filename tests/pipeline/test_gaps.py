"""What blesend drops becomes a gap line: it labels its hole in the database, reaches the dashboard, and answers a question."""
import contextlib
import datetime
import json
import pathlib
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from harness import (Broker, Database, Tool, WebSocketClient, end_pipeline, free_port, make_batches, pipeline,
                     positions, wait_port, wait_until)

RUN = "00000000000000ab"
OTHER = "00000000000000cd"


class Gaps(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-gaps-")))
        self.database = Database(self.folder / "ble.db")

    def backend(self, *receiver):
        """receiver | bleingest | blews, and a client."""
        port = free_port()
        tools = pipeline(self.stack, receiver, ["bleingest", "--db", self.database.path], ["blews", "--port", port],
                         cwd=self.folder)
        wait_port(port)
        client = self.stack.enter_context(WebSocketClient(port))
        self.assertEqual(client.event()["type"], "connection_status")
        return tools, client

    def mqtt_backend(self, broker):
        before = broker.log_text().count("SUBACK to backend")
        found = self.backend("blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend")
        wait_until(lambda: broker.log_text().count("SUBACK to backend") > before, "the subscription")
        return found

    def sender(self, *words):
        tool = self.stack.enter_context(Tool("blesend", *words, "--drop-after", "0", cwd=self.folder))
        tool.wait_err("spool")
        return tool

    def wait_dropped(self, tool, count):
        wait_until(lambda: tool.stats()["dropped"] == count, f"{count} batches to be dropped")

    def ask(self, query):
        """The answer as a person gets it."""
        done = subprocess.run(["sqlite3", "-box", self.database.path, query], capture_output=True, text=True, check=True)
        return done.stdout

    def gaps(self):
        return self.database.rows("SELECT run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run "
                                  "ORDER BY run_id, from_seq")

    def check(self, client, lines, gaps, reason="buffer_full"):
        """The database has these batches and these gaps and nothing else, and the client was told of each gap."""
        wait_until(lambda: self.database.count() >= len(lines) and len(self.gaps()) >= len(gaps), "the rest to be stored")
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.gaps(), gaps)
        told = set()
        while len(told) < len(gaps):
            data = client.until("gap_event")["data"]
            told.add((data["run_id"], data["gap"]["from_seq"], data["gap"]["to_seq"], data["gap"]["reason"]))
        self.assertEqual(sorted(told), gaps)
        answer = self.ask("SELECT * FROM missing WHERE what = 'batches'")
        self.assertIn("device_id", answer.splitlines()[1])
        rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in answer.splitlines() if reason in line]
        names = [name.strip() for name in answer.splitlines()[1].strip("│").split("│")]
        rows = [dict(zip(names, row)) for row in rows]
        self.assertEqual(sorted((row["run_id"], int(row["from_seq"]), int(row["to_seq"]), row["reason"]) for row in rows), gaps)
        for row in rows:
            self.assertEqual(row["device_id"], "pi-test")
            self.assertRegex(row["since"], r"^\d{4}-\d\d-\d\dT")
            self.assertEqual(int(row["batches"]), int(row["to_seq"]) - int(row["from_seq"]) + 1)
            # blesend has told when they were: make_batches() has a window each second.
            begin, end = ((datetime.datetime(2026, 11, 22) + datetime.timedelta(seconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.900Z")
                          for seq in (int(row["from_seq"]) - 1, int(row["to_seq"])))
            self.assertEqual((row["lost_from"], row["lost_to"], row["lost_clock"]), (begin, end, "synced"))

    def test_while_the_broker_was_down(self):
        broker = self.stack.enter_context(Broker("persistence true\nautosave_interval 1"))
        tools, client = self.mqtt_backend(broker)
        lines, others = make_batches(60), make_batches(5, run_id=OTHER)
        sender = self.sender("--host", "127.0.0.1", "--port", broker.port, "--buffer", "20")
        sender.write("\n".join(lines[:10]) + "\n")
        self.database.wait_count(10)
        broker.stop()
        sender.write("\n".join(lines[10:30] + others + lines[30:50]) + "\n")
        self.wait_dropped(sender, 25)
        broker.start()
        wait_until(lambda: sender.stats()["queued"] == 0, "the spool to empty")
        sender.write("\n".join(lines[50:]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check(client, lines[:10] + lines[30:], [(RUN, 10, 29, "buffer_full"), (OTHER, 0, 4, "buffer_full")])
        end_pipeline(tools)

    def test_while_the_server_was_down(self):
        port = free_port()
        lines = make_batches(60)
        sender = self.sender("--url", f"http://127.0.0.1:{port}", "--buffer", "20")
        sender.write("\n".join(lines[:50]) + "\n")
        self.wait_dropped(sender, 30)
        tools, client = self.backend("blerecv", "--port", port)
        wait_until(lambda: sender.stats()["queued"] == 0, "the spool to empty")
        sender.write("\n".join(lines[50:]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check(client, lines[30:], [(RUN, 0, 29, "buffer_full")])
        # The batches turn up after all: the hole shrinks, and is gone.
        for given, left in ((lines[10:20], [(RUN, 0, 9, "buffer_full"), (RUN, 20, 29, "buffer_full")]), (lines[:30], [])):
            late = self.sender("--url", f"http://127.0.0.1:{port}")
            late.write("\n".join(given) + "\n")
            late.close_stdin()
            self.assertEqual(late.wait(), 0, late.err)
            self.assertEqual(self.gaps(), left)
        self.assertEqual(self.ask("SELECT * FROM missing WHERE what = 'batches'"), "")
        end_pipeline(tools)

    def test_across_a_kill_of_blesend_a_range_stays_one_gap(self):
        broker = self.stack.enter_context(Broker("persistence true\nautosave_interval 1"))
        tools, client = self.mqtt_backend(broker)
        broker.stop()
        lines = make_batches(90)
        words = ["--host", "127.0.0.1", "--port", broker.port, "--spool", self.folder / "spool", "--spool-max", "20"]
        for first in (0, 30, 60):
            sender = self.sender(*words)
            sender.write("\n".join(lines[first:first + 30]) + "\n")
            wait_until(lambda: self.spooled()["dropped"] == first + 10, "batches to be dropped")
            sender.signal(signal.SIGKILL)
            sender.wait()
        self.assertEqual(self.spooled()["gaps"], 1)
        broker.start()
        sender = self.sender(*words)
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.check(client, lines[70:], [(RUN, 0, 69, "buffer_full")])
        end_pipeline(tools)

    def test_what_got_too_old_while_nobody_was_there(self):
        """blesend --max-age: each is missing with the reason "expired", and what turns up after all is not."""
        port = free_port()
        lines, others = make_batches(60), make_batches(5, run_id=OTHER)
        words = ["--url", f"http://127.0.0.1:{port}", "--spool", self.folder / "spool"]
        self.fill_and_age(words, lines[:20] + others + lines[20:40])
        tools, client = self.backend("blerecv", "--port", port)
        sender = self.sender(*words, "--max-age", "1h")
        sender.write("\n".join(lines[40:]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.spooled()["expired"], 45)
        self.check(client, lines[40:], [(RUN, 0, 39, "expired"), (OTHER, 0, 4, "expired")], "expired")
        late = self.sender("--url", f"http://127.0.0.1:{port}")
        late.write("\n".join(lines[:10] + others) + "\n")
        late.close_stdin()
        self.assertEqual(late.wait(), 0, late.err)
        self.assertEqual(self.gaps(), [(RUN, 10, 39, "expired")])
        end_pipeline(tools)

    def test_what_was_sent_and_not_confirmed_may_get_too_old_and_is_stored_all_the_same(self):
        """The broker has it and the backend is away: blesend tells of a loss, and the batches end it, before or behind the gap line."""
        broker = self.stack.enter_context(Broker("persistence true\nautosave_interval 1"))
        backend = ["blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend", "--confirm"]
        with Tool(*backend, cwd=self.folder) as away:
            away.wait_err("subscribed to")
        lines = make_batches(30)
        words = ["--host", "127.0.0.1", "--port", broker.port, "--spool", self.folder / "spool", "--confirm", "stored"]
        sender = self.sender(*words)
        sender.write("\n".join(lines[:20]) + "\n")
        wait_until(lambda: broker.log_text().count("Sending PUBACK to blesend") == 20, "the broker to have them")
        sender.signal(signal.SIGKILL)
        sender.wait()
        self.fill_and_age(words, [])
        tools, client = self.backend(*backend)
        sender = self.sender(*words, "--max-age", "1h")
        sender.write("\n".join(lines[20:]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.spooled()["expired"], 20)
        self.database.wait_count(30)
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.gaps(), [])
        end_pipeline(tools)

    def fill_and_age(self, words, lines):
        """Nobody takes these; then it is two hours later."""
        if lines:
            sender = self.sender(*words)
            sender.write("\n".join(lines) + "\n")
            wait_until(lambda: sender.stats()["in"] == len(lines), "the input to be taken")
            sender.signal(signal.SIGKILL)
            sender.wait()
        with contextlib.closing(sqlite3.connect(self.folder / "spool")) as spool, spool:
            spool.execute("UPDATE batches SET since = since - 7200000")
            spool.execute("UPDATE state SET lived_s = lived_s + 7200")

    def spooled(self):
        with Tool("blesend", "--spool", self.folder / "spool", "--status") as tool:
            found = json.loads(tool.line())
            self.assertEqual(tool.wait(), 0, tool.err)
        return found

    def test_a_rejected_batch_leaves_a_hole_that_says_so(self):
        """blesend sets aside what is no valid batch; what did not pass through it, bleingest."""
        port = free_port()
        tools, client = self.backend("blerecv", "--port", port)
        wait_port(port)
        lines = make_batches(4)
        bad = json.loads(lines[1])
        bad["clock"] = "fast"
        sender = self.sender("--url", f"http://127.0.0.1:{port}")
        sender.write("\n".join([lines[0], json.dumps(bad), *lines[2:]]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.gaps(), [(RUN, 1, 1, "rejected")])
        self.assertEqual(client.until("gap_event")["data"]["gap"], {"from_seq": 1, "to_seq": 1, "reason": "rejected",
                                                                    "from": "2026-11-22T00:00:00.900Z", "to": "2026-11-22T00:00:01.900Z"})
        end_pipeline(tools)

        bad.update(seq=4)
        ingest = self.stack.enter_context(Tool("bleingest", "--db", self.database.path, cwd=self.folder))
        ingest.write(json.dumps(bad) + "\n" + json.dumps(bad) + "\n")
        event = json.loads(ingest.line())
        self.assertEqual((event["type"], event["data"]["gap"]), ("gap_event", {
            "from_seq": 4, "to_seq": 4, "reason": "rejected", "from": "2026-11-22T00:00:00.900Z", "to": "2026-11-22T00:00:01.900Z"}))
        ingest.close_stdin()
        self.assertEqual(ingest.lines(), [])
        self.assertEqual(ingest.wait(), 0)
        self.assertEqual(self.gaps(), [(RUN, 1, 1, "rejected"), (RUN, 4, 4, "rejected")])

    def test_who_is_missing_and_when_each_radio_was_listening(self):
        """Answers at the command line about Pis of all kinds."""
        with Tool("bleingest", "--db", self.database.path, stdout=None, cwd=self.folder) as ingest:
            for device in ("pi-quiet", "pi-down", "pi-plain", "pi-lost"):
                for line in make_batches(8, device_id=device):
                    batch = json.loads(line)
                    if device == "pi-plain":  # says nothing of its windows, its clock and its run
                        for name in ("window_ms", "interval_ms", "clock", "run_id", "seq"):
                            del batch[name]
                    if device == "pi-lost" and batch["seq"] in (3, 4):
                        continue
                    ingest.write(json.dumps(batch) + "\n")
            gap = {"device_id": "pi-never", "run_id": RUN, "gap": {"from_seq": 0, "to_seq": 9, "reason": "buffer_full"}}
            ingest.write(json.dumps(gap) + "\n")
            ingest.close_stdin()
            self.assertEqual(ingest.wait(), 0, ingest.err)
        self.assertEqual({row.split("│")[1].strip() for row in self.ask("SELECT device_id, reason FROM missing").splitlines()[3:-1]},
                         {"pi-lost", "pi-never"})
        subprocess.run(["sqlite3", self.database.path, "UPDATE devices SET last_received = last_received - 301000;"
                        "UPDATE devices SET is_active = 0 WHERE device_id = 'pi-down'"], check=True)
        silent = self.ask("SELECT device_id, since, reason FROM missing WHERE what = 'device'")
        self.assertEqual([name in silent for name in ("pi-quiet", "pi-plain", "pi-lost", "pi-never", "pi-down")],
                         [True, True, True, True, False], silent)
        coverage = self.ask("SELECT * FROM coverage")
        self.assertEqual([line.split("│")[1].strip() for line in coverage.splitlines()[3:-1]],
                         ["pi-down", "pi-lost", "pi-lost", "pi-quiet"], coverage)


if __name__ == "__main__":
    unittest.main()
