"""The machine's clock is set while blescan scans on the real BlueZ: no report is lost, and no batch tells of time that was not."""
import datetime

from harness.bluez_vm import BluezTest, boot, reports_in

ADVERTISERS = [
    "C0:11:22:33:44:01 random nonconn -60         1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    "AA:BB:CC:DD:EE:03 public nonconn -80,-85,-90 0303AAFE1116AAFE10EE026578616D706C6507686900",
]
JUMP_S = 1800  # less than the longest silence in a capture
# Both at the same time. The monitor channel first: it is to hear all that the controller sends.
SET = f"""
both() {{ for name in monitor bluez; do eval "$1"; done; }}
set_clock() {{ date -s "@$(($(date +%s) + $1))" >/dev/null; }}
both 'scan $name --source $name --window 1 --interval 0 --detail --addresses'
both 'hears $name 3'
set_clock {JUMP_S}
both 'until_true 60 said $name "clock jumps" 1'
both 'hears $name 3'
set_clock -{JUMP_S}
both 'until_true 60 said $name "clock jumps" 2'
both 'hears $name 3'
empty_room
until_true 60 grep -q 'read 0' /out/truth
both 'hears $name 3'
both 'finish $name'
"""


class ClockIsSet(BluezTest):
    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("set", SET)], ADVERTISERS, controller="-i 50")

    def batches(self, name):
        self.step("set")
        return self.lines(name)

    def test_every_report_is_counted_by_the_monitor_channel(self):
        self.assertEqual(reports_in(self.batches("monitor")), self.booted.reports())

    def test_batches_tell_of_no_time_in_between(self):
        for name in ("monitor", "bluez"):
            with self.subTest(name):
                ends = [datetime.datetime.fromisoformat(batch["timestamp"].replace("Z", "+00:00")) for batch in self.batches(name)]
                steps = [(b - a).total_seconds() for a, b in zip(ends, ends[1:])]
                jumps = [step for step in steps if not 0 < step <= 10]
                self.assertEqual([round(jump / JUMP_S) for jump in jumps], [1, -1], steps)
