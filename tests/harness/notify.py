"""What a tool tells systemd (sd_notify)."""
import os
import queue
import socket
import tempfile
import threading
import time

from .process import DEADLINE_S


class Notify:
    """Stands in for systemd: `env` leads a tool to it. Use as a context manager.

    Messages are taken at once, as systemd does: sd_notify blocks when ten of them stand.
    """

    def __init__(self, watchdog_us=0):
        self._watchdog_us = watchdog_us
        self._messages = queue.Queue()

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-notify-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self._folder.name, "notify")
        self._socket.bind(path)
        self._taker = threading.Thread(target=self._take, daemon=True)
        self._taker.start()
        self.env = {"NOTIFY_SOCKET": path}
        if self._watchdog_us:
            self.env["WATCHDOG_USEC"] = str(self._watchdog_us)
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RD)
        self._taker.join(DEADLINE_S)
        self._socket.close()
        self._folder.cleanup()

    def _take(self):
        while message := self._socket.recv(4096):
            self._messages.put(message.decode())

    def message(self):
        try:
            return self._messages.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError(f"waited {DEADLINE_S} s in vain for a message to systemd") from None

    def until(self, text):
        """All messages up to the first one with that text."""
        end = time.monotonic() + DEADLINE_S
        said = [self.message()]
        while text not in said[-1]:
            if time.monotonic() > end:
                raise AssertionError(f"waited {DEADLINE_S} s in vain for {text!r}, the last message is {said[-1]!r}")
            said.append(self.message())
        return said

    def fed(self, times):
        """Waits until the watchdog was fed so often."""
        while times > 0:
            times -= "WATCHDOG=1" in self.message()

    def standing(self):
        """The messages that have come by now and are not taken yet."""
        return [self._messages.get() for _ in range(self._messages.qsize())]
