"""blescan --passive on the real bluetoothd with its experimental interfaces: nobody is asked, and who may be heard is heard."""
import collections
import json

from harness.bluez_vm import BLUEZ, BluezTest, boot, reports_in

BEACON = "c0:11:22:33:44:01"
TAG = "c0:11:22:33:44:02"
WATCH = "c0:11:22:33:44:05"
ADVERTISERS = [
    f"{BEACON} random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    # Flags, a UUID, service data and manufacturer data: found by more than one monitor.
    f"{TAG} random nonconn -50,-53,-61,-70 0201060303180F04160F186405FF9904NN",
    "aa:bb:cc:dd:ee:03 public nonconn -80             0303AAFE1116AAFE10EE026578616D706C6507686900",
    f"{WATCH} random ind     -65             02011A",
    f"{WATCH} random rsp     -65             0409414243",
]
# Of each kind one, heard by bluetoothd 5.69 and later as well, which takes advertisements apart before it compares, or not.
KINDS = [
    ("flags and a name", "0201060409616263", True),
    ("iBeacon", "1AFF4C000215A495BB30C5B14B44B5121370F02D74DE0044041AC5", True),
    ("manufacturer data", "0AFF990405NN0102030405", True),
    ("Eddystone UID", "0303AAFE1516AAFE00EB0102030405060708090A0B0C0D0E0F10", True),
    ("Eddystone URL", "0303AAFE1116AAFE10EE026578616D706C6507686900", True),
    ("Eddystone TLM", "0303AAFE1116AAFE20000B1815800000000100000064", True),
    ("Exposure Notification", "03036FFD17166FFD0102030405060708090A0B0C0D0E0F1011121314", True),
    ("Exposure Notification, another", "03036FFD17166FFDB702030405060708090A0B0C0D0E0F1011121314", False),
    ("MiBeacon", "0D1695FE30585B0501AABBCCDDEE", True),
    ("BTHome", "0A16D2FC4002C40903BF13", True),
    ("BTHome, with a name", "0A16D2FC40NN64025C0903", True),
    ("a thermometer of the service 181a", "10161A18AABBCCDDEEFF00D7344B0BE101", True),
    ("Tile", "0303EDFE0D16EDFE0200AABBCCDDEEFF0011", True),
    ("a 16-bit UUID", "03030D18", False),
    ("a 128-bit UUID of the base", "1107FB349B5F80000080001000000D180000", False),
    ("a 128-bit UUID of version 4", "1107010203040506070809400B0C0D0E0F10", False),
]
KIND = {f"c0:11:22:33:55:{i:02x}": kind for i, kind in enumerate(KINDS)}
# A name alone is nowhere heard.
KINDS_SENT = [f"{address} random nonconn -60 {data}" for address, (_, data, _) in KIND.items()] + [
    "c0:11:22:33:55:ff random nonconn -60 0409616263"]
MANY = [f"C0:00:00:00:00:{i:02X} random nonconn {-40 - i % 50},{-41 - i % 50} 020106" for i in range(50)]

# Of a device that bluetoothd tells of late, several times at once, some reports are taken for the same.
EACH = """
scan each --passive --each
until_true 60 has_sent 400
empty_room
until_true 60 grep -q 'read 0' /out/truth
until_true 60 has_lines /out/each.lines $(($(sent) * 7 / 10))
finish each
fill_room /etc/few
grep -c ' active ' /out/controller || true
"""
RESTART = """
scan restart --passive --each
hears restart
stop_bluetoothd
until_true 60 said restart 'is gone' 1
start_bluetoothd
until_true 60 said restart 'scanning hci0' 2
hears restart
stop_controller
until_true 60 said restart 'is gone' 2
start_controller
until_true 60 said restart 'scanning hci0' 3
hears restart
dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 org.freedesktop.DBus.Properties.Set \
    string:org.bluez.Adapter1 string:Powered variant:boolean:false >/dev/null
until_true 60 said restart 'was switched off' 1
until_true 60 said restart 'scanning hci0' 4
hears restart
finish restart
"""
SILENT = """
scan silent --passive --each --watchdog 1
hears silent
kill -USR1 "$(cat /run/controller)"
until_true 60 said silent 'switching it off and on' 1
hears silent
finish silent
"""
KINDS_STEP = """
new_controller truth.silent "-i 100" /etc/kinds
scan kinds --passive --each
heard_often() { [ "$(cut -d , -f 2 /out/kinds.lines | sort | uniq -c | awk '$1 >= 20' | wc -l)" -ge "$1" ]; }
until_true 60 heard_often """ + str(sum(BLUEZ == "5.66" or everywhere for _, _, everywhere in KINDS)) + """
until_true 60 has_sent 3000
finish kinds
empty_room
until_true 60 adapter_powered hci0
blescan --doctor --json
"""
ALL_KINDS = """
new_controller truth.kinds "-i 100 -n 30" /etc/kinds
scan all_kinds --passive --source monitor --window 1 --interval 0 --detail --addresses
until_heard all_kinds
finish all_kinds
"""
EXACT = """
new_controller truth.all_kinds "-i 100 -n 30" /etc/many
scan exact --passive --source monitor --window 1 --interval 0 --detail --addresses
until_heard exact
finish exact
"""
CONFIGURED = """
new_controller truth.exact "-i 100" /etc/few
stop_bluetoothd
printf '[General]\\nExperimental = true\\n[Policy]\\nAutoEnable = true\\n' >/etc/bluetooth/main.conf
BLUETOOTHD_OPTIONS=
start_bluetoothd
scan configured --passive --each
hears configured
finish configured
"""
# A controller that hangs: it answers no command any more.
HUNG = """
scan hung --passive --each --watchdog 1
hears hung
kill -STOP "$(cat /run/controller)"
code=0
wait "$(cat /run/hung)" || code=$?
kill -CONT "$(cat /run/controller)"
exit $code
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
        steps = [("each", EACH), ("restart", RESTART), ("silent", SILENT), ("kinds", KINDS_STEP), ("all_kinds", ALL_KINDS), ("exact", EXACT), ("configured", CONFIGURED), ("hung", HUNG),
                 ("plain", PLAIN)]
        files = {"/etc/many": "\n".join(MANY), "/etc/few": "\n".join(ADVERTISERS),
                 "/etc/kinds": "\n".join(KINDS_SENT)}
        cls.booted = boot(steps, ADVERTISERS, controller="-i 100", bluetoothd="--experimental", files=files)

    def test_every_advertiser_is_heard_and_nobody_is_asked(self):
        self.assertEqual(int(self.step("each").out), 0)  # active scans
        # One line for a report, by however many monitors it is found.
        truth = self.booted.files["truth.silent"].decode()
        sent = truth[:truth.index(" read 0")].count(" adv ")
        self.assertLess(len(self.lines("each")), 1.1 * sent)
        data = {line["address"]: line["data"] for line in self.lines("each")}
        self.assertEqual(set(data), set(self.booted.truth("truth.silent")))
        self.assertEqual(data[BEACON], ADVERTISERS[0].split()[-1].lower())
        self.assertNotIn("0409414243", data[WATCH])

    def test_who_is_heard_is_who_the_manual_says(self):
        doctor = json.loads(self.step("kinds").out)
        heard = collections.Counter(KIND.get(line["address"], ("nobody",))[0] for line in self.lines("kinds"))
        self.assertEqual(set(heard), {name for name, _, everywhere in KINDS if BLUEZ == "5.66" or everywhere})
        passive = {check["check"]: check for check in doctor["checks"]}["passive"]
        self.assertEqual(passive["verdict"], "ok" if BLUEZ == "5.66" else "warning")
        for said in (self.said("kinds"), passive["found"]):
            self.assertEqual("hears no advertiser that sends neither Flags nor" in said, BLUEZ != "5.66")

    def test_by_the_monitor_source_all_kinds_are_heard(self):
        self.step("all_kinds")
        self.assertNotIn("hears no", self.said("all_kinds"))
        self.assertEqual(reports_in(self.lines("all_kinds")), self.booted.reports("truth.all_kinds"))

    def test_it_goes_on_after_bluetoothd_the_controller_and_its_power(self):
        self.step("restart")

    def test_a_silent_controller_is_power_cycled(self):
        self.step("silent")
        steps = ["restarting the passive scan", "answers and scans", "switching it off and on"]
        self.assertEqual(sorted(steps, key=self.said("silent").index), steps)

    def test_a_controller_that_hangs_is_given_up(self):
        self.step("hung", 69)
        self.assertIn("not even after a power cycle", self.said("hung"))

    def test_by_the_monitor_source_every_report_is_counted(self):
        self.step("exact")
        self.assertEqual(reports_in(self.lines("exact")), self.booted.reports("truth.exact"))

    def test_main_conf_switches_the_monitors_on(self):
        self.step("configured")

    def test_without_experimental_interfaces_it_says_what_to_do(self):
        err = self.step("plain", 69).err
        self.assertIn("Experimental = true in /etc/bluetooth/main.conf", err)
