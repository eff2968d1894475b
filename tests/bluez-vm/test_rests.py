"""blescan's windows know when no scan was on: compared with the commands that the controller has obeyed."""
from harness.bluez_vm import MOMENT_S, BluezTest, boot, reports_in, rested_s

ADVERTISERS = ["C0:11:22:33:44:01 random nonconn -60 0B16D2FC40NN64025C090345"]

# Nobody begins the next discovery.
STARVED = """
scan starved --source monitor --window 2 --interval 0 --detail --addresses
hears starved 1
kill -STOP "$(cat /run/bluetoothd.pid)"
until_true 60 off_for 4
kill -CONT "$(cat /run/bluetoothd.pid)"
until_true 60 sh -c '. /etc/functions; ! scan_is_off'
hears starved 3
finish starved
"""
# bluetoothd rests between the discoveries of a program that sets no filter.
RESTED = """
new_controller starved.truth "-i 100"
btmon -w /out/rested.btsnoop >/dev/null 2>&1 &
btmon=$!
until_true 30 [ -s /out/rested.btsnoop ]
start_discovery on
until_true 100 scans_begun 4
kill $btmon && wait $btmon
stop_discovery
blescan --replay /out/rested.btsnoop --window 2 --detail --addresses >/out/rested.lines
"""
# Another program that sets no filter changes nothing for one that does.
SHARED = """
new_controller rested.truth "-i 100 -n 300"
scan shared --source monitor --window 2 --interval 0 --detail --addresses
start_discovery on
until_heard shared
finish shared
stop_discovery
"""


class Rests(BluezTest):
    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("starved", STARVED), ("rested", RESTED), ("shared", SHARED)], ADVERTISERS, controller="-i 100")

    def compare(self, batches, truth, at_least_s):
        """A moment at a window's end is no rest in it, though the rest goes on in the next."""
        rests = self.booted.rests(truth)
        self.assertGreater(sum(rests), at_least_s)
        self.assertGreater(rested_s(batches), sum(rests) - MOMENT_S * (len(rests) + 1))
        self.assertLess(rested_s(batches), sum(rests) + MOMENT_S)

    def test_a_discovery_that_nobody_begins_anew_is_no_listening(self):
        self.step("starved")
        batches = self.lines("starved")
        self.compare(batches, "starved.truth", 4)

    def test_the_rests_of_bluetoothd_are_seen_in_a_recording(self):
        self.step("rested")
        self.compare(self.lines("rested"), "rested.truth", 10)
        count, _, _ = reports_in(self.lines("rested"))["c0:11:22:33:44:01"]
        self.assertGreater(count, 100)

    def test_beside_a_program_that_lets_bluetoothd_rest_it_does_not(self):
        self.step("shared")
        self.assertLess(max(self.booted.rests(), default=0), 4)
        self.assertEqual(reports_in(self.lines("shared")), self.booted.reports())
