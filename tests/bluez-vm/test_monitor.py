"""blescan --source monitor on the real kernel and bluetoothd: each report that the controller sent, and what is recorded."""
from harness.bluez_vm import BluezTest, boot, comparable, pauses, reports_in

FEW = [
    "C0:11:22:33:44:01 random nonconn -60             1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010002C5",
    "C0:11:22:33:44:02 random ind     -50,-53,-61,-70 0201060AFF990405NN0102030405",
    "C0:11:22:33:44:02 random rsp     -51             0A09527575766954616731020AF8",
    "AA:BB:CC:DD:EE:03 public ind     -80             0201060303AAFE1116AAFE10EE026578616D706C6507686900",
    "C0:11:22:33:44:04 random nonconn 127,-75         0B16D2FC40NN64025C090345",
]
MANY = [f"C0:00:00:00:{i // 256:02X}:{i % 256:02X} random nonconn {-40 - i % 50},{-41 - i % 50} 020106" for i in range(200)]

SCAN = "--source monitor --window 1 --interval 0 --detail --addresses"
EXACT = f"""
scan exact {SCAN} --record /out/exact.btsnoop
until_heard exact
finish exact
"""
# Over several of bluetoothd's discoveries, of 10 s each: it may rest between them.
LONG = f"""
new_controller many.truth "-i 100 -n 650" /etc/few
scan long {SCAN}
until_heard long
finish long
"""
REPLAY = "blescan --replay /out/exact.btsnoop --window 1 --detail --addresses"
# Short floods: the kernel ends a discovery after 10 s, and a bluetoothd that is out of breath may not hear of it.
MANY_STEP = f"""
new_controller exact.truth "-i 100 -n 20" /etc/many
scan many {SCAN}
until_heard many
finish many
"""
EACH = """
new_controller long.truth "-i 50 -n 100" /etc/few
blescan --source monitor --each -n 20 >/out/each.lines
"""
FULL = f"""
new_controller each.truth "-i 50 -n 40"
mkdir /tmp/small
mount -t tmpfs -o size=8k tmp /tmp/small
scan full {SCAN} --record /tmp/small/full.btsnoop
until_heard full
cp /tmp/small/full.btsnoop /out
finish full
"""
STALLED = """
new_controller full.truth "-i 1" /etc/many
scan stalled --source monitor --window 1 --interval 0 --metrics /out/metrics
until_true 60 has_sent 1000
kill -STOP "$(cat /run/stalled)"
until_true 90 has_sent 25000
empty_room
kill -CONT "$(cat /run/stalled)"
until_true 60 last_is_empty /out/stalled.lines
finish stalled
"""
# Whatever goes and comes back while it records.
RESTARTS = f"""
new_controller stalled.truth "-i 50" /etc/few
scan restarts {SCAN} --record /out/restarts.btsnoop
hears restarts 1
until_true 60 hears_somebody restarts
stop_bluetoothd
until_true 60 said restarts 'hci0 .* is gone' 1
start_bluetoothd
until_true 60 said restarts 'scanning hci0' 2
hears restarts 1
until_true 60 hears_somebody restarts
kill -9 "$(cat /run/bluetoothd.pid)"
until_true 60 said restarts 'bluetoothd is gone' 1
start_bluetoothd
until_true 60 said restarts 'scanning hci0' 3
hears restarts 1
until_true 60 hears_somebody restarts
stop_controller
until_true 60 said restarts 'hci0 .* is gone' 2
start_controller
until_true 60 said restarts 'scanning hci0' 4
hears restarts 1
until_true 60 last_has restarts c0:11:22:33:44:01 c0:11:22:33:44:02 aa:bb:cc:dd:ee:03 c0:11:22:33:44:04
finish restarts
blescan --replay /out/restarts.btsnoop --window 1 --detail --addresses
"""
FORBIDDEN = "su nobody -s /bin/sh -c 'exec /app/blescan --source monitor'"


class Monitor(BluezTest):
    @classmethod
    def setUpClass(cls):
        files = {"/etc/many": "\n".join(MANY), "/etc/few": "\n".join(FEW),
                 "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"}
        steps = [("exact", EXACT), ("replay", REPLAY), ("many", MANY_STEP), ("long", LONG), ("each", EACH), ("full", FULL), ("stalled", STALLED),
                 ("restarts", RESTARTS), ("forbidden", FORBIDDEN)]
        cls.booted = boot(steps, FEW, controller="-i 50 -n 40", files=files)

    def test_counts_and_rssi_are_those_of_the_controller(self):
        self.step("exact")
        self.assertEqual(reports_in(self.lines("exact")), self.booted.reports("exact.truth"))

    def test_2000_reports_a_second_of_200_advertisers_are_all_seen(self):
        self.step("many")
        self.assertNotIn("lost", self.said("many"))
        self.assertEqual(len(self.booted.sent("many.truth")), 4000)
        self.assertEqual(reports_in(self.lines("many")), self.booted.reports("many.truth"))

    def test_it_is_never_off_the_air_for_more_than_a_minute(self):
        self.step("long")
        self.assertGreater(self.booted.sent("long.truth")[-1].seconds - self.booted.sent("long.truth")[0].seconds, 60)
        self.assertEqual(reports_in(self.lines("long")), self.booted.reports("long.truth"))

    def test_a_replay_of_the_recording_gives_the_same_batches(self):
        self.assertEqual(comparable(self.step("replay").out), comparable(self.booted.files["exact.lines"]))

    def test_each_report_is_a_line_at_once(self):
        self.step("each")
        lines = self.lines("each")
        sent = self.booted.sent("each.truth")[:20]
        self.assertEqual([(line["address"], line["rssi"]) for line in lines],
                         [(s.address, None if s.rssi == 127 else s.rssi) for s in sent])

    def test_a_full_disk_ends_the_recording_not_the_scan(self):
        self.step("full", 74)
        self.assertIn("No space left on device; the recording ends here, the scan goes on", self.said("full"))
        self.assertEqual(reports_in(self.lines("full")), self.booted.reports("full.truth"))
        self.assertLessEqual(len(self.booted.files["full.btsnoop"]), 8192)

    def test_what_was_not_read_in_time_is_counted(self):
        self.step("stalled")
        self.assertIn("Bluetooth packets lost", self.said("stalled"))
        metrics = dict(line.rsplit(" ", 1) for line in self.booted.files["metrics"].decode().splitlines() if line[:1] != "#")
        heard = int(metrics['blepipe_in_total{tool="blescan",instance="metrics"}'])
        lost = int(metrics['blepipe_dropped_total{tool="blescan",instance="metrics"}'])
        sent = len(self.booted.sent("stalled.truth"))
        self.assertLess(heard, sent)
        self.assertGreaterEqual(heard + lost, sent)

    def test_whatever_goes_and_comes_back_is_scanned_and_recorded_again(self):
        replayed = self.step("restarts").out
        batches = self.lines("restarts")
        self.assertEqual(len(pauses(batches)), 3)  # nobody listened while it was gone
        self.assertEqual(set(reports_in(batches[pauses(batches)[-1]:])), set(self.booted.truth()))
        self.assertEqual(comparable(replayed), comparable(self.booted.files["restarts.lines"]))

    def test_without_the_capability_it_says_which(self):
        err = self.step("forbidden", 77).err
        for text in ("CAP_NET_RAW", "setcap", "AmbientCapabilities", "--source bluez"):
            self.assertIn(text, err)
