"""Processes that are started again whenever they end, as systemd does with Restart=always."""
import contextlib
import os
import signal
import threading
import time

from harness import DEADLINE_S, Tool

RESTART_S = 0.1  # systemd's default
# A tool may end by itself with these: what it needs is away, or its other end is gone. Anything else is a defect.
_EXCUSED = {69: "unavailable", 74: "input or output", 75: "try later", 77: "not let in"}


class Service:
    """One tool: reads the FIFO `stdin`, writes the FIFO `stdout`; what it says goes to NAME.log in `folder`."""

    def __init__(self, name, command, folder, note, env, stdin=None, stdout=None):
        self.name, self.command, self.folder, self.env = name, command, folder, env
        self.stdin, self.stdout = stdin, stdout
        self._note = note
        self.tool = None
        self.kills, self.exits, self.problems, self.counters = 0, 0, [], []
        self._killed = False
        self._begun = 0.0
        self._lock = threading.RLock()  # between a kill and the start that follows it

    def start(self):
        ends = [os.open(path, flags) if path else None
                for path, flags in ((self.stdin, os.O_RDONLY), (self.stdout, os.O_WRONLY))]
        try:
            self.tool = Tool(*self.command, stdin=ends[0], stdout=ends[1], env=self.env, cwd=self.folder)
        finally:
            for fd in ends:
                if fd is not None:
                    os.close(fd)
        self._killed = False
        self._begun = time.monotonic()

    def kill(self):
        with self._lock:
            if self.tool.running():
                self._killed = True
                self.kills += 1
                self.tool.signal(signal.SIGKILL)

    @contextlib.contextmanager
    def dead(self):
        """Killed, and not started again before the end of this."""
        with self._lock:
            self.kill()
            self.tool.process.wait(DEADLINE_S)
            yield

    def pause(self):
        self.tool.signal(signal.SIGSTOP)

    def resume(self):
        self.tool.signal(signal.SIGCONT)

    def watch(self):
        """To be called often: starts it again when it has ended; not after a failure, which is for people to look at."""
        with self._lock:
            if not self.problems and not self.tool.running() and time.monotonic() >= self._begun + RESTART_S:
                self._bury()
                self.start()

    def stop(self):
        """Asks it to end; not to be mixed with watch()."""
        self.resume()
        self.tool.signal(signal.SIGTERM)
        try:
            self.tool.wait()
        finally:
            self._bury(polite=True)

    def end(self):
        if self.tool:
            self.tool.__exit__()

    def _bury(self, polite=False):
        tool = self.tool
        tool.__exit__()
        code = tool.process.returncode
        with open(os.path.join(self.folder, f"{self.name}.log"), "a", encoding="utf-8") as log:
            log.write(f"{tool.err}\n--- pid {tool.pid} ended with {code}\n")
        self.counters.append(tool.err)
        if self._killed and code == -signal.SIGKILL:
            return
        self.exits += not polite
        self._note(f"{self.name} ended with {code}")
        if code != 0 if polite else code not in _EXCUSED:
            self.problems.append(f"{self.name} ended with {code}: {tool.err[-2000:]}")


class Supervisor:
    def __init__(self, services):
        self.services = services
        self._trouble = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        for service in self.services:
            service.start()
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.wait(0.05):
                for service in self.services:
                    service.watch()
        except Exception as error:  # told by check()
            self._trouble = error

    def check(self):
        """Raises for what goes wrong while nobody waits for it: a round that has failed need not go on."""
        if self._trouble:
            raise self._trouble
        if any(service.problems for service in self.services):
            raise AssertionError("a part of the chain has failed")

    def retire(self):
        """From here on nothing is started again."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(DEADLINE_S)

    def end(self):
        self.retire()
        for service in self.services:
            service.end()
