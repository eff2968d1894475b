"""blescan over D-Bus on the real bluetoothd: what the controller has sent is heard, whatever goes and comes back."""
import json

from harness.bluez_vm import BluezTest, boot

ADVERTISERS = [
    "C0:11:22:33:44:01 random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    "C0:11:22:33:44:02 random nonconn -50,-53,-61,-70 0201060AFF990405NN0102030405",
    "AA:BB:CC:DD:EE:03 public nonconn -80             0303AAFE1116AAFE10EE026578616D706C6507686900",
    "C0:11:22:33:44:04 random nonconn 127             0B16D2FC40NN64025C090345",
]

# blescan in the background: its lines go to /out/NAME.lines, what it says to /out/NAME.said.
PRELUDE = """
set -e
said() { [ "$(grep -c "$1" /out/$name.said)" -ge "$2" ]; }
lines() { [ "$(wc -l </out/$name.lines)" -ge "$1" ]; }
scan() {
    name=$1
    shift
    blescan "$@" >/out/$name.lines 2>/out/$name.said &
    pid=$!
    until_true 60 said 'scanning hci0' 1
}
scan_on() { before=$(wc -l </out/$name.lines); until_true 60 lines $((before + ${1:-20})); }
finish() { kill $pid && wait $pid; }
"""
EACH = PRELUDE + """
off() { [ "$(grep -c 'cmd 200c len 2 off' /out/truth)" -gt "$1" ]; }
scan each --each
scan_on 40
scans_off=$(grep -c 'cmd 200c len 2 off' /out/truth || true)
finish
until_true 60 off $scans_off
"""
BATCHES = PRELUDE + "scan batches --window 2 --interval 0 --detail --addresses --count 2 && wait $pid\n"
RESTART = PRELUDE + """
scan restart --each
scan_on
stop_bluetoothd
until_true 60 said 'is gone' 1
start_bluetoothd
until_true 60 said 'scanning hci0' 2
scan_on
kill -9 "$(cat /run/bluetoothd.pid)"
until_true 60 said 'bluetoothd is gone' 1
start_bluetoothd
until_true 60 said 'scanning hci0' 3
scan_on
finish
"""
# Two of them on one adapter: they start at once when bluetoothd is back.
TWO = PRELUDE + """
scan one --each
pid_of_one=$pid
scan two --each
scan_on
stop_bluetoothd
until_true 60 said 'is gone' 1
start_bluetoothd
until_true 90 said 'scanning hci0' 2
scan_on
name=one
until_true 90 said 'scanning hci0' 2
scan_on
finish
pid=$pid_of_one
scan_on
finish
"""
REPLUG = PRELUDE + """
scan replug --each --adapter hci0
scan_on
stop_controller
until_true 60 said 'is gone' 1
start_controller
until_true 60 said 'scanning hci0' 2
scan_on
finish
"""
OFF = PRELUDE + """
scan off --each
scan_on
dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 org.freedesktop.DBus.Properties.Set \
    string:org.bluez.Adapter1 string:Powered variant:boolean:false >/dev/null
until_true 60 said 'was switched off' 1
until_true 60 said 'scanning hci0' 2
scan_on
finish
"""
# A controller that hangs: it answers no command any more.
HUNG = PRELUDE + """
scan hung --each --watchdog 2
scan_on
kill -STOP "$(cat /run/controller.pid)"
wait $pid
"""
NONE = "kill -CONT $(cat /run/controller.pid); stop_controller; blescan --each"
NO_DAEMON = "stop_bluetoothd; blescan --each"


class BluezSource(BluezTest):
    @classmethod
    def setUpClass(cls):
        steps = [("each", EACH), ("batches", BATCHES), ("restart", RESTART), ("two", TWO), ("replug", REPLUG), ("off", OFF), ("hung", HUNG),
                 ("none", NONE), ("no_daemon", NO_DAEMON)]
        cls.booted = boot(steps, ADVERTISERS, controller="-i 50")

    def lines(self, name):
        self.step(name)
        return [json.loads(line) for line in self.booted.files[f"{name}.lines"].splitlines()]

    def said(self, name):
        return self.booted.files[f"{name}.said"].decode()

    def test_every_advertiser_is_heard_as_it_was_sent(self):
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
        first, second = self.lines("batches")
        wanted = {"c0:11:22:33:44:01", "c0:11:22:33:44:02", "aa:bb:cc:dd:ee:03"}
        self.assertEqual({d["address"] for d in second["detections"]}, wanted)
        self.assertEqual((first["window_ms"], first["seq"], second["seq"]), (2000, 0, 1))
        by_address = {d["address"]: d for d in second["detections"]}
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
CROWD_BATCH = PRELUDE + "scan batch --window 10 --interval 0 --addresses --count 1\nwait $pid\n"


class Crowd(BluezTest):
    """200 advertisers, each ten times a second: more than D-Bus carries, but none is overlooked."""

    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("crowd", CROWD_BATCH)], CROWD, controller="-i 100")

    def test_every_advertiser_is_in_the_batch(self):
        self.step("crowd")
        batch = json.loads(self.booted.files["batch.lines"])
        self.assertEqual({d["address"] for d in batch["detections"]}, set(self.booted.truth()))
        self.assertLessEqual(sum(d["count"] for d in batch["detections"]), len(self.booted.sent()))
