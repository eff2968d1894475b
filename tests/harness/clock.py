"""A wall clock that is wrong: of the programs that get `env`, from their start or in the middle of their work, by libfaketime."""
import os
import subprocess


def _library():
    listed = subprocess.run(["dpkg", "-L", "libfaketime"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return next(line for line in listed.splitlines() if line.endswith("/libfaketime.so.1"))


class WrongClock:
    """The monotonic clock is right, the wall clock is `ahead_s` ahead of the machine's, as `file`, a path, says to the programs."""

    def __init__(self, file, ahead_s=0):
        self._file = os.fspath(file)
        self.step(ahead_s)
        self.env = {"LD_PRELOAD": _library(), "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_TIMESTAMP_FILE": self._file}

    def step(self, ahead_s):
        """At once, for programs that run as well."""
        with open(f"{self._file}.new", "w", encoding="ascii") as f:
            f.write(f"{ahead_s:+}\n")
        os.replace(f.name, self._file)
