"""A virtual machine with the real Bluetooth of Debian and a virtual controller, in which programs of the build run.

Its bluetoothd is of the version in $BLEPIPE_BLUEZ, one of those that tests/bluez-vm/prepare has. A boot takes some seconds, so a test file boots once (setUpClass) and looks at the results in many tests.
"""
import collections
import datetime
import gzip
import io
import json
import os
import shlex
import subprocess
import tarfile
import tempfile
import unittest

from .process import source_path, tool_path

# Software emulation on a busy machine is slow; a boot and short steps take 4 to 10 s.
DEADLINE_S = 500

# The tests have to pass with each: bluetoothd of Debian 12 and 13.
BLUEZ = os.environ.get("BLEPIPE_BLUEZ", "5.82")

# So long a scan may be off without that being a rest: Rests::moment.
MOMENT_S = 0.25

Result = collections.namedtuple("Result", "code out err")
Sent = collections.namedtuple("Sent", "seconds address rssi")


class Boot:
    """What one run of the machine left behind."""

    def __init__(self, files, names, log):
        self.files = files  # what stood in /out, as bytes by name
        self.log = log      # of the machine and its services, to be shown when something fails
        self.results = {name: Result(int(files.get(f"{name}.code", b"-1")), files.get(f"{name}.out", b""),
                                     files.get(f"{name}.err", b"").decode(errors="replace")) for name in names}

    def __getitem__(self, name):
        return self.results[name]

    def sent(self, name="truth"):
        """The reports that the controller of that log has sent."""
        lines = (line.split() for line in self.files[name].decode("ascii").splitlines())
        return [Sent(float(words[0]), words[2].lower(), int(words[4])) for words in lines if words[1] == "adv"]

    def rests(self, name="truth"):
        """For how many seconds the scan of that controller was off, each time that it was for more than a moment."""
        lines = [line.split() for line in self.files[name].decode("ascii").splitlines()]
        commands = [(float(words[0]), words[-1]) for words in lines if words[1:3] == ["cmd", "200c"]]
        pauses = [on - off for (off, was), (on, _) in zip(commands, commands[1:]) if was == "off"]
        return [pause for pause in pauses if pause > MOMENT_S]

    def truth(self, name="truth"):
        """Of each address: the RSSI of all reports sent, in order."""
        by_address = collections.defaultdict(list)
        for report in self.sent(name):
            by_address[report.address].append(report.rssi)
        return dict(by_address)

    def reports(self, *names):
        """Of each address in these logs together, as reports_in(): (reports, weakest RSSI, strongest RSSI)."""
        found = collections.defaultdict(list)
        for name in names or ("truth",):
            for address, values in self.truth(name).items():
                found[address] += values
        return {address: (len(values), min(v for v in values if v != 127), max(v for v in values if v != 127))
                for address, values in found.items()}


def reports_in(batches):
    """Of each address in batches with --detail and --addresses: (reports, weakest RSSI, strongest RSSI)."""
    found = {}
    for batch in batches:
        for d in batch["detections"]:
            count, least, most = found.get(d["address"], (0, 127, -127))
            found[d["address"]] = count + d["count"], min(least, d["rssi_min"]), max(most, d["rssi_max"])
    return found


def seconds(batch):
    """Its time, since 1970."""
    return datetime.datetime.fromisoformat(batch["timestamp"].replace("Z", "+00:00")).timestamp()


def pauses(batches):
    """The indices of those batches, back to back otherwise, before which there is no window."""
    times = [seconds(batch) for batch in batches]
    return [i for i in range(1, len(batches)) if times[i] - times[i - 1] > batches[i]["interval_ms"] / 1000 + 0.0005]


def rested_s(batches):
    """From the first window to the last: how long nobody listened. The first one has no rest."""
    listened_ms = sum(batch["window_ms"] for batch in batches[1:])
    return seconds(batches[-1]) - seconds(batches[0]) - listened_ms / 1000


def comparable(lines):
    """Batches, as bytes, without what a replay of their recording cannot know."""
    batches = [json.loads(line) for line in lines.splitlines()]
    for batch in batches:
        batch.pop("run_id")
        batch.pop("clock", None)
    return batches


def prepare():
    """The folder with the machine's parts; the first call on a computer takes a minute, and downloads packages."""
    run = subprocess.run([source_path("tests", "bluez-vm", "prepare")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         check=False)
    if run.returncode:
        raise AssertionError(f"the virtual machine cannot be prepared: {run.stderr}")
    return run.stdout.strip()


def boot(steps, advertisers, programs=("blescan",), files=None, controller="", bluetoothd="", memory_mib=256,
         deadline_s=DEADLINE_S):
    """Boots, runs the steps one after the other in /app, and ends.

    steps: (name, shell script) pairs; scripts are busybox's, run by sh -e, with tests/bluez-vm/functions; what a script
    leaves in /out is in Boot.files. advertisers: the lines of the controller's file. programs: tools of the build or paths; they are
    copied to /app with their libraries. files: bytes by absolute path. controller, bluetoothd: further options.
    """
    image = prepare()
    with tempfile.TemporaryDirectory(prefix="blepipe-vm-") as folder:
        root = os.path.join(folder, "tree")
        _copy_programs(root, image, programs)
        settings = f"CONTROLLER_OPTIONS={shlex.quote(controller)}\nBLUETOOTHD_OPTIONS={shlex.quote(bluetoothd)}\n"
        tree = {"/etc/advertisers": "\n".join(advertisers) + "\n", "/etc/settings": settings, "/etc/bluez": BLUEZ + "\n",
                "/etc/steps": "\n".join(f"say step {name}; sh -e /etc/{name}.sh >/out/{name}.out 2>/out/{name}.err; "
                                        f"echo $? >/out/{name}.code" for name, _ in steps) + "\n"}
        tree.update({f"/etc/{name}.sh": ". /etc/functions\n. /etc/settings\n" + script + "\n" for name, script in steps})
        tree.update(files or {})
        for path, data in tree.items():
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            with open(root + path, "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())
        return _run(folder, root, image, [name for name, _ in steps], memory_mib, deadline_s)


def _copy_programs(root, image, programs):
    for name in ("app", "lib"):
        os.makedirs(os.path.join(root, name))
    paths = [tool_path(p) if "/" not in p else p for p in programs]
    with open(os.path.join(image, "libraries"), encoding="utf-8") as f:
        there = set(f.read().split())
    listed = subprocess.run(["ldd", *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    libraries = {words[2] for words in map(str.split, listed.splitlines()) if words[1:2] == ["=>"] and words[2].startswith("/")}
    for path in paths:
        subprocess.run(["cp", "-L", path, os.path.join(root, "app")], check=True)
    for path in libraries:
        if os.path.basename(path) not in there:
            subprocess.run(["cp", "-L", path, os.path.join(root, "lib")], check=True)


def _run(folder, root, image, names, memory_mib, deadline_s):
    cache = os.path.dirname(image)
    initrd = os.path.join(folder, "initrd")
    with open(initrd, "wb") as f, open(os.path.join(image, "base.cpio.gz"), "rb") as base:
        f.write(base.read())
        listing = "\n".join(os.path.relpath(os.path.join(at, name), root)
                            for at, folders, found in os.walk(root) for name in folders + found)
        packed = subprocess.run([f"{cache}/guest/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=listing.encode(),
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        f.write(gzip.compress(packed, 1))
    console, out = os.path.join(folder, "console"), os.path.join(folder, "out")
    qemu = f"{cache}/qemu"
    command = [f"{qemu}/usr/bin/qemu-system-x86_64", "-L", f"{qemu}/usr/share/qemu", "-L", f"{qemu}/usr/share/seabios",
               "-M", "q35", "-accel", "tcg", "-cpu", "max,la57=off", "-smp", "1", "-m", str(memory_mib), "-nodefaults",
               "-no-user-config", "-display", "none", "-no-reboot", "-kernel", f"{image}/kernel", "-initrd", initrd,
               "-append", "console=ttyS0 quiet panic=-1 reboot=t nokaslr mitigations=off nopti tsc=reliable "
                          "random.trust_cpu=on cryptomgr.notests", "-serial", f"file:{console}", "-serial", f"file:{out}"]
    env = dict(os.environ, LD_LIBRARY_PATH=f"{qemu}/usr/lib/x86_64-linux-gnu:{qemu}/lib/x86_64-linux-gnu")
    try:
        qemu = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=deadline_s, check=False)
        said = qemu.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        said = f"the virtual machine did not end within {deadline_s} s"
    log = said
    if os.path.exists(console):
        with open(console, "rb") as f:
            log += f.read().decode(errors="replace")
    if "ALL-SENT" not in log:
        raise AssertionError(f"the virtual machine ended without a result:\n{log}")
    files = {}
    with open(out, "rb") as f, tarfile.open(fileobj=io.BytesIO(gzip.decompress(f.read()))) as tar:
        for member in tar.getmembers():
            if member.isfile():
                files[os.path.basename(member.name)] = tar.extractfile(member).read()
    for name in ("controller", "bluetoothd", *sorted(name for name in files if name.endswith(".said"))):
        log += f"\n== {name}\n" + files.get(name, b"").decode(errors="replace")
    return Boot(files, names, log)


class BluezTest(unittest.TestCase):
    """Its `booted` is a Boot; what went wrong in the machine is shown with a failed check of a step."""
    maxDiff = None
    booted = None

    def step(self, name, code=0):
        result = self.booted[name]
        out = result.out[-2000:].decode(errors="replace")
        self.assertEqual(result.code, code, f"step {name}: {result.err}\n{out}\n{self.booted.log}")
        return result

    def lines(self, name):
        """What `scan NAME` has written."""
        return [json.loads(line) for line in self.booted.files[f"{name}.lines"].splitlines()]

    def said(self, name):
        """Standard error of `scan NAME`."""
        return self.booted.files[f"{name}.said"].decode(errors="replace")
