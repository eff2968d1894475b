"""What a backend says of lines that it has for good, as blesub --confirm does (blepipe-batch(5))."""
import hashlib
import hmac
import json


def digest(line):
    return hashlib.sha256(line.encode() if isinstance(line, str) else line).hexdigest()[:32]


def confirmation(lines, contents=None, key=None, topic=None):
    """The text for lines of one run. `contents`: the lines whose digests it tells, by default the same. `key`: seals it for
    that topic."""
    told = {"stored": [], "gaps": []}
    for line, content in zip(lines, contents or lines):
        named = json.loads(line)
        if "gap" in named:
            told["gaps"].append([named["gap"]["from_seq"], named["gap"]["to_seq"], digest(content)])
        else:
            told["stored"].append([named["seq"], digest(content)])
    first = json.loads(lines[0])
    text = json.dumps({"device_id": first["device_id"], "run_id": first["run_id"], **told})
    if key is None:
        return text.encode()
    mac = hmac.new(key.encode(), f"{topic}\n{text}".encode(), "sha256").hexdigest()
    return f'{text[:-1]},"mac":"{mac}"}}'.encode()
