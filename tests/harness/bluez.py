"""A private system bus, and the fake org.bluez of tests/fakes on it."""
import json
import os
import signal
import tempfile

from .process import DEADLINE_S, Tool, source_path, wait_until

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy></busconfig>
"""


class SystemBus:
    """`env` leads programs to it. Use as a context manager."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-bus-")
        socket, config = (os.path.join(self._folder.name, name) for name in ("socket", "bus.conf"))
        with open(config, "w", encoding="ascii") as file:
            file.write(_CONFIG.format(socket=socket))
        self._daemon = Tool("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", stdin=None, stdout=None)
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={socket}"}
        wait_until(lambda: os.path.exists(socket), "the private bus")
        return self

    def kill(self):
        self._daemon.signal(signal.SIGKILL)

    def __exit__(self, *_):
        self._daemon.__exit__()
        self._folder.cleanup()


class FakeBluez:
    """The fake as a process: ending it is what a crash of bluetoothd is. do() sends a command of its do_ functions."""

    def __init__(self, bus):
        self._tool = Tool("/usr/bin/python3", source_path("tests", "fakes", "bluez.py"), env=bus.env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._tool.__exit__()

    def do(self, action, **arguments):
        """The method calls that the fake had received by then: [path, method, arguments]."""
        self._tool.write(json.dumps({"do": action, **arguments}) + "\n")
        answer = self._tool.line()
        if answer is None:
            raise AssertionError(f"the fake org.bluez ended: {self._tool.err}")
        return json.loads(answer)

    def methods(self):
        return [method for _, method, _ in self.do("calls")]

    def wait_calls(self, method, times=1):
        return wait_until(lambda: self.methods().count(method) >= times, f"{times} calls of {method}", DEADLINE_S)
