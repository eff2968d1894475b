"""bleingest against who may send: one that writes in another's name, one that shows things, one that has gone mad."""
import contextlib
import hashlib
import json
import pathlib
import tempfile
import unittest

from harness import Database, Tool, make_batches, positions, wait_until
from harness.process import run

# What does something where it is shown (blepipe-batch(5)), and how a terminal is led by it.
UNSAFE = {*range(0x20), *range(0x7f, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f), *range(0x2066, 0x206a)}
TRICKS = ["\x1b[2J\x1b[H", "\nbleingest: all is well", "\r", "\x9b31m", "\x85", "\x90q\x9c", "\x07", "\x00", "\x7f", "\u2028",
          "\u202egnp.exe", "\u2066", "\u200f", "\u061c"]
STAMP = "2026-11-22T06:30:10.000Z"


def hash_of(text):
    return hashlib.sha256(str(text).encode()).hexdigest()


def found(**more):
    return {"device_hash": hash_of("somebody"), "rssi": -67, "zone": "medium", "timestamp": STAMP, **more}


def batch(device="pi-mad", run_id="r", seq=0, detections=(), **more):
    return json.dumps({"device_id": device, "run_id": run_id, "seq": seq, "timestamp": STAMP, "window_ms": 10000,
                       "interval_ms": 30000, "detections": list(detections), **more})


def sent_by(sender, line):
    """As a receiver hands it on."""
    return line[:-1] + f',"sender":"{sender}"}}'


def hostile_lines(hundreds=15):
    """So many hundred lines of one Pi gone mad, each kind of what it may do."""
    some = hundreds * 100 // 15
    lines = []
    for i in range(some):
        # A whole line of advertisers that nobody ever heard, at times all over the calendar.
        lines.append(batch(run_id="crowd", seq=i, detections=[
            found(device_hash=hash_of((i, n)), timestamp=("1970-01-01T00:00:00Z", STAMP, "9999-12-31T23:59:59Z")[n % 3])
            for n in range(2500)]))
    for i in range(4 * some):
        lines.append(batch(f"pi-mad-{i}", f"run {i}", 7, name=f"{i}" * 100_000, location=f"{i}" * 60_000, hash_id=f"h{i}"))
        lines.append(batch(f"pi-mad-{i}", "n" * 64, 2 ** 53 - 1 - i, name=f"name {i}" * 8, location="x" * 200))
    for i in range(2 * some):
        lines.append(batch(run_id="holes", seq=2 * i + 1, timestamp=f"{1970 + 40 * i % 8000}-06-01T00:00:00Z"))
    for i in range(2 * some):
        lines.append(json.dumps({"device_id": "pi-mad", "run_id": "holes",
                                 "gap": {"from_seq": 0, "to_seq": 2 ** 53 - 2, "reason": f"{'zyxwv'[i % 5]}{i:03}"}}))
    for i in range(some):
        lines.append(batch(run_id="members", seq=i, **{f"m{n}": 0 for n in range(25_000)}))
        lines.append("junk " * 20_000)
    return [sent_by("key pi-mad", line) if line.startswith("{") else line for line in lines]


class Hostile(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-hostile-")))
        self.database = Database(self.folder / "ble.db")

    def ingest(self, lines, *words):
        """To the end of the input: (exit code, standard output, standard error)."""
        given = "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")
        return run("bleingest", *words, input=given, cwd=self.folder)

    def rejected(self):
        path = self.folder / "bleingest.rejected.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def shown(self):
        """Every text that any view or table shows."""
        names = [row[0] for row in self.database.rows("SELECT name FROM sqlite_schema WHERE type IN ('view', 'table')")]
        self.assertIn("detection_log", names)
        return [value for name in names for row in self.database.rows(f"SELECT * FROM {name}") for value in row
                if isinstance(value, str)]

    def assert_safe(self, text, but=""):
        self.assertEqual({c for c in text if ord(c) in UNSAFE} - set(but), set(), text[:500])


class OtherNames(Hostile):
    def test_another_content_under_a_known_name_is_a_conflict(self):
        real = make_batches(4)
        forged = [json.dumps({**json.loads(line), "detections": []}) for line in real]
        self.ingest([sent_by("key pi-test", line) for line in real[:3]])
        code, _, err = self.ingest([*(sent_by("key pi-9", line) for line in forged[:3]), *real[:2], real[3]],
                                   "--strict", "--metrics", "m.prom")
        self.assertEqual(code, 65)
        self.assertIn("stored 1 batches", err)
        self.assertIn("; 2 were known already, 3 in conflict, 3 rejected", err)
        self.assertEqual(err.count("two different batches have the same device_id"), 1)
        self.assertRegex(err, r"two different batches have the same device_id \S+, run_id \S+, seq 0: the one from key pi-test is stored; the other, from key pi-9")
        self.assertIn('blepipe_conflicts_total{tool="bleingest",instance="m"} 3', (self.folder / "m.prom").read_text())
        self.assertEqual(self.database.batches(), positions(real))
        self.assertEqual([(one["from"], one["line"]) for one in self.rejected()],
                         [("key pi-9", sent_by("key pi-9", line)) for line in forged[:3]])
        self.assertTrue(all(one["reason"].endswith("sent by key pi-test") for one in self.rejected()))
        self.assertEqual(self.database.rows("SELECT conflicts, sender FROM device_status"), [(3, None)])

    def test_who_was_first_does_not_matter(self):
        real = make_batches(2)
        forged = json.dumps({**json.loads(real[1]), "detections": []})
        code, _, err = self.ingest([sent_by("mqtt pi-9", forged), *real])
        self.assertEqual(code, 0, err)
        self.assertIn("1 in conflict", err)
        self.assertEqual([one["line"] for one in self.rejected()], [real[1]])
        self.assertIn("sent by mqtt pi-9", self.rejected()[0]["reason"])


class Shown(Hostile):
    def test_no_text_does_anything_where_it_is_shown(self):
        lines = []
        for i, trick in enumerate(TRICKS):
            text = f"x{trick}y"
            for members in ({"device": text}, {"run_id": text}, {"hash_id": text}, {"name": text}, {"location": text}, {"version": text},
                            {text: text}, {"name": {text: 1}}, {"detections": [found(**{text: [text, {text: text}]})]},
                            {"detections": [found(zone=text)]}, {"detections": [found(timestamp=text)]}, {"clock": text},
                            {"sender": text}, {"timestamp": text}):
                lines.append(batch(seq=len(lines), **members))
            lines.append(json.dumps({"device_id": "pi-1", "run_id": "r", "gap": {"from_seq": 0, "to_seq": 0, "reason": text}}))
            lines.append(f'{{"device_id":"pi-1","{text}":1,"{text}":2,"detections":[]}}')
            lines.append(text)
        # As the characters themselves, too, where JSON lets them stand.
        lines += [json.dumps(json.loads(line), ensure_ascii=False) for line in lines if line.startswith("{") and "\\u" in line]
        lines = [line for line in lines if "\n" not in line]
        code, _, err = self.ingest(lines)
        self.assertEqual(code, 0, err)
        self.assertGreater(self.database.count(), 60)
        texts = self.shown()
        self.assertTrue(any("\\u009b" in text for text in texts))  # kept, as what it is
        for text in texts:
            self.assert_safe(text, "\n" if text.startswith(("CREATE", "--")) else "")
        self.assert_safe(err, "\n")
        self.assert_safe((self.folder / "bleingest.rejected.ndjson").read_bytes().decode(), "\n")
        reasons = {one["reason"] for one in self.rejected()}
        self.assertIn("stored without name: holds a control character", reasons)
        self.assertIn("run_id: holds a line separator", reasons)
        self.assertIn("device_id: holds a character that changes the writing direction", reasons)

    def test_nor_do_events_with_members_that_nobody_knows(self):
        tricks = "".join(trick for trick in TRICKS if ord(trick[0]) >= 0x7f)
        line = json.dumps({**json.loads(batch()), "x" + tricks: "y" + tricks}, ensure_ascii=False)
        code, out, err = self.ingest([line])
        self.assertEqual(code, 0, err)
        self.assert_safe(out.decode(), "\n")
        self.assertEqual(json.loads(out)["data"]["x" + tricks], "y" + tricks)

    def test_a_name_that_is_too_long_costs_the_name_and_not_the_batch(self):
        code, out, err = self.ingest([batch(name="n" * 101, location="l" * 200), batch(seq=1, name="n" * 100, location="l" * 201)])
        self.assertEqual(code, 0, err)
        self.assertEqual([one["reason"] for one in self.rejected()], ["stored without name: longer than 100 characters",
                                                                      "stored without location: longer than 200 characters"])
        self.assertEqual(self.database.rows("SELECT name, location FROM windows ORDER BY timestamp_ms, name"),
                         [("", "l" * 200), ("n" * 100, "")])
        self.assertNotIn(b"n" * 101, out)

    def test_blescan_refuses_at_the_start_what_would_be_refused(self):
        for option, value in (("--name", "x" * 101), ("--location", "x" * 201), ("--name", "a\x1b[2J"), ("--location", "\x9b2J"),
                              ("--name", "\u202egnp"), ("--device-id", "pi\u2028one"), ("--device-id", "pi\x85one")):
            code, _, err = run("blescan", "--check", option, value)
            self.assertEqual(code, 64, (option, value))
            self.assertIn(option, err)
            self.assert_safe(err, "\n")
        self.assertEqual(run("blescan", "--check", "--name", "ä" * 100, "--location", "ö" * 200)[0], 0)


class GoneMad(Hostile):
    def test_it_harms_nobody_else(self):
        honest = make_batches(60)
        mad = hostile_lines(3)
        lines = [line for i, line in enumerate(mad) for line in ([line, honest[i // 5]] if i % 5 == 0 else [line])]
        (self.folder / "lines").write_text("".join(line + "\n" for line in lines))
        tool = self.stack.enter_context(Tool("bleingest", "lines", "--reject-max", "2000000", cwd=self.folder, stdout=None))
        self.assertEqual(tool.wait(600), 0, tool.err)
        own = {position[0] for position in positions(honest)}
        self.assertEqual([row for row in self.database.batches() if row[0] in own], positions(honest))
        # The gap lines beyond what one may change, and the names, are told of; the junk has no more than its share.
        self.assertIn("is used up: further lines are only counted", tool.err)
        by = {}
        for one in self.rejected():
            by[one.get("from", "")] = by.get(one.get("from", ""), 0) + len(json.dumps(one))
        self.assertEqual(set(by), {"", "key pi-mad"})
        self.assertTrue(all(size < 550_000 for size in by.values()), by)
        self.assertLess(max(map(len, self.shown())), 1000 + 5000)  # the statements that made the tables among them
        self.assertEqual(self.database.rows("SELECT count(*) FROM places WHERE length(name) > 100 OR length(location) > 200"), [(0,)])

    def test_memory_does_not_grow_with_what_it_sends(self):
        def peak(lines):
            # A sanitizer keeps what was freed, some hundred megabytes of it by default.
            tool = self.stack.enter_context(Tool("bleingest", "--db", ":memory:", "--reject", "", cwd=self.folder, stdout=None,
                                                 env={"ASAN_OPTIONS": "quarantine_size_mb=1"}))
            tool.write("".join(line + "\n" for line in lines).encode())
            wait_until(lambda: tool.stats()["in"] == len(lines), "the lines")
            most = tool.peak_memory()
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            return most
        names = [batch("pi-1", "r", i, name="n" * 200_000 + str(i), location="l" * 200_000 + str(i)) for i in range(300)]
        self.assertLess(peak(names), peak(names[:5]) + (24 << 20))

    def test_the_operator_says_how_many_advertisers_a_batch_may_have(self):
        crowd = [found(device_hash=hash_of(n)) for n in range(4)]
        code, out, err = self.ingest([batch(detections=crowd[:3]), batch(seq=1, detections=crowd)],
                                     "--max-advertisers-per-batch", "3")
        self.assertEqual(code, 0, err)
        self.assertEqual([one["reason"] for one in self.rejected()], ["detections: more than 3"])
        self.assertEqual(self.database.rows("SELECT reason, from_seq, to_seq FROM missing WHERE what = 'batches'"), [("rejected", 1, 1)])
        self.assertEqual(run("bleingest", "--check", "--max-advertisers-per-batch", "0")[0], 64)

    def test_a_look_that_takes_long_is_stored_in_parts(self):
        gap = {"device_id": "pi-1", "run_id": "r"}
        lines = [json.dumps({**gap, "gap": {"from_seq": i, "to_seq": i, "reason": f"r{i}"}}) for i in range(1000)]
        code, _, err = self.ingest(lines)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.database.rows("SELECT count(*) FROM gaps"), [(1000,)])


if __name__ == "__main__":
    unittest.main()
