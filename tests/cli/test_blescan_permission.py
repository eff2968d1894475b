"""blescan where it may not talk to bluetoothd: Debian's policy lets root and the group bluetooth do so, nobody else."""
import json

from harness.bluez import LiveTest, SystemBus
from harness.process import run


class Refused(LiveTest):
    def setUp(self):
        self.bus = self.enterContext(SystemBus(rules='<deny send_destination="org.bluez"/>'))
        self.fake()

    def test_a_scan_is_77_and_says_what_to_do(self):
        self.assertIn("add the user to the group bluetooth", self.ends(77))

    def test_the_doctor_says_what_to_do(self):
        code, out, _ = run("blescan", "--doctor", "--json", env=self.bus.env)
        self.assertEqual(code, 69)
        found = json.loads(out)
        checks = {check["check"]: check for check in found["checks"]}
        self.assertFalse(found["could_scan"])
        self.assertEqual({name: checks[name]["verdict"] for name in ("D-Bus", "bluetoothd", "permission", "adapters", "passive")},
                         {"D-Bus": "ok", "bluetoothd": "ok", "permission": "failed", "adapters": "unknown", "passive": "unknown"})
        self.assertIn("refused: ", checks["permission"]["found"])
        for words in ("usermod -aG bluetooth", "SupplementaryGroups=bluetooth"):
            self.assertIn(words, checks["permission"]["advice"])


class Allowed(LiveTest):
    def test_the_doctor_finds_nothing_wrong_with_the_bus(self):
        self.fake()
        _, out, _ = run("blescan", "--doctor", "--json", env=self.bus.env)
        checks = {check["check"]: check["verdict"] for check in json.loads(out)["checks"]}
        self.assertEqual({name: checks[name] for name in ("D-Bus", "bluetoothd", "permission", "adapters")},
                         dict.fromkeys(("D-Bus", "bluetoothd", "permission", "adapters"), "ok"))
