"""Hot loops weighed by the instructions they take, which callgrind counts the same each time, against what was recorded for this Debian
release and processor: see README.md. scripts/bench --quick."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 0.05
SAME, OTHER, NOT_COMPARED = 0, 1, 3  # exit codes
PACKAGES = ("g++", "libc6", "libstdc++6", "libsimdjson14", "libsimdjson25", "libsqlite3-0", "libssl3", "libssl3t64", "nlohmann-json3-dev")

# Libraries that choose a way by the processor they find would count differently on another one.
STEADY = {"SIMDJSON_FORCE_IMPLEMENTATION": "westmere", "OPENSSL_ia32cap": ":0",
          "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-ERMS,-FSRM"}


def platform():
    """As in "debian-12 x86_64"."""
    release = dict(line.rstrip("\n").split("=", 1) for line in open("/etc/os-release", encoding="utf-8") if "=" in line)
    return f"{release.get('ID', 'unknown')}-{release.get('VERSION_ID', '0')} {os.uname().machine}".replace('"', "")


def versions():
    lines = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version}\n", *PACKAGES], capture_output=True, text=True).stdout
    return dict(line.split() for line in lines.splitlines() if len(line.split()) == 2)


def prepare(folder, top):
    from batches import make_batches, write
    write(folder / "batches", make_batches(800, 25))
    write(folder / "events", make_batches(640, 25))
    sample = (top / "examples/sample.btsnoop").read_bytes()
    (folder / "capture").write_bytes(sample[:16] + 20 * sample[16:])


def loops(build):
    """{name: words}, each run in a folder of its own with the inputs in `..`."""
    tools, helper = build / "tools", build / "bench" / "bench_hot"
    return {
        "bleingest, 20 000 detections": [tools / "bleingest", "-q", "--db", "ble.db", "../batches"],
        "blescan --each": [tools / "blescan", "-q", "--device-id", "pi-bench", "--replay", "../capture", "--each"],
        "blescan, batches": [tools / "blescan", "-q", "--device-id", "pi-bench", "--replay", "../capture"],
        "blesend, 800 batches into the spool": ["sh", "-c", 'exec "$@" <../batches', "-", tools / "blesend", "-q", "--url",
                                                "http://127.0.0.1:1", "--spool", "spool", "--drain-timeout", "0.001"],
        "blesub, handover of 800 messages": [helper, "handover", "../batches"],
        "blews, 640 events to 24 subscribers": [helper, "feed", "../events"],
    }


def count(words, folder):
    """Instructions of one run."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        prefix, last = ([], words) if words[0] != "sh" else (words[:4], words[4:])
        command = [*prefix, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *last]
        done = subprocess.run([str(word) for word in command], cwd=own, env={**os.environ, **STEADY}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300, errors="replace")
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        sys.exit(f"bench: callgrind counted nothing:\n{done.stderr}")
    return int(found.group(1))


def measure(build, top):
    with tempfile.TemporaryDirectory(prefix="blepipe-quick-") as name:
        folder = pathlib.Path(name)
        prepare(folder, top)
        return {loop: count(words, folder) for loop, words in loops(build).items()}


def judge(recorded, measured):
    """Lines to print, and whether all is as recorded. Faster is not as recorded either: the gain could be lost again unseen."""
    lines, fine = [], True
    for loop in {**recorded, **measured}:
        before, now = recorded.get(loop), measured.get(loop)
        if before is None or now is None:
            verdict, fine = "not recorded" if before is None else "recorded, but not measured", False
        else:
            change = now / before - 1
            verdict = f"{change:+.1%}"
            if abs(change) > LIMIT:
                verdict += f"  MORE THAN {LIMIT:.0%} {'SLOWER' if change > 0 else 'FASTER'}"
                fine = False
        lines.append(f"{loop:40} {now or 0:>14,}  {verdict}")
    return lines, fine


def compare(path, measured, where, have):
    """Prints how the counts stand to those recorded in `path` for the platform; the exit code."""
    records = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
    record = records.get(where)
    if record is None:
        print("\n".join(f"{loop:40} {now:>14,}" for loop, now in measured.items()))
        print(f"bench: NOT COMPARED: nothing is recorded for {where}, only for: {', '.join(records) or 'nothing'}. "
              "To record it: scripts/bench --quick --accept")
        return NOT_COMPARED
    lines, fine = judge(record["instructions"], measured)
    print("\n".join(lines))
    other = [f"{name} {record['packages'].get(name, 'none')} then, {have.get(name, 'none')} now"
             for name in sorted({*record["packages"], *have}) if record["packages"].get(name) != have.get(name)]
    if other:
        print("Packages that changed since it was recorded: " + "; ".join(other))
    if fine:
        print(f"bench: as recorded for {where}, within {LIMIT:.0%}.")
        return SAME
    print(f"bench: not as recorded for {where}. Where that is meant, or a package did it: scripts/bench --quick --accept, and commit {path.name}.")
    return OTHER


def accept(path, measured, where, have):
    records = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
    records[where] = {"packages": have, "instructions": measured}
    path.write_text(json.dumps(dict(sorted(records.items())), indent=2) + "\n", encoding="ascii")
    print("\n".join(f"{loop:40} {now:>14,}" for loop, now in measured.items()))
    print(f"bench: recorded for {where} in {path.name}; commit it.")
    return SAME
