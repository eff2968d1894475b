"""Prometheus text, as the tools write and serve it."""
import re
import subprocess

from .process import DEADLINE_S

_SAMPLE = re.compile(r'^(blepipe_[a-z_]+)\{(.*)\} (\S+)$')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def read_metrics(text):
    """{(name without blepipe_, frozenset of the labels beside tool and instance): value}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = _SAMPLE.match(line).groups()
        more = frozenset(pair for pair in _LABEL.findall(labels) if pair[0] not in ("tool", "instance", "version"))
        found[name.removeprefix("blepipe_"), more] = float(value)
    return found


def promtool(*words, text=None):
    """Runs it to its end: all that it says, which is nothing when it checks metrics and finds no fault."""
    done = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise AssertionError(f"promtool {' '.join(map(str, words))} ends with {done.returncode}: {said}")
    return said
