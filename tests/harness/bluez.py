"""A private system bus, and the fake org.bluez of tests/fakes on it."""
import json
import os
import signal
import socket
import struct
import tempfile
import unittest

from .process import DEADLINE_S, Tool, preload, run, source_path, wait_until

HCI0 = "00:11:22:33:44:55"
HCI1 = "00:11:22:33:44:66"
BEACON = "c0:11:22:33:44:01"

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/>{rules}</policy></busconfig>
"""


class SystemBus:
    """`env` leads programs to it. `rules`: further ones of its policy, for everybody. Use as a context manager."""

    def __init__(self, rules=""):
        self._rules = rules

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-bus-")
        path, config = (os.path.join(self._folder.name, name) for name in ("socket", "bus.conf"))
        with open(config, "w", encoding="ascii") as file:
            file.write(_CONFIG.format(path=path, rules=self._rules))
        self._daemon = Tool("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", stdin=None, stdout=None)
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"}
        wait_until(lambda: os.path.exists(path), "the private bus")
        return self

    def kill(self):
        self._daemon.signal(signal.SIGKILL)

    def __exit__(self, *_):
        self._daemon.__exit__()
        self._folder.cleanup()


class MonitorChannel:
    """The kernel's monitor channel for a tool that gets `env`, on a host without Bluetooth: what is sent, it hears."""

    COMMAND, EVENT = 2, 3

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-monitor-")
        self._path = os.path.join(self._folder.name, "channel")
        self.env = preload("monitor_channel", MONITOR_CHANNEL=self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._folder.cleanup()

    def send(self, packet):
        self._socket.sendto(packet, self._path)

    def event(self, data, adapter=0):
        self.send(struct.pack("<HHH", self.EVENT, adapter, len(data)) + data)

    def scan_enabled(self, on, adapter=0):
        """The adapter is asked to scan or not, and does so."""
        self.send(struct.pack("<HHH", self.COMMAND, adapter, 5) + b"\x0c\x20\x02" + bytes([on, 0]))
        self.event(b"\x0e\x04\x01\x0c\x20\x00", adapter)

    def report(self, address, rssi=-60, data=b"", adapter=0):
        """A legacy one, of a random address, not connectable."""
        report = b"\x02\x01\x03\x01" + bytes.fromhex(address.replace(":", ""))[::-1] + bytes([len(data)]) + data + struct.pack("b", rssi)
        self.event(b"\x3e" + bytes([len(report)]) + report, adapter)


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


class LiveTest(unittest.TestCase):
    """Tests of blescan as a client of the fake."""

    def setUp(self):
        self.bus = self.enterContext(SystemBus())

    def enterContext(self, context):  # noqa: N802; Python 3.11 has it
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def fake(self, *adapters, powered=True, own=True):
        fake = self.enterContext(FakeBluez(self.bus))
        for name, address in adapters or (("hci0", HCI0),):
            fake.do("adapter", name=name, address=address, powered=powered)
        if own:
            fake.do("own")
        return fake

    def scan(self, *argv, env=None, **options):
        return self.enterContext(Tool("blescan", *argv, env={**self.bus.env, **(env or {})}, **options))

    def ends(self, code, *argv, env=None):
        got, out, err = run("blescan", *argv, env={**self.bus.env, **(env or {})})
        self.assertEqual(got, code, err)
        self.assertEqual(out, b"")
        return err

    def hear(self, fake, tool, adapter="hci0", address=BEACON, **values):
        fake.do("heard", adapter=adapter, address=address, **{"RSSI": -60, **values})
        return json.loads(tool.line())
