"""blescan --doctor on the real BlueZ: what it finds, what it advises, and whether it lets a scan start."""
import json

from harness.bluez_vm import BLUEZ, BluezTest, boot

STEPS = [
    ("fine", "blescan --doctor --json"),
    ("for_people", "blescan --doctor"),
    ("blocked", "for r in /sys/class/rfkill/*; do echo 1 >$r/soft; done; blescan --doctor --json"),
    ("off", "for r in /sys/class/rfkill/*; do echo 0 >$r/soft; done; until_true 30 adapter_powered hci0\n"
            "bluetoothctl power off >/dev/null; until_true 30 sh -c '. /etc/functions; ! adapter_powered hci0'; blescan --doctor --json"),
    ("nobody", "chmod 755 /app; su nobody -c '/app/blescan --doctor --json'"),
    ("stopped", "stop_bluetoothd; blescan --doctor --json"),
    ("experimental", "BLUETOOTHD_OPTIONS=--experimental; start_bluetoothd; blescan --doctor --json"),
    ("small", "echo 212992 >/proc/sys/net/core/rmem_default; blescan --doctor --json"),
    ("no_bus", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere blescan --doctor --json"),
    ("no_controller", "stop_controller; blescan --doctor --json"),
]
NAMES = ["kernel", "rfkill", "D-Bus", "bluetoothd", "permission", "adapters", "passive", "buffer", "monitor", "clock"]


class Doctor(BluezTest):
    @classmethod
    def setUpClass(cls):
        cls.booted = boot(STEPS, ["C0:11:22:33:44:01 random nonconn -60 020106"],
                          files={"/etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"})

    def checks(self, step, code):
        """The checks by name. All of them are always there, in order."""
        found = json.loads(self.step(step, code).out)
        self.assertEqual([check["check"] for check in found["checks"]], NAMES)
        self.assertEqual(found["could_scan"], code == 0)
        return {check["check"]: check for check in found["checks"]}

    def failed(self, step):
        return {name for name, check in self.checks(step, 69).items() if check["verdict"] == "failed"}

    def test_all_is_well(self):
        checks = self.checks("fine", 0)
        for name in set(NAMES) - {"passive", "clock"}:
            self.assertEqual(checks[name]["verdict"], "ok", name)
            self.assertNotIn("advice", checks[name])
        self.assertIn("hci0", checks["kernel"]["found"])
        self.assertEqual(checks["bluetoothd"]["found"], f"bluetoothd {BLUEZ} is running")
        self.assertEqual(checks["adapters"]["found"], "hci0 00:53:00:5E:00:01 on")
        # bluetoothd of Debian runs without its experimental interfaces; nobody sets the clock of this machine.
        self.assertEqual(checks["passive"]["verdict"], "warning")
        self.assertIn("Experimental = true", checks["passive"]["advice"])
        self.assertEqual(checks["clock"]["verdict"], "warning")
        self.assertIn("timedatectl", checks["clock"]["advice"])

    def test_people_get_the_same_in_words(self):
        lines = self.step("for_people").out.decode().splitlines()
        self.assertIn("ok       adapters    hci0 00:53:00:5E:00:01 on", lines)
        self.assertEqual(lines[-1], "A scan can start.")

    def test_a_blocked_radio(self):
        checks = self.checks("blocked", 69)
        self.assertEqual(self.failed("blocked"), {"rfkill"})
        self.assertEqual(checks["rfkill"]["advice"], "sudo rfkill unblock bluetooth")

    def test_an_adapter_that_is_off_can_be_switched_on(self):
        adapters = self.checks("off", 0)["adapters"]
        self.assertEqual((adapters["verdict"], adapters["found"]), ("warning", "hci0 00:53:00:5E:00:01 off"))

    def test_without_the_capability_the_monitor_channel_is_closed(self):
        self.assertEqual(self.checks("fine", 0)["monitor"]["verdict"], "ok")
        monitor = self.checks("nobody", 0)["monitor"]
        self.assertEqual(monitor["verdict"], "warning")
        self.assertIn("CAP_NET_RAW", monitor["found"])

    def test_a_stopped_bluetoothd(self):
        checks = self.checks("stopped", 69)
        self.assertEqual(self.failed("stopped"), {"bluetoothd"})
        self.assertIn("systemctl enable --now bluetooth", checks["bluetoothd"]["advice"])
        self.assertEqual({checks[name]["verdict"] for name in ("permission", "adapters", "passive")}, {"unknown"})

    def test_experimental_interfaces_are_seen(self):
        passive = self.checks("experimental", 0)["passive"]
        self.assertEqual(passive["verdict"], "ok" if BLUEZ == "5.66" else "warning")
        self.assertIn("advertisement monitors are offered", passive["found"])

    def test_a_small_buffer_is_named(self):
        self.assertEqual(self.checks("fine", 0)["buffer"]["found"], "net.core.rmem_default is 4194304")
        buffer = self.checks("small", 0)["buffer"]
        self.assertEqual(buffer["verdict"], "warning")
        self.assertIn("net.core.rmem_default is 212992", buffer["found"])
        self.assertIn("net.core.rmem_default=4194304", buffer["advice"])

    def test_no_controller(self):
        self.assertEqual(self.failed("no_controller"), {"kernel", "adapters"})

    def test_no_bus(self):
        self.assertEqual(self.failed("no_bus"), {"D-Bus"})
