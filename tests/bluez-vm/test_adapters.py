"""Two controllers on the real BlueZ: both are scanned into one stream, each is known by its address and watched over."""
import itertools

from harness.bluez_vm import BluezTest, boot, comparable, pauses, reports_in

FIRST, SECOND = "00:53:00:5E:00:01", "00:53:00:5E:00:02"
NEAR_FIRST, NEAR_SECOND, BETWEEN = "c0:11:22:33:44:01", "c0:11:22:33:44:02", "aa:bb:cc:dd:ee:03"
HEARD_BY_FIRST = [
    f"{NEAR_FIRST}  random nonconn -50,-52,-58 0201060AFF990405NN0102030405",
    f"{BETWEEN}     public nonconn -80,-76     0303AAFE1116AAFE10EE026578616D706C6507686900",
]
HEARD_BY_SECOND = [
    f"{NEAR_SECOND} random nonconn -61,-65     1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    f"{BETWEEN}     public nonconn -70,-90,-71 0303AAFE1116AAFE10EE026578616D706C6507686900",
]
BATCHES = "--window 1 --interval 0 --detail --addresses"
BOTH = f"--adapter hci0 --adapter hci1 {BATCHES}"

EXACT = f"""
start_controller second -A {SECOND}
until_true 30 adapter_powered hci1
scan exact --source monitor {BOTH}
until_true 200 all_sent second
until_heard exact
finish exact
stop_controller
stop_controller second
mv /out/truth /out/exact.first
mv /out/truth.second /out/exact.second
"""
# From here on the controllers send without an end. plug_in first|second.
PLUG_IN = f"""
CONTROLLER_OPTIONS='-i 50'
plug_in() {{ if [ $1 = first ]; then start_controller; else start_controller second -A {SECOND}; fi; }}
unplug() {{ if [ $1 = first ]; then stop_controller; else stop_controller second; fi; }}
"""
SHARED = PLUG_IN + f"""
plug_in first
plug_in second
for name in hci0 hci1; do until_true 30 adapter_powered $name; done
scan shared --source bluez {BOTH}
scan by_address --source bluez --adapter {SECOND} {BATCHES}
scan by_address_monitor --source monitor --adapter {SECOND} {BATCHES}
by_both() {{ last_has shared '"adapters":["hci0","hci1"]' || last_has shared '"adapters":["hci1","hci0"]'; }}
all_heard() {{ by_both && last_has shared {NEAR_FIRST} {NEAR_SECOND}; }}
until_true 60 all_heard
for name in by_address by_address_monitor; do until_true 60 last_has $name {NEAR_SECOND} {BETWEEN}; done
for name in shared by_address by_address_monitor; do finish $name; done
"""


def replug(name, options):
    """The second, the first, then both go; the second comes back first, so that they change names."""
    return PLUG_IN + f"""
both_near() {{ last_has {name} {NEAR_FIRST} {NEAR_SECOND}; }}
only() {{ last_has {name} $1 && ! both_near; }}
moved() {{ only {NEAR_SECOND} && last_has {name} '"adapters":["hci0"]'; }}
scan {name} {options} {BOTH}
until_true 60 said {name} 'scanning hci1 ({SECOND})' 1
until_true 60 both_near
unplug second
until_true 60 said {name} 'hci1 ({SECOND}) is gone' 1
until_true 60 only {NEAR_FIRST}
plug_in second
until_true 60 said {name} 'scanning hci1 ({SECOND})' 2
until_true 60 both_near
unplug first
until_true 60 said {name} 'hci0 ({FIRST}) is gone' 1
until_true 60 only {NEAR_SECOND}
unplug second
until_true 60 said {name} 'hci1 ({SECOND}) is gone' 2
plug_in second
until_true 60 said {name} 'scanning hci0 ({SECOND})' 1
until_true 60 moved
plug_in first
until_true 60 said {name} 'scanning hci1 ({FIRST})' 1
until_true 60 both_near
hears {name} 1
finish {name}
"""


# The first is hci1 now; it becomes hci0, and the other hci1.
FOLLOW = PLUG_IN + f"""
scan follow --adapter hci1 {BATCHES}
until_true 60 last_has follow {NEAR_FIRST} {BETWEEN}
unplug first
unplug second
until_true 60 said follow 'hci1 ({FIRST}) is gone' 1
plug_in first
plug_in second
until_true 60 adapter_powered hci1
until_true 60 said follow 'scanning hci0 ({FIRST})' 1
until_true 60 last_has follow {NEAR_FIRST} {BETWEEN} '"adapters":["hci0"]'
finish follow
"""
# The first controller by D-Bus, the second by the monitor channel, at the same time.
WATCHED = f"""
scan $step.bluez --source bluez --adapter {FIRST} --watchdog $watchdog {BATCHES}
scan $step.monitor --source monitor --adapter {SECOND} --watchdog $watchdog {BATCHES}
for name in $step.bluez $step.monitor; do hears $name 2; done
"""
SILENT = "step=silent watchdog=2" + WATCHED + """
kill -USR1 "$(cat /run/controller)"
kill -USR1 "$(cat /run/controller.second)"
for name in silent.bluez silent.monitor; do
    until_true 90 said $name 'switching it off and on' 1
    hears $name 2
    until_true 90 hears_somebody $name
    finish $name
done
"""
EMPTY = "step=empty watchdog=1" + WATCHED + """
cp /etc/advertisers /etc/first
cp /etc/advertisers.second /etc/second
empty_room
empty_room second
for name in empty.bluez empty.monitor; do until_true 90 said $name 'no advertisement for 8 s; restarting discovery' 1; done
fill_room /etc/first
fill_room /etc/second second
for name in empty.bluez empty.monitor; do
    until_true 90 hears_somebody $name
    finish $name
done
"""


def who_heard_whom(batches):
    """Of each address: who heard it, in all of the batches together."""
    found = {}
    for batch in batches:
        for d in batch["detections"]:
            found.setdefault(d["address"], set()).update(d["adapters"])
    return found


class Adapters(BluezTest):
    @classmethod
    def setUpClass(cls):
        steps = [("exact", EXACT), ("shared", SHARED), ("replug", replug("replug", "--source bluez")), ("follow", FOLLOW),
                 ("recorded", replug("recorded", "--source monitor --record /out/recorded.btsnoop")),
                 ("replay", "blescan --replay /out/recorded.btsnoop --window 1 --detail --addresses"),
                 ("silent", SILENT), ("empty", EMPTY)]
        cls.booted = boot(steps, HEARD_BY_FIRST, controller="-i 50 -n 40",
                          files={"/etc/advertisers.second": "\n".join(HEARD_BY_SECOND) + "\n"})

    def test_the_monitor_has_each_report_of_both(self):
        self.step("exact")
        batches = self.lines("exact")
        self.assertEqual(reports_in(batches), self.booted.reports("exact.first", "exact.second"))
        self.assertEqual(who_heard_whom(batches), {NEAR_FIRST: {"hci0"}, NEAR_SECOND: {"hci1"}, BETWEEN: {"hci0", "hci1"}})

    def test_both_are_heard_over_d_bus(self):
        self.step("shared")
        heard = {NEAR_FIRST: {"hci0"}, NEAR_SECOND: {"hci1"}, BETWEEN: {"hci0", "hci1"}}
        self.assertEqual(who_heard_whom(self.lines("shared")), heard)

    def test_one_by_its_address(self):
        self.step("shared")
        for name in ("by_address", "by_address_monitor"):
            self.assertEqual(who_heard_whom(self.lines(name)), {NEAR_SECOND: {"hci1"}, BETWEEN: {"hci1"}}, name)

    def check_replug(self, name):
        self.step(name)
        batches = self.lines(name)
        # Of each batch but the last, which is cut: where those were heard whom one controller hears only.
        where = [{a: tuple(at) for a, at in who_heard_whom([batch]).items() if a != BETWEEN} for batch in batches[:-1]]
        hci0, hci1 = ("hci0",), ("hci1",)
        phases = [{NEAR_FIRST: hci0, NEAR_SECOND: hci1}, {NEAR_FIRST: hci0}, {NEAR_FIRST: hci0, NEAR_SECOND: hci1}, {NEAR_SECOND: hci1},
                  {NEAR_SECOND: hci0}, {NEAR_FIRST: hci1, NEAR_SECOND: hci0}]
        # On a busy computer there may be windows in between in which one or both were not heard.
        rest = iter(where)
        self.assertEqual([phase for phase in phases if phase in rest], phases, f"{where}\n{self.said(name)}")
        for address, adapters in ((NEAR_FIRST, [hci0, hci1]), (NEAR_SECOND, [hci1, hci0])):
            heard_at = [w[address] for w in where if address in w]
            self.assertEqual([at for at, _ in itertools.groupby(heard_at)], adapters, where)
        # While one is missing windows go on; none is of the time when both were.
        self.assertEqual(len(pauses(batches)), 1, self.said(name))
        again = pauses(batches)[0]
        self.assertNotIn(NEAR_FIRST, {a for w in where[again - 1:again + 1] for a in w})
        self.assertEqual({batch["window_ms"] for i, batch in enumerate(batches[:-1]) if i != again - 1}, {1000})

    def test_both_go_and_come_back_over_d_bus(self):
        self.check_replug("replug")

    def test_both_go_and_come_back_with_the_monitor(self):
        self.check_replug("recorded")
        self.assertEqual(comparable(self.step("replay").out), comparable(self.booted.files["recorded.lines"]))

    def test_one_is_known_by_its_address(self):
        self.step("follow")
        self.assertEqual(who_heard_whom(self.lines("follow")), {NEAR_FIRST: {"hci0", "hci1"}, BETWEEN: {"hci0", "hci1"}})

    def between(self, truth, begin, end=None):
        """What the controller did after it logged one, until it logged the other."""
        lines = [line.split(None, 1)[1] for line in self.booted.files[truth].decode().splitlines()]
        start = lines.index(begin)
        return lines[start:lines.index(end, start)] if end else lines[start:]

    def test_a_silent_controller_is_reset(self):
        self.step("silent")
        for name, truth in (("silent.bluez", "truth"), ("silent.monitor", "truth.second")):
            steps = ["for 2 s", "restarting discovery", "checked again in 4 s", "for 4 s; restarting discovery", "checked again in 8 s",
                     "switching it off and on", "answers and scans"]
            rest = self.said(name)
            for step in steps:
                self.assertIn(step, rest, self.said(name))
                rest = rest[rest.index(step):]
            did = self.between(truth, "silent")
            until_reset = did[:did.index("cmd 0c03 len 0")]
            self.assertFalse([what for what in until_reset if what.startswith("adv")], name)
            self.assertGreaterEqual(until_reset.count("cmd 200c len 2 on"), 2, name)

    def test_an_empty_room_is_power_cycled_once(self):
        self.step("empty")
        for name, truth, size in (("empty.bluez", "truth", len(HEARD_BY_FIRST)),
                                  ("empty.monitor", "truth.second", len(HEARD_BY_SECOND))):
            self.assertEqual(self.said(name).count("switching it off and on"), 1, self.said(name))
            self.assertEqual(self.between(truth, "read 0", f"read {size}").count("cmd 0c03 len 0"), 1, name)
            self.assertEqual(len(pauses(self.lines(name))), 1, name)  # while it was off
            # Windows go on without an end, empty or not.
            heard = itertools.groupby(self.lines(name), key=lambda batch: bool(batch["detections"]))
            self.assertGreaterEqual(max(len(list(batches)) for somebody, batches in heard if not somebody), 8, name)
