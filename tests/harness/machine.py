"""A Debian of its own that boots in a container (systemd-nspawn), with its own systemd, for what has to be seen under a real one.

The root is made once by debootstrap and kept in the user's cache folder, with all the packages that ours need, so that a test installs
them without a network. A test writes into an overlay, which is deleted behind it. Needs root.
"""
import contextlib
import fcntl
import glob
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .process import source_path, wait_until

DEADLINE_S = 240  # for a boot, or apt-get, on a busy machine
INSTALLED_BY_TESTS = ["libpq5", "postgresql"]  # beside our packages and what those need


def release():
    """The Debian whose packages are tried: $BLEPIPE_RELEASE, or this machine's own."""
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    own = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)["VERSION_CODENAME"]
    return os.environ.get("BLEPIPE_RELEASE") or own


def packages():
    """The packages that scripts/package has built for that release."""
    version = {"bookworm": 12, "trixie": 13}[release()]
    architecture = command("dpkg", "--print-architecture").strip()
    found = glob.glob(source_path("dist", f"*+deb{version}_{architecture}.deb")) + glob.glob(source_path("dist", f"*+deb{version}_all.deb"))
    if len(found) != 3:
        raise AssertionError(f"three packages are looked for in dist/, {len(found)} are there: run scripts/package {release()}")
    return sorted(found)


def command(*words):
    """What a command writes; fails when it does."""
    run = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=DEADLINE_S * 4, check=False)
    if run.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {run.returncode}\n{run.stdout}")
    return run.stdout


def _prepared_root(debs):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    root = cache / "blepipe" / "boot" / release()
    root.parent.mkdir(parents=True, exist_ok=True)
    tool = source_path("scripts", "debian-root")
    with open(f"{root}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command(tool, "make", release(), root, "systemd", "systemd-sysv", "dbus", "udev")
        # It is left alone when it has what they need: machines of other tests may stand on it.
        needs = "".join(command("dpkg-deb", "-f", deb, "Package", "Depends", "Recommends") for deb in debs if "_all" in deb)
        needs = re.sub(r"\(.*?\)", "", needs) + " ".join(INSTALLED_BY_TESTS)
        stamp = root / "srv" / "needs"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != needs:
            for deb in debs:
                shutil.copy(deb, root / "srv")
            command(tool, "run", root, "sh", "-c",
                    f"apt-get -q update && apt-get -q install -y --download-only /srv/*.deb {' '.join(INSTALLED_BY_TESTS)} && rm /srv/*.deb")
            stamp.write_text(needs, encoding="utf-8")
    return root


def cable(one, other):
    """Between two machines that run: the first is 10.77.0.1, the other 10.77.0.2."""
    command("ip", "link", "add", "blepipe-a", "netns", one.init, "type", "veth", "peer", "name", "blepipe-b", "netns", other.init)
    for machine, end, address in ((one, "a", "10.77.0.1/24"), (other, "b", "10.77.0.2/24")):
        for words in (["addr", "add", address, "dev", f"blepipe-{end}"], ["link", "set", f"blepipe-{end}", "up"]):
            command("nsenter", "--target", machine.init, "--net", "ip", *words)


class Machine:
    """One machine with our packages' files in /srv, booted or not. Use as a context manager."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.init = None  # the process id of its systemd, seen from here

    def __enter__(self):
        if os.geteuid() != 0:
            raise AssertionError("a container is made and booted: run this test as root")
        debs = packages()
        lower = _prepared_root(debs)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-machine-")))
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        self.root = self.folder / "root"
        command("mount", "-t", "overlay", "overlay", "-o",
                f"lowerdir={lower},upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
        self.stack.callback(command, "umount", self.root)
        for deb in debs:
            shutil.copy(deb, self.root / "srv")
        self.stack.callback(self.power_off)
        return self

    def __exit__(self, *error):
        self.stack.close()

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def boot(self):
        # Cgroups of version 1 are what some hosts have; a newer systemd wants to be told that this is meant.
        words = ["systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
                 "--system-call-filter=adjtimex clock_adjtime", "--console=pipe", "-b", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
        self.console = open(self.folder / "console", "ab")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def booted():
            if self.process.poll() is not None:
                raise AssertionError("the machine does not boot: " + (self.folder / "console").read_text(errors="replace"))
            self.init = (children.read_text().split() or [None])[0]
            return self.init and self.try_run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        wait_until(booted, "the machine to be up", DEADLINE_S)

    def power_off(self):
        """In order, as a shutdown does."""
        if self.init is None:
            return
        self.try_run("systemctl", "poweroff")
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.console.close()
            self.init = None

    def try_run(self, *words):
        return subprocess.run(["nsenter", "--target", self.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
                               "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                               *map(str, words)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S,
                              check=False)

    def run(self, *words):
        """What a command in the machine writes; fails when the command does."""
        run = self.try_run(*words)
        if run.returncode:
            raise AssertionError(f"{' '.join(map(str, words))}: {run.returncode}\n{run.stdout}")
        return run.stdout

    def wait(self, condition, what, deadline_s=DEADLINE_S):
        """As wait_until, with what the machine logged when it waits in vain."""
        try:
            return wait_until(condition, what, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self, *units):
        return self.try_run("journalctl", "--no-pager", "-n", "200", *[f"--unit={unit}" for unit in units]).stdout
