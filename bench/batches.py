"""Batches to measure with: the same in each run."""
import datetime
import hashlib
import json
import random


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def make_batches(count, detections=25, known=1000, new=0):
    """Lines as blescan writes them, 10 s apart, of so many detections; each hears some of `known` advertisers, and `new` ones that
    nobody has heard before."""
    chance = random.Random(1)
    name = lambda number: hashlib.sha256(str(number).encode()).hexdigest()  # noqa: E731
    names = [name(i) for i in range(known)]
    end = datetime.datetime(2026, 1, 1)
    for seq in range(count):
        end += datetime.timedelta(seconds=10)
        heard = [name(known + seq * detections + i) for i in range(new)] + chance.sample(names, detections - new)
        found = [{"device_hash": one, "rssi": -chance.randint(30, 99), "zone": "medium",
                  "timestamp": stamp(end - datetime.timedelta(milliseconds=chance.randrange(10_000))),
                  "count": chance.randint(1, 40)} for one in heard]
        yield json.dumps({"format": 1, "device_id": "pi-bench", "name": "Bench", "location": "here", "timestamp": stamp(end),
                          "run_id": "00000000000000be", "seq": seq, "window_ms": 10000, "interval_ms": 30000, "clock": "synced",
                          "hash_id": "a41c09d2", "detections": found}, separators=(",", ":"))


def padded_batches(count, size):
    """Lines of exactly `size` bytes with no detections."""
    for seq in range(count):
        head = ('{"format":1,"device_id":"pi-bench","timestamp":"2026-11-22T06:30:10.000Z","run_id":"00000000000000be",'
                f'"seq":{seq},"detections":[],"x":"')
        yield head + "x" * (size - len(head) - 2) + '"}'


def write(path, lines):
    with open(path, "w", encoding="ascii") as out:
        for line in lines:
            out.write(line + "\n")
    return path
