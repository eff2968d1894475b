import collections
import fcntl
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

# Every wait ends here: generous, since sanitizers and a busy machine are slow. Tests wait for conditions, never for time.
DEADLINE_S = 60

# Variables that tools obey: those of the machine that runs the tests are kept away from them.
_OF_TOOLS = ("MQTT_", "HTTP_", "BLEPIPE_", "DEVICE_", "SCAN_", "CONFIRM_KEY", "NEAR_THRESHOLD", "MEDIUM_THRESHOLD", "API_KEY", "LOG_LEVEL",
             "COMMUNICATION_MODE", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "JOURNAL_STREAM")
_OF_TESTS = ("BLEPIPE_BIN", "BLEPIPE_SOURCE", "BLEPIPE_SHARED", "BLEPIPE_SEED")


def tool_path(name):
    return os.path.join(os.environ["BLEPIPE_BIN"], name)


def source_path(*parts):
    return os.path.join(os.environ["BLEPIPE_SOURCE"], *parts)


def preload(name, **env):
    """The environment that loads a library of the tests into a tool."""
    library = os.path.join(os.environ["BLEPIPE_BIN"], "..", "tests", f"{name}.so")
    if not os.path.exists(library):
        raise AssertionError(f"{library} is absent: build all targets")
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", **env}


def shared_path(*parts):
    """A file of the third-party data beside the checkout, for the tests of the label `others`, which fail without it."""
    root = os.environ.get("BLEPIPE_SHARED") or os.path.join(os.environ["BLEPIPE_SOURCE"], "..", "shared")
    path = os.path.join(root, *parts)
    if not os.path.exists(path):
        raise AssertionError(f"{path} is absent: this test needs the captures and vectors in ../shared "
                             "(or where BLEPIPE_SHARED points)")
    return path


def standing(stream):
    """How many bytes stand unread in a pipe."""
    return int.from_bytes(fcntl.ioctl(stream, termios.FIONREAD, b"\0" * 4), sys.byteorder)


_claims = collections.deque()  # descriptors that hold the names of the ports given out last


def free_port():
    """A free port that stays so while its server is away: below those that the system gives to clients, and claimed by a
    name, so that no other test takes it either."""
    while True:
        port = random.randrange(15000, 32000)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0blepipe-port-{port}")
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim.detach())
        if len(_claims) > 64:
            os.close(_claims.popleft())
        return port


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Returns the first true value of condition(); fails after the deadline. what: text, or a function that gives it then."""
    began = time.monotonic()
    while True:
        since = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        waited = now - began
        if waited > deadline_s:
            raise AssertionError(f"waited {deadline_s} s in vain for {what() if callable(what) else what}")
        # Who waits long need not look often; and looking may take programs of its own, from what is waited for.
        time.sleep(max(0.01, min(waited / 20, 0.1), min(4 * (now - since), 0.5)))


def port_answers(port, host="127.0.0.1"):
    with socket.socket() as s:
        return s.connect_ex((host, port)) == 0


def wait_port(port, host="127.0.0.1"):
    wait_until(lambda: port_answers(port, host), f"port {port}")


class Tool:
    """One running program, by default a tool of the build under test.

    stdin/stdout: "pipe" (default), None for /dev/null, or a file or descriptor. stderr is always gathered.
    Use as a context manager: at the end it is killed if it still runs.
    """

    def __init__(self, *argv, stdin="pipe", stdout="pipe", env=None, cwd=None, preexec_fn=None, pass_fds=()):
        argv = [str(a) for a in argv]
        if argv[0].startswith("ble") and "/" not in argv[0]:
            argv[0] = tool_path(argv[0])
        full_env = {k: v for k, v in os.environ.items() if not k.startswith(_OF_TOOLS) or k in _OF_TESTS}
        full_env.update(env or {})
        pick = {"pipe": subprocess.PIPE, None: subprocess.DEVNULL}
        self._scratch = None
        if cwd is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="blepipe-")
            cwd = self._scratch.name
        self.cwd = cwd
        self.name = os.path.basename(argv[0])
        self.process = subprocess.Popen(
            argv, env=full_env, cwd=cwd, preexec_fn=preexec_fn, pass_fds=pass_fds, stderr=subprocess.PIPE,
            stdin=pick[stdin] if isinstance(stdin, str) or stdin is None else stdin,
            stdout=pick[stdout] if isinstance(stdout, str) or stdout is None else stdout)
        self.pid = self.process.pid
        self.stdin = self.process.stdin
        self._err, self._out = [], queue.Queue()
        self._err_thread = threading.Thread(target=self._gather_err, daemon=True)
        self._err_thread.start()
        self._out_thread = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream and self._out_thread is None or stream is self.process.stdin and stream:
                try:
                    stream.close()
                except OSError:
                    pass
        self._err_thread.join(DEADLINE_S)
        self.process.stderr.close()
        if self._scratch:
            self._scratch.cleanup()

    def _gather_err(self):
        for line in self.process.stderr:
            self._err.append(line.decode(errors="replace").rstrip("\n"))

    def _gather_out(self):
        for line in self.process.stdout:
            self._out.put(line)
        self._out.put(None)

    @property
    def err(self):
        return "\n".join(self._err)

    def wait_err(self, text, deadline_s=DEADLINE_S):
        """Waits until standard error contains `text`."""
        def there():
            if text in self.err:
                return True
            if self.process.poll() is not None:
                self._err_thread.join(1)
                if text not in self.err:
                    raise AssertionError(f"{self.name} ended with {self.process.returncode} before saying {text!r}: {self.err}")
                return True
            return False
        wait_until(there, lambda: f"{self.name} to say {text!r}; it said: {self.err}", deadline_s)

    def write(self, data):
        self.stdin.write(data if isinstance(data, bytes) else data.encode())
        self.stdin.flush()

    def close_stdin(self):
        self.stdin.close()

    def offer(self, data):
        """All the input of a tool that may end without reading it."""
        try:
            self.write(data)
        except BrokenPipeError:
            pass
        try:
            self.close_stdin()
        except BrokenPipeError:
            pass  # what was left in our buffer

    def line(self, deadline_s=DEADLINE_S):
        """The next line of standard output as bytes without LF; None at its end. Starts consuming the output."""
        if self._out_thread is None:
            self._out_thread = threading.Thread(target=self._gather_out, daemon=True)
            self._out_thread.start()
        try:
            line = self._out.get(timeout=deadline_s)
        except queue.Empty:
            raise AssertionError(f"waited {deadline_s} s in vain for a line of {self.name}; stderr: {self.err}") from None
        return None if line is None else line.rstrip(b"\n")

    def lines(self):
        """All further lines until the end of output."""
        out = []
        while (line := self.line()) is not None:
            out.append(line)
        return out

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        """The exit code (negative: the signal)."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; stderr: {self.err}") from None
        self._err_thread.join(DEADLINE_S)
        return code

    def running(self):
        return self.process.poll() is None

    def peak_memory(self):
        """In bytes, so far."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

    def processor_time(self):
        """In seconds, so far."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def stats(self):
        """The counters, by SIGUSR1. Wait for a sign of life first: a tool that has just begun is killed by that signal."""
        before = len(self._err)
        self.signal(signal.SIGUSR1)

        def found():
            for line in self._err[before:]:
                if "{" in line and '"tool"' in line:
                    return json.loads(line[line.index("{"):])
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.process.returncode} before telling its counters: {self.err}")
            return None
        return wait_until(found, f"counters of {self.name}")


def run(*argv, input=b"", **options):
    """Runs a tool to its end: (exit code, stdout bytes, stderr text)."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
        given.write(input if isinstance(input, bytes) else input.encode())
        given.seek(0)
        with Tool(*argv, stdin=given, stdout=out, **options) as tool:
            code = tool.wait()
            err = tool.err
        out.seek(0)
        return code, out.read(), err
