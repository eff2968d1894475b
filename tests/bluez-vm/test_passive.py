"""blescan --passive on the real bluetoothd with its experimental interfaces: nobody is asked, and who may be heard is heard."""
import collections
import json

from harness.bluez_vm import BluezTest, boot

BEACON = "c0:11:22:33:44:01"
TAG = "c0:11:22:33:44:02"
WATCH = "c0:11:22:33:44:05"
ADVERTISERS = [
    f"{BEACON} random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    # Flags, a UUID, service data and manufacturer data: found by more than one monitor.
    f"{TAG} random nonconn -50,-53,-61,-70 0201060303180F04160F186405FF9904NN",
    "aa:bb:cc:dd:ee:03 public nonconn -80             0303AAFE1116AAFE10EE026578616D706C6507686900",
    "c0:11:22:33:44:04 random nonconn -71             1107FB349B5F80000080001000000D180000",
    f"{WATCH} random ind     -65             02011A",
    f"{WATCH} random rsp     -65             0409414243",
]
MANY = [f"C0:00:00:00:00:{i:02X} random nonconn {-40 - i % 50},{-41 - i % 50} 020106" for i in range(50)]

PRELUDE = """
set -e
said() { [ "$(grep -c "$1" /out/$name.said)" -ge "$2" ]; }
scan() {
    name=$1
    shift
    blescan --passive "$@" >/out/$name.lines 2>/out/$name.said &
    pid=$!
    until_true 60 said 'scanning hci0' 1
}
scan_on() { until_true 60 has_lines /out/$name.lines $(($(wc -l </out/$name.lines) + 20)); }
finish() { kill $pid && wait $pid; }
"""
EACH = PRELUDE + """
scan each --each
scan_on
before=$(sent)
until_true 60 has_sent $((before + 200))
echo $(($(sent) / 5))
finish
grep -c ' active ' /out/controller || true
"""
RESTART = PRELUDE + """
scan restart --each
scan_on
stop_bluetoothd
until_true 60 said 'is gone' 1
start_bluetoothd
until_true 60 said 'scanning hci0' 2
scan_on
stop_controller
until_true 60 said 'is gone' 2
start_controller
until_true 60 said 'scanning hci0' 3
scan_on
dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 org.freedesktop.DBus.Properties.Set \
    string:org.bluez.Adapter1 string:Powered variant:boolean:false >/dev/null
until_true 60 said 'was switched off' 1
until_true 60 said 'scanning hci0' 4
scan_on
finish
"""
SILENT = PRELUDE + """
scan silent --each --watchdog 2
scan_on
kill -USR1 "$(cat /run/controller)"
until_true 60 said 'switching it off and on' 1
scan_on
finish
"""
EXACT = PRELUDE + """
new_controller truth.before "-i 50 -n 60" /etc/many
scan exact --source monitor --window 1 --interval 0 --detail --addresses
until_true 200 heard_all /out/exact.lines
finish
"""
CONFIGURED = PRELUDE + """
new_controller truth.exact "-i 50"
stop_bluetoothd
printf '[General]\\nExperimental = true\\n[Policy]\\nAutoEnable = true\\n' >/etc/bluetooth/main.conf
BLUETOOTHD_OPTIONS=
start_bluetoothd
scan configured --each
finish
"""
PLAIN = """
stop_bluetoothd
printf '[Policy]\\nAutoEnable = true\\n' >/etc/bluetooth/main.conf
BLUETOOTHD_OPTIONS=
start_bluetoothd
blescan --passive --each
"""


class Passive(BluezTest):
    @classmethod
    def setUpClass(cls):
        steps = [("each", EACH), ("restart", RESTART), ("silent", SILENT), ("exact", EXACT), ("configured", CONFIGURED), ("plain", PLAIN)]
        cls.booted = boot(steps, ADVERTISERS, controller="-i 50", bluetoothd="--experimental", files={"/etc/many": "\n".join(MANY)})

    def lines(self, name):
        return [json.loads(line) for line in self.booted.files[f"{name}.lines"].splitlines()]

    def test_every_advertiser_is_heard_and_nobody_is_asked(self):
        rounds, active = map(int, self.step("each").out.split())
        self.assertEqual(active, 0)
        heard = collections.Counter(line["address"] for line in self.lines("each"))
        self.assertEqual(set(heard), set(self.booted.truth("truth.before")))
        # One line for a report, by however many monitors it is found.
        for address, times in heard.items():
            self.assertLessEqual(times, rounds + 1, address)
            self.assertGreater(times, rounds // 2, address)
        data = {line["address"]: line["data"] for line in self.lines("each")}
        self.assertEqual(data[BEACON], ADVERTISERS[0].split()[-1].lower())
        self.assertNotIn("0409414243", data[WATCH])

    def test_it_goes_on_after_bluetoothd_the_controller_and_its_power(self):
        self.step("restart")

    def test_a_silent_controller_is_power_cycled(self):
        self.step("silent")
        said = self.booted.files["silent.said"].decode()
        self.assertIn("restarting the passive scan", said)

    def test_by_the_monitor_source_every_report_is_counted(self):
        self.step("exact")
        found = collections.defaultdict(lambda: [0, 127, -127])
        for batch in self.lines("exact"):
            for d in batch["detections"]:
                of = found[d["address"]]
                of[:] = of[0] + d["count"], min(of[1], d["rssi_min"]), max(of[2], d["rssi_max"])
        truth = {address: [len(rssi), min(rssi), max(rssi)] for address, rssi in self.booted.truth("truth.exact").items()}
        self.assertEqual(dict(found), truth)

    def test_main_conf_switches_the_monitors_on(self):
        self.step("configured")

    def test_without_experimental_interfaces_it_says_what_to_do(self):
        err = self.step("plain", 69).err
        self.assertIn("Experimental = true in /etc/bluetooth/main.conf", err)
