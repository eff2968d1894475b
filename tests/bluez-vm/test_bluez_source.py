"""blescan over D-Bus on the real bluetoothd: what the controller has sent is heard, whatever goes and comes back."""
import collections

from harness.bluez_vm import BluezTest, boot

ADVERTISERS = [
    "C0:11:22:33:44:01 random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    "C0:11:22:33:44:02 random nonconn -50,-53,-61,-70 0201060AFF990405NN0102030405",
    "AA:BB:CC:DD:EE:03 public nonconn -80             0303AAFE1116AAFE10EE026578616D706C6507686900",
    "C0:11:22:33:44:04 random nonconn 127             0B16D2FC40NN64025C090345",
]

EACH = """
off() { [ "$(grep -c 'cmd 200c len 2 off' /out/truth)" -gt "$1" ]; }
scan each --each
hears each 40
scans_off=$(grep -c 'cmd 200c len 2 off' /out/truth || true)
finish each
until_true 60 off $scans_off
"""
BATCHES = """
scan batches --window 2 --interval 0 --detail --addresses
until_true 60 last_has batches c0:11:22:33:44:01 c0:11:22:33:44:02 aa:bb:cc:dd:ee:03
finish batches
"""
RESTART = """
scan restart --each
hears restart
stop_bluetoothd
until_true 60 said restart 'is gone' 1
start_bluetoothd
until_true 60 said restart 'scanning hci0' 2
hears restart
kill -9 "$(cat /run/bluetoothd.pid)"
until_true 60 said restart 'bluetoothd is gone' 1
start_bluetoothd
until_true 60 said restart 'scanning hci0' 3
hears restart
finish restart
"""
# Two of them on one adapter: they start at once when bluetoothd is back.
TWO = """
scan one --each
scan two --each
hears two
stop_bluetoothd
until_true 60 said two 'is gone' 1
start_bluetoothd
for name in one two; do until_true 90 said $name 'scanning hci0' 2; done
for name in two one; do hears $name; finish $name; done
"""
REPLUG = """
scan replug --each --adapter hci0
hears replug
stop_controller
until_true 60 said replug 'is gone' 1
start_controller
until_true 60 said replug 'scanning hci0' 2
hears replug
finish replug
"""
OFF = """
scan off --each
hears off
dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 org.freedesktop.DBus.Properties.Set \
    string:org.bluez.Adapter1 string:Powered variant:boolean:false >/dev/null
until_true 60 said off 'was switched off' 1
until_true 60 said off 'scanning hci0' 2
hears off
finish off
"""
# A controller that hangs: it answers no command any more.
HUNG = """
scan hung --each --watchdog 2
hears hung
kill -STOP "$(cat /run/controller)"
wait "$(cat /run/hung)"
"""
NONE = "kill -CONT $(cat /run/controller); stop_controller; blescan --each"
NO_DAEMON = "stop_bluetoothd; blescan --each"


class BluezSource(BluezTest):
    @classmethod
    def setUpClass(cls):
        steps = [("each", EACH), ("batches", BATCHES), ("restart", RESTART), ("two", TWO), ("replug", REPLUG), ("off", OFF),
                 ("hung", HUNG), ("none", NONE), ("no_daemon", NO_DAEMON)]
        cls.booted = boot(steps, ADVERTISERS, controller="-i 50")

    def test_every_advertiser_is_heard_as_it_was_sent(self):
        self.step("each")
        heard = {}
        for line in self.lines("each"):
            heard.setdefault(line["address"], []).append(line)
        self.assertEqual(set(heard), set(self.booted.truth()))
        for address, sent in self.booted.truth().items():
            self.assertLessEqual({127 if line["rssi"] is None else line["rssi"] for line in heard[address]}, set(sent), address)
        beacon = heard["c0:11:22:33:44:01"][0]
        self.assertEqual((beacon["data"], beacon["address_type"]), (ADVERTISERS[0].split()[-1].lower(), "random"))
        self.assertEqual(heard["aa:bb:cc:dd:ee:03"][0]["address_type"], "public")

    def test_batches_hold_those_with_an_rssi(self):
        self.step("batches")
        batches = self.lines("batches")
        wanted = {"c0:11:22:33:44:01", "c0:11:22:33:44:02", "aa:bb:cc:dd:ee:03"}
        self.assertEqual({d["address"] for batch in batches for d in batch["detections"]}, wanted)
        self.assertEqual([batch["seq"] for batch in batches], list(range(len(batches))))
        self.assertEqual({batch["window_ms"] for batch in batches[:-1]}, {2000})
        by_address = {d["address"]: d for batch in batches for d in batch["detections"]}
        self.assertEqual(by_address["c0:11:22:33:44:01"]["adapters"], ["hci0"])
        self.assertIn("ibeacon", by_address["c0:11:22:33:44:01"]["beacon"])
        self.assertIn("eddystone_url", by_address["aa:bb:cc:dd:ee:03"]["beacon"])

    def test_bluetoothd_restarts(self):
        self.step("restart")

    def test_several_share_the_adapter(self):
        self.step("two")

    def test_the_controller_goes_and_comes_back(self):
        self.step("replug")

    def test_switched_off_by_others(self):
        self.step("off")

    def test_a_controller_that_hangs_is_given_up(self):
        self.step("hung", 69)
        steps = ["restarting discovery", "does not scan", "switching it off and on", "not even after a power cycle"]
        self.assertEqual([step for step in steps if step in self.said("hung")], steps)

    def test_without_a_controller(self):
        self.assertIn("has no Bluetooth adapter", self.step("none", 69).err)

    def test_without_bluetoothd(self):
        self.assertIn("systemctl start bluetooth", self.step("no_daemon", 69).err)


CROWD = [f"C0:00:00:00:00:{i:02X} random nonconn -60 0201060AFF990405NN0102030405" for i in range(200)]
CROWD_STEP = """
addresses() { grep -o '"address":"[^"]*"' /out/crowd.lines | sort -u; }
all_heard() { [ "$(addresses | wc -l)" -eq 200 ]; }
scan crowd --window 1 --interval 0 --addresses
until_true 200 all_heard
until_true 200 has_sent 10000
finish crowd
"""


class Crowd(BluezTest):
    """200 advertisers, each ten times a second: more than D-Bus carries, but none is overlooked."""

    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("crowd", CROWD_STEP)], CROWD, controller="-i 100")

    def test_every_advertiser_is_heard(self):
        self.step("crowd")
        heard, sent = collections.Counter(), {address: len(reports) for address, reports in self.booted.truth().items()}
        for batch in self.lines("crowd"):
            heard.update({d["address"]: d["count"] for d in batch["detections"]})
        self.assertEqual(set(heard), set(sent))
        self.assertEqual([a for a in sent if heard[a] > sent[a]], [])
        print(f"D-Bus: {sum(heard.values())} of {sum(sent.values())} reports arrived")
