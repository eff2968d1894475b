"""A small org.bluez on a private bus, for faults and speed; the real bluetoothd is the truth.

Obeys commands on standard input, one JSON object a line with the member "do", and answers each with a line on standard
output: the method calls it has received so far, as [[path, method, arguments], …].
"""
import json
import sys

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
MANAGER, MONITOR = "org.bluez.AdvertisementMonitorManager1", "org.bluez.AdvertisementMonitor1"
PROPERTIES, OBJECTS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"

calls = []
failures = {}  # method: [D-Bus error name, how often]
silent = set()  # methods that are not answered
unanswered = []  # StartDiscovery that was silent: what answers it
experimental = {}  # of advertisement monitors: "features", "refused": how many are; empty: there are none
monitors = {}  # those that are active, by path


class Failed(dbus.DBusException):
    def __init__(self, name):
        super().__init__(name.rsplit(".", 1)[1], name=name)


def called(path, method, *arguments):
    calls.append([path, method, [str(a) for a in arguments]])
    failure = failures.get(method)
    if failure:
        failure[1] -= 1
        if failure[1] <= 0:
            del failures[method]
        raise Failed(failure[0])


def properties(of):
    """JSON to D-Bus: the types that Device1 has; {"wrong": …} keeps a string where none belongs."""
    out = {}
    for name, value in of.items():
        if isinstance(value, dict) and "wrong" in value:
            out[name] = dbus.String(str(value["wrong"]), variant_level=1)
        elif name in ("RSSI", "TxPower"):
            out[name] = dbus.Int16(value, variant_level=1)
        elif name == "ManufacturerData":
            out[name] = dbus.Dictionary({dbus.UInt16(int(k)): dbus.ByteArray(bytes.fromhex(v), variant_level=1)
                                         for k, v in value.items()}, signature="qv", variant_level=1)
        elif name == "ServiceData":
            out[name] = dbus.Dictionary({k: dbus.ByteArray(bytes.fromhex(v), variant_level=1) for k, v in value.items()},
                                        signature="sv", variant_level=1)
        elif name == "UUIDs":
            out[name] = dbus.Array(value, signature="s", variant_level=1)
        elif isinstance(value, bool):
            out[name] = dbus.Boolean(value, variant_level=1)
        else:
            out[name] = dbus.String(value, variant_level=1)
    return dbus.Dictionary(out, signature="sv")


class Object(dbus.service.Object):
    def __init__(self, bus, path, interface, values):
        super().__init__(bus, path)
        self.path, self.interface, self.values = path, interface, values

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}", async_callbacks=("done", "failed"))
    def GetAll(self, _, done, failed):
        try:
            called(self.path, "GetAll")
        except Failed as error:
            return failed(error)
        return None if "GetAll" in silent else done(properties(self.values))

    @dbus.service.method(PROPERTIES, in_signature="ssv", async_callbacks=("done", "failed"))
    def Set(self, _, name, value, done, failed):
        try:
            called(self.path, "Set", name, value)
        except Failed as error:
            return failed(error)
        if "Set" in silent:
            return None
        self.change({str(name): bool(value)})
        return done()

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass

    def change(self, values):
        self.values.update(values)
        self.PropertiesChanged(self.interface, properties(values), dbus.Array([], signature="s"))


class Monitor:
    """One that a client has registered. Like bluetoothd it wants no answer: of those that are due a bus bears few."""

    def __init__(self, bus, client, path):
        self.bus, self.client, self.path = bus, client, path

    def call(self, method, *arguments):
        message = dbus.lowlevel.MethodCallMessage(self.client, self.path, MONITOR, method)
        message.append(*arguments)
        message.set_no_reply(True)
        self.bus.send_message(message)


class Adapter(Object):
    def __init__(self, bus, name, address, powered):
        super().__init__(bus, f"/org/bluez/{name}", ADAPTER,
                         {"Address": address, "Powered": powered, "Discovering": False})

    @dbus.service.method(ADAPTER, in_signature="a{sv}")
    def SetDiscoveryFilter(self, wanted):
        called(self.path, "SetDiscoveryFilter", *sorted(f"{k}={v}" for k, v in wanted.items()))

    @dbus.service.method(ADAPTER, async_callbacks=("done", "failed"))
    def StartDiscovery(self, done, failed):
        try:
            called(self.path, "StartDiscovery")
            if not self.values["Powered"]:
                raise Failed("org.bluez.Error.NotReady")
        except Failed as error:
            return failed(error)
        if "StartDiscovery" in silent:
            return unanswered.append(done)
        done()
        return self.change({"Discovering": True})

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        called(self.path, "Get", name)
        if interface != MANAGER or not experimental:
            raise Failed("org.freedesktop.DBus.Error.InvalidArgs")
        return dbus.Array(experimental["features"], signature="s", variant_level=1)

    @dbus.service.method(MANAGER, in_signature="o", async_callbacks=("done", "failed"), sender_keyword="sender")
    def RegisterMonitor(self, root, done, failed, sender):
        try:
            called(self.path, "RegisterMonitor", root)
            if not experimental:
                raise Failed("org.freedesktop.DBus.Error.UnknownMethod")
        except Failed as error:
            return failed(error)
        bus = self.connection

        def listed(objects):
            done()
            for number, (path, interfaces) in enumerate(sorted(objects.items())):
                called(path, "Patterns", *(f"{int(t):02x}@{int(start)}:{bytes(data).hex()}"
                                           for start, t, data in interfaces[MONITOR]["Patterns"]))
                monitor = Monitor(bus, sender, path)
                if number < experimental["refused"]:
                    monitor.call("Release")
                else:
                    monitors[str(path)] = monitor
                    monitor.call("Activate")
        dbus.Interface(bus.get_object(sender, root, introspect=False), OBJECTS).GetManagedObjects(
            reply_handler=listed, error_handler=failed)
        return None

    @dbus.service.method(MANAGER, in_signature="o")
    def UnregisterMonitor(self, root):
        called(self.path, "UnregisterMonitor", root)
        for path in [p for p in monitors if p.startswith(root)]:
            monitors.pop(path).call("Release")

    @dbus.service.method(ADAPTER)
    def StopDiscovery(self):
        called(self.path, "StopDiscovery")
        self.change({"Discovering": False})


class Root(dbus.service.Object):
    objects = {}

    def __init__(self, bus):
        super().__init__(bus, "/")
        self.bus = bus

    @dbus.service.method(OBJECTS, out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        called("/", "GetManagedObjects")
        return {o.path: {o.interface: properties(o.values)} for o in self.objects.values()}

    @dbus.service.signal(OBJECTS, signature="oa{sa{sv}}")
    def InterfacesAdded(self, path, interfaces):
        pass

    @dbus.service.signal(OBJECTS, signature="oas")
    def InterfacesRemoved(self, path, interfaces):
        pass

    def add(self, made):
        self.objects[made.path] = made
        self.InterfacesAdded(made.path, {made.interface: properties(made.values)})

    def remove(self, path):
        gone = self.objects.pop(path)
        gone.remove_from_connection()
        self.InterfacesRemoved(path, [gone.interface])

    # What the tests can ask for.

    def do_calls(self):
        pass

    def do_adapter(self, name, address, powered=True):
        self.add(Adapter(self.bus, name, address, powered))

    def do_remove(self, path):
        for below in [p for p in self.objects if p.startswith(path)]:
            self.remove(below)

    def do_heard(self, adapter, address, quiet=False, **values):
        """An advertisement: a device appears, or its properties change. quiet: no signal says that it appears."""
        path = f"/org/bluez/{adapter}/dev_{address.upper().replace(':', '_')}"
        if path in self.objects:
            self.objects[path].change(values)
        else:
            first = {"Address": address.upper(), "AddressType": "random", "Alias": "x", "Paired": False, **values}
            device = Object(self.bus, path, DEVICE, first)
            if quiet:
                self.objects[path] = device
            else:
                self.add(device)

    def do_experimental(self, features=(), refused=0):
        experimental.update(features=list(features), refused=refused)

    def do_found(self, adapter, address, by):
        """DeviceFound of those monitors, one after the other."""
        for number in by:
            path = dbus.ObjectPath(f"/org/bluez/{adapter}/dev_{address.upper().replace(':', '_')}")
            monitors[sorted(monitors)[number]].call("DeviceFound", path)

    def do_drop(self):
        """Release of a monitor that is active."""
        monitors.popitem()[1].call("Release")

    def do_change(self, path, **values):
        self.objects[path].change(values)

    def do_fail(self, method, error, times=1):
        failures[method] = [error, times]

    def do_silence(self, method):
        silent.add(method)

    def do_answer(self):
        for done in unanswered:
            done()

    def do_flood(self, adapter, first, count):
        """Signals of as many devices with addresses of their own, each heard once."""
        for i in range(first, first + count):
            path = f"/org/bluez/{adapter}/dev_C0_00_{i >> 24 & 255:02X}_{i >> 16 & 255:02X}_{i >> 8 & 255:02X}_{i & 255:02X}"
            values = {"Address": path[-17:].replace("_", ":"), "AddressType": "random", "RSSI": -60,
                      "ManufacturerData": {"65535": "00112233445566778899"}}
            self.InterfacesAdded(path, {DEVICE: properties(values)})


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SystemBus()
    root = Root(bus)

    def obey(_stream, _condition):
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        command = json.loads(line)
        action = command.pop("do")
        if action == "own":
            command.clear()
            root.name = dbus.service.BusName("org.bluez", bus)
        else:
            getattr(root, f"do_{action}")(**command)
        print(json.dumps(calls), flush=True)
        return True

    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, obey)
    loop.run()


main()
