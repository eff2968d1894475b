"""Wall clocks that are wrong, by libfaketime. What the kernel says of the uptime and of synchronisation stays true."""
import os
import subprocess

from .process import run


def _faked(**how):
    """Without the wrapper of faketime, which leaves semaphores behind when it is killed, and fails at the next of that number."""
    listed = subprocess.run(["dpkg", "-L", "libfaketime"], stdout=subprocess.PIPE, text=True, check=True).stdout
    library = next(line for line in listed.splitlines() if line.endswith("/libfaketime.so.1"))
    # A sanitizer wants to be the first library, and this one lets leaks look like its own.
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            **how}


def wrong_clock(shift):
    """The environment of a program whose wall clock is wrong by e.g. "+31d"."""
    return _faked(FAKETIME=shift)


def query_under_clock(shift, database, query):
    """Rows as sqlite3 prints them to somebody whose clock is wrong."""
    code, out, err = run("/usr/bin/sqlite3", database, query, env=wrong_clock(shift))
    assert code == 0, err
    return out.decode().splitlines()


class WrongClock:
    """A clock that may be set while programs run that got its `env`. `file`: a path, by which they are told."""

    def __init__(self, file):
        self._file = os.fspath(file)
        self.env = _faked(FAKETIME_TIMESTAMP_FILE=self._file, FAKETIME_NO_CACHE="1")
        self.step(0)

    def step(self, ahead_s):
        """From now on it is so far ahead of the machine's."""
        with open(f"{self._file}.new", "w", encoding="ascii") as f:
            f.write(f"{ahead_s:+}\n")
        os.replace(f.name, self._file)
