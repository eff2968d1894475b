"""Whole pipelines: `a | b | c` of real processes that a test can kill one by one, and what is in the database at its end."""
import hashlib
import json
import os
import random
import signal
import sqlite3

from .process import Tool, wait_until


def pipeline(stack, *commands, stdin=None, stdout="pipe", env=None, cwd=None):
    """Starts `a | b | c`, each command a list of words, as a shell does: every process holds its own ends only.

    stdin and stdout as in Tool, for the first and the last. The tools end with `stack`, a contextlib.ExitStack.
    """
    tools, upstream = [], stdin
    for i, command in enumerate(commands):
        down, out = os.pipe() if i + 1 < len(commands) else (None, stdout)
        tools.append(stack.enter_context(Tool(*command, stdin=upstream, stdout=out, env=env, cwd=cwd)))
        if i > 0:
            os.close(upstream)
        if down is not None:
            os.close(out)
        upstream = down
    return tools


def end_pipeline(tools):
    """A polite stop of the first tool ends the others by the end of their input, each with 0."""
    tools[0].signal(signal.SIGTERM)
    for tool in tools:
        assert tool.wait() == 0, f"{tool.name}: {tool.err}"


class Database:
    """What a bleingest has stored so far; nothing while there is no database yet."""

    def __init__(self, path):
        self.path = str(path)

    def rows(self, query):
        if not os.path.exists(self.path):
            return []
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            connection.close()

    def count(self):
        return (self.rows("SELECT count(*) FROM batches") or [(0,)])[0][0]

    def batches(self):
        """(device_id, run_id, seq) of each batch, sorted; run_id and seq None for the first implementation's."""
        return sorted(self.rows("SELECT device_id, run_id, seq FROM batches JOIN devices ON devices.id = batches.device "
                                "LEFT JOIN runs ON runs.id = batches.run"), key=repr)

    def detections(self):
        """Each detection as flatten() gives it, sorted."""
        return sorted(self.rows("SELECT device_id, run_id, seq, device_hash, rssi, zone, timestamp, count "
                                "FROM detection_log"), key=repr)

    def details(self):
        """The other members of detections as details() gives them, sorted."""
        rows = self.rows("SELECT seq, device_hash, details FROM detection_log WHERE details IS NOT NULL")
        return sorted((seq, device_hash, json.loads(text)) for seq, device_hash, text in rows)

    def gaps(self):
        return self.rows("SELECT from_seq, to_seq, reason FROM gaps")

    def wait_count(self, count):
        wait_until(lambda: self.count() >= count, f"{count} batches in the database")


def flatten(lines):
    """The detections of batches (texts or bytes), one tuple each, as Database.detections() gives them."""
    out = []
    for line in lines:
        batch = json.loads(line)
        out += [(batch["device_id"], batch.get("run_id"), batch.get("seq"), one["device_hash"], one["rssi"], one["zone"],
                 one["timestamp"], one.get("count")) for one in batch["detections"]]
    return sorted(out, key=repr)


def details(lines):
    """(seq, device_hash, the members beyond the five known) of each detection that has such members, sorted."""
    known = ("device_hash", "rssi", "zone", "timestamp", "count")
    found = [(batch["seq"], one["device_hash"], {k: v for k, v in one.items() if k not in known})
             for batch in map(json.loads, lines) for one in batch["detections"]]
    return sorted(one for one in found if one[2])


def positions(lines):
    """(device_id, run_id, seq) of batches, as Database.batches() gives them."""
    parsed = [json.loads(line) for line in lines]
    return sorted(((b["device_id"], b.get("run_id"), b.get("seq")) for b in parsed), key=repr)


def make_batches(count, device_id="pi-test", run_id="00000000000000ab", detections=3, first=0):
    """Lines as blescan writes them, from seq `first` on: one second apart, every detection different."""
    lines = []
    for seq in range(first, first + count):
        second = f"2026-11-22T{seq // 3600 % 24:02}:{seq // 60 % 60:02}:{seq % 60:02}"
        found = [{"device_hash": hashlib.sha256(f"{seq % 50} {n}".encode()).hexdigest(), "rssi": -40 - (seq + n) % 60,
                  "zone": ("near", "medium", "far")[n % 3], "timestamp": f"{second}.{n:03}Z", "count": n + 1}
                 for n in range(detections)]
        batch = {"format": 1, "device_id": device_id, "timestamp": f"{second}.900Z", "run_id": run_id, "seq": seq,
                 "window_ms": 1000, "interval_ms": 1000, "clock": "synced", "hash_id": "sha256", "detections": found}
        lines.append(json.dumps(batch, separators=(",", ":")))
    return lines


def random_source():
    """Random numbers whose seed is printed; BLEPIPE_SEED repeats a run."""
    seed = int(os.environ.get("BLEPIPE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"BLEPIPE_SEED={seed}", flush=True)
    return random.Random(seed)
