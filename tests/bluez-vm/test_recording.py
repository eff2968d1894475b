"""What BlueZ's own btmon records of the real kernel is replayed: every report that the controller sent is there."""
import collections
import json
import tempfile

from harness.bluez_vm import BluezTest, boot
from harness.process import run

ADVERTISERS = [
    "C0:11:22:33:44:01 random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    "C0:11:22:33:44:02 random ind     -50,-53,-61,-70 0201060AFF990405NN0102030405",
    "C0:11:22:33:44:02 random rsp     -51             0A09527575766954616731020AF8",
    "AA:BB:CC:DD:EE:03 public ind     -80             0201060303AAFE1116AAFE10EE026578616D706C6507686900",
    "C0:11:22:33:44:04 random nonconn 127,-75         0B16D2FC40NN64025C090345",
]

RECORD = """
btmon -w /out/btmon.btsnoop >/dev/null 2>&1 &
btmon=$!
until_true 30 [ -s /out/btmon.btsnoop ]
start_discovery && until_true 60 has_sent 100
stop_discovery
kill $btmon && wait $btmon
blescan --replay /out/btmon.btsnoop --each
"""


class Recording(BluezTest):
    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("record", RECORD)], ADVERTISERS, controller="-i 50")

    def test_every_report_that_was_sent_is_replayed(self):
        printed = [json.loads(line) for line in self.step("record").out.splitlines()]
        self.assertGreaterEqual(len(self.booted.sent()), 100)
        heard = collections.defaultdict(list)
        for report in printed:
            heard[report["address"]].append(127 if report["rssi"] is None else report["rssi"])
        self.assertEqual(dict(heard), self.booted.truth())

    def test_the_recording_is_the_same_on_this_machine(self):
        with tempfile.NamedTemporaryFile(suffix=".btsnoop") as f:
            f.write(self.booted.files["btmon.btsnoop"])
            f.flush()
            code, out, err = run("blescan", "--replay", f.name, "--each")
        self.assertEqual((code, out), (0, self.step("record").out), err)
