"""A terminal of its own for a program: tmux, with a server for each test."""
import os
import shlex
import signal
import subprocess
import tempfile

from .process import _OF_TESTS, _OF_TOOLS, tool_path, wait_until


class Tmux:
    """A shell in a terminal. Use as a context manager: at the end all that runs in it is killed."""

    def __init__(self, columns=100, rows=24, **env):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-tmux-")
        self.cwd = self._folder.name
        self._socket = os.path.join(self.cwd, "socket")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(_OF_TOOLS) or k in _OF_TESTS}
        for name in ("TMUX", "NO_COLOR", "LC_ALL", "LINES", "COLUMNS"):
            clean.pop(name, None)
        # A look for leaks never ends in a program whose terminal was closed.
        clean |= {"PATH": os.path.dirname(tool_path("bletop")) + ":" + clean["PATH"], "LC_ALL": "C.UTF-8",
                  "ASAN_OPTIONS": "detect_leaks=0", **env}
        with open(os.path.join(self.cwd, "shellrc"), "w", encoding="ascii") as settings:
            settings.write("PS1='shell> '\n")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "bash --rcfile shellrc", env=clean,
                   cwd=self.cwd)
        self.wait("shell>")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self._folder.cleanup()

    def close(self):
        """The terminal goes away, as a window that is closed."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *words, env=None, cwd=None):
        return subprocess.run(["tmux", "-u", "-S", self._socket, *words], env=env, cwd=cwd, check=True, capture_output=True).stdout.decode()

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def press(self, *keys):
        """Names of tmux: Enter, Escape, Up, Tab, C-l …"""
        self._tmux("send-keys", *keys)

    def run(self, *words):
        """A command line for the shell, as text or as words."""
        self.type(words[0] if len(words) == 1 else shlex.join(map(str, words)))
        self.press("Enter")

    def screen(self, escapes=False):
        return self._tmux("capture-pane", "-p", *(("-e",) if escapes else ()))

    def lines(self):
        return self.screen().split("\n")

    def wait(self, text, escapes=False):
        """Until it is on the screen; the screen."""
        return wait_until(lambda: text in self.screen(escapes) and self.screen(escapes), lambda: f"{text!r} in:\n{self.screen()}")

    def wait_gone(self, text):
        return wait_until(lambda: text not in self.screen() and self.screen(), lambda: f"{text!r} to go from:\n{self.screen()}")

    def resize(self, columns, rows):
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def pids(self, name):
        """Of programs of this name that run in this terminal."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        found = subprocess.run(["ps", "-o", "pid=,comm=", "-g", shell, "--ppid", shell], capture_output=True, text=True, check=False).stdout
        return [int(line.split()[0]) for line in found.splitlines() if line.split()[1] == name]

    def signal(self, name, number=signal.SIGTERM):
        for pid in wait_until(lambda: self.pids(name), f"{name} to run"):
            os.kill(pid, number)
