"""Power cuts: what blesend and bleingest consumed survives every state that a disk may be in afterwards.

Each chain is a few lives of the real tool, each of which ends by a cut of the power at a random moment; the next one finds
what the disk may hold then, and is given again what was not consumed. The seed is printed; BLEPIPE_SEED repeats a run,
BLEPIPE_CHAINS makes it longer. What is simulated: tests/faults/power/README.md.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import sqlite3
import tempfile
import time
import unittest

from harness import Database, HttpServer, Tool, flatten, free_port, make_batches, positions, random_source, standing, wait_until
from harness.power import Disk, cut_power, recorded
from harness.process import run

CHAINS = int(os.environ.get("BLEPIPE_CHAINS") or 20)
LIVES, MOST = 3, 60  # lines that each is given


class Case(unittest.TestCase):
    def setUp(self):
        self.chance = random_source()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.top = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-power-"))).resolve()

    def check_chains(self, chain):
        for number in range(CHAINS):
            with self.subTest(chain=number):
                with contextlib.ExitStack() as stack:
                    problems, story = self.in_folder(stack, chain, True)
                self.assertEqual(problems, [], "\n".join(story))

    def check_that_losses_are_found(self, chain):
        """The same on a disk to which no sync means anything."""
        for _ in range(CHAINS):
            with contextlib.ExitStack() as stack:
                problems, _ = self.in_folder(stack, chain, False)
            if any(problem.startswith("lost") for problem in problems):
                return
        self.fail("nothing was lost although nothing was ever synced: this test cannot fail")

    def in_folder(self, stack, chain, syncs):
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.top)))
        self.state = self.folder / "state"
        self.state.mkdir()
        self.story = []
        return chain(stack, syncs), self.story

    def live(self, words, texts, syncs):
        """One life, which is given `texts` and ends by a cut. Returns it and how many of them it consumed."""
        before = Disk(self.state, syncs)
        journal = self.folder / "journal"
        journal.unlink(missing_ok=True)
        out, into = os.pipe()
        try:
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 1 << 20)
            with Tool(*words, stdin=out, stdout=None, cwd=self.folder, env=recorded(self.state, journal)) as tool:
                self.feed(tool, texts, out, into)
                if tool.running() and self.chance.random() < 0.5:
                    os.close(into)
                    into = -1
                    tool.signal(signal.SIGTERM)
                else:
                    tool.signal(signal.SIGKILL)
                code = tool.wait()
                said = tool.err
        finally:
            os.close(out)
            if into >= 0:
                os.close(into)
        life, happened = cut_power(before, self.state, journal, self.chance)
        self.story.append(f"ended with {code}; {happened}; it said: {said}")
        left, count = life.consumed, 0
        while left > 0:
            left -= len(texts[count])
            count += 1
        self.assertEqual(left, 0, "lines are consumed whole")
        return life, count, said

    def feed(self, tool, texts, out, into):
        at = 0
        while at < len(texts) and tool.running():
            more = self.chance.randint(1, 6)
            os.write(into, b"".join(texts[at:at + more]))
            at += more
            if at < len(texts) or self.chance.random() < 0.7:
                wait_until(lambda: standing(out) == 0 or not tool.running(), "the input to be consumed")


def size_of_lines(chance):
    """Of a chain: large lines let the log be copied into the database and begun anew within a life."""
    return chance.choice((0, 2000, 2000, 150_000))


class Blesend(Case):
    def line(self, seq, size):
        text = json.dumps({"format": 1, "device_id": "pi-lab-1", "timestamp": "2026-11-22T06:30:10.000Z", "run_id": "9f2c41d07a6be813",
                           "seq": seq, "x": "x" * self.chance.randint(0, size), "detections": []})
        return text.encode() + b"\n"

    def chain(self, stack, syncs):
        """The problems found: what was consumed is delivered, at least once, or a gap line tells of it."""
        takes, received = [1.0], []

        def answer(request):
            if request.method == "GET":
                return 200, {}, b""
            if self.chance.random() >= takes[0]:
                return 503, {}, b""
            received.append((time.monotonic_ns(), json.loads(request.body)))
            return 201, {}, b""

        server = stack.enter_context(HttpServer(answer))
        size, small = size_of_lines(self.chance), self.chance.random() < 0.3
        words = ["blesend", "--spool", self.state / "spool", "--reject", self.state / "rejected", "--drain-timeout", "0.05"]
        if small:
            words += ["--spool-max", "10", "--drop-after", "0"]
        texts = [self.line(seq, size) for seq in range(LIVES * MOST)]
        delivered, problems, first = [], [], 0
        for _ in range(LIVES):
            takes[0] = self.chance.choice((0, 0, 0.97, 1))
            url = server.url if takes[0] > 0 else f"http://127.0.0.1:{free_port()}"
            received.clear()
            count = self.chance.randint(1, MOST)
            life, taken, said = self.live([*words, "--url", url], texts[first:first + count], syncs)
            if "damaged" in said:
                problems.append(said)
            first += taken
            delivered += [batch for at, batch in received if at <= life.time_ns]
        takes[0] = 1.0
        received.clear()
        with Tool(*words[:-2] if not small else words[:5], "--url", server.url, cwd=self.folder) as tool:
            tool.close_stdin()
            code = tool.wait()
            if code != 0 or "damaged" in tool.err:
                problems.append(f"at the end {code}: {tool.err}")
        delivered += [batch for _, batch in received]
        known = {batch["seq"] for batch in delivered if "seq" in batch}
        for gap in (batch["gap"] for batch in delivered if "gap" in batch):
            if not small:
                problems.append(f"a needless gap: {gap}")
            known.update(range(gap["from_seq"], gap["to_seq"] + 1))
        if lost := set(range(first)) - known:
            problems.append(f"lost of {first}: {sorted(lost)}")
        return problems

    def test_what_was_consumed_is_delivered_or_still_in_the_spool(self):
        self.check_chains(self.chain)

    def test_without_syncs_losses_are_found(self):
        self.check_that_losses_are_found(self.chain)


class Bleingest(Case):
    def texts(self, size):
        lines = []
        for number, line in enumerate(make_batches(LIVES * MOST + 5)):
            wanted = self.chance.randint(0, size)
            if wanted > len(line):
                line = line.replace('"format":1', '"x":"' + "x" * wanted + '","format":1')
            lines.append(line.encode() + b"\n")
            if self.chance.random() < 0.1:
                lines.append(f"no batch {number}\n".encode())
        return lines

    def chain(self, _stack, syncs):
        """The problems found: what was consumed is in the database exactly once, or in the reject file."""
        words = ["bleingest", "--db", self.state / "ble.db", "--reject", self.state / "rejected"]
        texts, first, problems = self.texts(size_of_lines(self.chance)), 0, []
        for _ in range(LIVES):
            _, taken, _ = self.live(words, texts[first:first + self.chance.randint(1, MOST)], syncs)
            first += taken
        code, _, err = run(*words, input=b"".join(texts[first:]), cwd=self.folder)
        if code != 0:
            problems.append(err)
        good = [text for text in texts if text.startswith(b"{")]
        database = Database(self.state / "ble.db")
        try:
            if database.rows("PRAGMA integrity_check") != [("ok",)]:
                problems.append("the database is damaged")
            stored = database.batches()
            if lost := set(positions(good)) - set(stored):
                problems.append(f"lost of {len(good)}: {sorted(lost)}")
            if len(set(stored)) != len(stored):
                problems.append("batches are stored twice")
            if database.detections() != flatten(good) or database.gaps():
                problems.append("detections are not what was sent, or there are gaps")
        except sqlite3.Error as error:
            problems.append(str(error))
        rejected = self.state / "rejected"
        kept = set()
        for record in rejected.read_bytes().split(b"\n") if rejected.exists() else []:
            with contextlib.suppress(ValueError):  # what a cut tore
                kept.add(json.loads(record)["line"].encode() + b"\n")
        if lost := [text for text in texts if not text.startswith(b"{") and text not in kept]:
            problems.append(f"rejected and lost: {lost}")
        return problems

    def test_what_was_consumed_is_stored_exactly_once(self):
        self.check_chains(self.chain)

    def test_without_syncs_losses_are_found(self):
        self.check_that_losses_are_found(self.chain)


if __name__ == "__main__":
    unittest.main()
