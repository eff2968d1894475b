"""Somebody who has stolen a Pi, and with it an account of the broker and a key of the server: forges, suppresses, floods and confirms."""
import hashlib
import json
import subprocess
import threading
import urllib.error
import urllib.request

from harness import confirmation

DEVICE = "pi-thief"
# What each line of a thief begins with: nobody honest has such a member.
MARK = '{"stolen":true,'
_TOPIC = "tfg/detections/raw"
_PATIENCE_S = 5
_AHEAD = 100  # batches of a Pi that are suppressed before it sends them


def of_thief(text):
    """Is that a line of a thief, or the beginning of one, as the accounts find it in reject files?"""
    return text.startswith(MARK[:max(2, len(text))]) or MARK in text or text.startswith("junk")


def forged(agent):
    """Under the names of what that agent has just sent, and of what it will send: empty, or a gap."""
    first = max(0, agent.sent - 5)
    lines = [MARK + f'"device_id":"pi-{agent.name}","run_id":"{agent.run_id}","seq":{seq},"detections":[]}}'
             for seq in range(first, agent.sent + _AHEAD)]
    gap = {"from_seq": 0, "to_seq": 1 << 40, "reason": "buffer_full"}
    return [*lines, MARK + f'"device_id":"pi-{agent.name}","run_id":"{agent.run_id}","gap":{json.dumps(gap)}}}']


def flood(rng):
    """As itself, and mad: always new advertisers, leaps that leave holes, times of the year 9999, long and hostile names."""
    run = f"{rng.getrandbits(64):016x}"
    for number in range(20):
        second = rng.choice(("1970-01-01T00:00:00", "9999-12-31T23:59:59", "2026-11-22T06:30:10"))
        seen = [{"device_hash": hashlib.sha256(rng.randbytes(8)).hexdigest(), "rssi": -60, "zone": "near", "timestamp": second + "Z"}
                for _ in range(rng.choice((1, 200)))]
        name = rng.choice(("thief", "n" * 5000, "\x1b[2J\u009b2J\u202e"))
        yield MARK + json.dumps({"device_id": DEVICE, "name": name, "location": name, "timestamp": second + "Z", "run_id": run,
                                 "seq": rng.choice((number, number * 1000, 1 << 50)), "detections": seen})[1:]
        yield MARK + json.dumps({"device_id": DEVICE, "run_id": run, "gap": {"from_seq": 0, "to_seq": rng.choice((9, 1 << 52)),
                                                                              "reason": rng.choice(("refused", "a", "z"))}})[1:]
    yield "junk " + "".join(chr(rng.randrange(32, 127)) for _ in range(200))


class Thief:
    """`port`: the broker's; `url`: the server's. No bout takes long, whatever is down."""

    def __init__(self, port, url, password, key):
        self._port, self._url, self._password, self._key = port, url, password, key
        self._lock = threading.Lock()  # one bout at a time
        self.bouts = 0

    def bout(self, agents, rng):
        with self._lock:
            self.bouts += 1
            mine = [line.encode() for line in flood(rng)]
            for agent in rng.sample(agents, 2):
                lines = [line.encode() for line in forged(agent)]
                for topic in (f"{_TOPIC}/{DEVICE}", f"{_TOPIC}/pi-{agent.name}", _TOPIC):
                    self._publish(topic, lines)
                sent = agent.lines[max(0, agent.sent - 20):agent.sent]
                if sent:
                    for topic in (f"{_TOPIC}/stored/pi-{agent.name}", f"{_TOPIC}/{DEVICE}/stored/pi-{agent.name}"):
                        self._publish(topic, [confirmation(sent)])
                self._post(b"\n".join(lines))
            self._publish(f"{_TOPIC}/{DEVICE}", mine)
            self._post(b"\n".join(mine[:10]))
            self._post(mine[-1])

    def _publish(self, topic, lines):
        try:
            subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self._port), "-V", "mqttv5", "-q", "1", "-u", DEVICE,
                            "-P", self._password, "-t", topic, "-l"], input=b"".join(line + b"\n" for line in lines), check=False,
                           timeout=_PATIENCE_S, capture_output=True)
        except subprocess.TimeoutExpired:
            pass  # the broker stands still

    def _post(self, body):
        request = urllib.request.Request(f"{self._url}/api/v1/detections/bulk", body, method="POST", headers={
            "Content-Type": "application/x-ndjson", "X-API-Key": self._key})
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            pass  # refused, or the server is away
