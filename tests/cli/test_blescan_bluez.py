"""blescan as a client of bluetoothd: a fake org.bluez on a private bus, for faults and for what is rare."""
import collections
import datetime
import hashlib
import json
import os
import signal
import tempfile
import time

from harness import Notify, wait_until
from harness.bluez import BEACON, HCI0, HCI1, FakeBluez, LiveTest, SystemBus


class Start(LiveTest):
    def test_without_a_bus(self):
        err = self.ends(69, env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
        self.assertIn("D-Bus", err)

    def test_without_bluetoothd(self):
        self.assertIn("systemctl start bluetooth", self.ends(69))

    def test_without_an_adapter(self):
        self.enterContext(FakeBluez(self.bus)).do("own")
        self.assertIn("rfkill list", self.ends(69))

    def test_wrong_adapter_lists_those_there(self):
        self.fake(("hci0", HCI0), ("hci1", HCI1))
        err = self.ends(69, "--adapter", "hci7")
        self.assertIn("hci7", err)
        self.assertIn(f"hci0 ({HCI0}), hci1 ({HCI1})", err)

    def test_more_adapters_than_there_are(self):
        self.fake()
        self.assertIn("no adapter any", self.ends(69, "--adapter", "hci0", "--adapter", "any"))

    def test_without_the_right(self):
        fake = self.fake()
        fake.do("fail", method="StartDiscovery", error="org.freedesktop.DBus.Error.AccessDenied")
        self.assertIn("group bluetooth", self.ends(77))

    def test_sets_the_filter_powers_on_and_stops_politely(self):
        fake = self.fake(powered=False)
        tool = self.scan("--each")
        tool.wait_err("scanning hci0")
        path = "/org/bluez/hci0"
        wanted = [[path, "Set", ["Powered", "1"]],
                  [path, "SetDiscoveryFilter", ["DuplicateData=1", "Transport=le"]], [path, "StartDiscovery", []]]
        self.assertEqual([call for call in fake.do("calls") if call[0] == path], wanted)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0)
        fake.wait_calls("StopDiscovery")

    def test_adapter_by_address(self):
        fake = self.fake(("hci0", HCI0), ("hci1", HCI1))
        self.scan("--adapter", HCI1.lower()).wait_err("scanning hci1")
        self.assertEqual([path for path, method, _ in fake.do("calls") if method == "StartDiscovery"], ["/org/bluez/hci1"])

    def test_ready_when_scanning(self):
        notify = self.enterContext(Notify())
        fake = self.fake()
        fake.do("fail", method="StartDiscovery", error="org.bluez.Error.InProgress")
        tool = self.scan(env=notify.env)
        self.assertEqual(notify.message(), f"READY=1\nSTATUS=scanning hci0 ({HCI0})")
        self.assertIn("trying again", tool.err)

    def test_options_of_captures_and_of_radios_do_not_mix(self):
        self.assertIn("--replay", self.ends(64, "--speed", "2"))
        self.assertIn("--adapter", self.ends(64, "--replay", "-", "--adapter", "hci0"))


class Reports(LiveTest):
    def test_each_signal_is_a_line(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning")
        first = self.hear(fake, tool, ManufacturerData={"76": "0215aabb"}, UUIDs=["0000feaa-0000-1000-8000-00805f9b34fb"],
                          ServiceData={"0000feaa-0000-1000-8000-00805f9b34fb": "10ee"}, Name="tag", TxPower=-7)
        self.assertEqual((first["address"], first["address_type"], first["event_type"], first["rssi"]),
                         (BEACON, "random", None, -60))
        self.assertEqual(first["data"], "0303aafe" "0409746167" "020af9" "07ff4c000215aabb" "0516aafe10ee")
        again = self.hear(fake, tool, RSSI=-71, ManufacturerData={"76": "02"})
        self.assertEqual((again["rssi"], again["data"]), (-71, "0303aafe" "0409746167" "020af9" "04ff4c0002" "0516aafe10ee"))
        self.assertIsNone(self.hear(fake, tool, RSSI=127)["rssi"])

    def test_batches(self):
        fake = self.fake()
        tool = self.scan("--window", "0.5", "--interval", "0", "--detail", "--addresses", "--device-id", "scanner-1")
        tool.wait_err("scanning hci0")
        empty = json.loads(tool.line())
        self.assertEqual((empty["detections"], empty["window_ms"], empty["seq"]), ([], 500, 0))
        self.assertIn(empty["clock"], ("synced", "unsynced"))
        fake.do("heard", adapter="hci0", address=BEACON, RSSI=-50)
        found = wait_until(lambda: json.loads(tool.line())["detections"], "a detection")
        self.assertEqual(found[0]["device_hash"], hashlib.sha256(BEACON.replace(":", "").upper().encode()).hexdigest())
        self.assertEqual((found[0]["adapters"], found[0]["address"]), (["hci0"], BEACON))
        self.assertEqual(tool.err.count("hashed without a key"), 1)

    def test_a_reader_that_leaves_a_radios_batches_is_a_failure(self):
        fake = self.fake()
        for words, code in ((["--window", "0.5", "--interval", "0"], 74), (["--each"], 0)):
            tool = self.scan(*words)
            tool.wait_err("scanning hci0")
            tool.process.stdout.close()
            wait_until(lambda t=tool: fake.do("heard", adapter="hci0", address=BEACON, RSSI=-50) or not t.running(), "its end")
            self.assertEqual(tool.wait(), code)

    def test_a_report_that_comes_with_the_start_is_in_the_first_window(self):
        fake = self.fake()
        fake.do("silence", method="StartDiscovery")
        tool = self.scan("--window", "0.5", "--interval", "0")
        fake.wait_calls("StartDiscovery")
        tool.signal(signal.SIGSTOP)
        fake.do("answer")
        fake.do("heard", adapter="hci0", address=BEACON, RSSI=-50)
        tool.signal(signal.SIGCONT)
        batch = wait_until(lambda: (read := json.loads(tool.line()))["detections"] and read, "a detection")
        end, heard = (datetime.datetime.fromisoformat(at["timestamp"].replace("Z", "+00:00")) for at in (batch, *batch["detections"]))
        self.assertTrue(end - datetime.timedelta(milliseconds=500) <= heard <= end, batch)

    def test_what_was_heard_before_is_no_report(self):
        fake = self.fake(own=False)
        fake.do("heard", adapter="hci0", address="c0:00:00:00:00:99", RSSI=-50, Name="n")
        fake.do("own")
        tool = self.scan("--each")
        tool.wait_err("scanning")
        self.assertEqual(self.hear(fake, tool)["address"], BEACON)
        # When it is heard, all is known that it has said before; what is no advertisement is no report.
        fake.do("change", path="/org/bluez/hci0/dev_C0_00_00_00_00_99", Connected=True)
        self.hear(fake, tool)
        got = self.hear(fake, tool, address="c0:00:00:00:00:99", RSSI=-51)
        self.assertEqual((got["address"], got["rssi"], got["data"]), ("c0:00:00:00:00:99", -51, "02096e"))
        self.assertEqual(self.hear(fake, tool)["address"], BEACON)

    def test_wrong_types_are_skipped(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning")
        fake.do("heard", adapter="hci0", address=BEACON, RSSI={"wrong": "loud"}, ManufacturerData={"wrong": 1})
        got = self.hear(fake, tool, RSSI=-61, UUIDs={"wrong": 2}, Name="n", ServiceData={"nonsense": "00"})
        self.assertEqual((got["rssi"], got["data"]), (-61, "02096e"))

    def test_two_adapters_in_one_stream(self):
        fake = self.fake(("hci0", HCI0), ("hci1", HCI1))
        tool = self.scan("--adapter", "hci0", "--adapter", "hci1", "--window", "1", "--interval", "0", "--detail")
        tool.wait_err("scanning hci0")
        tool.wait_err("scanning hci1")

        def both():
            fake.do("heard", adapter="hci0", address=BEACON, RSSI=-50)
            fake.do("heard", adapter="hci1", address=BEACON, RSSI=-70)
            found = json.loads(tool.line())["detections"]
            return found and found[0]["adapters"] == ["hci0", "hci1"] and found[0]
        got = wait_until(both, "a detection by both adapters")
        self.assertEqual((got["rssi_min"], got["rssi_max"]), (-70, -50))

    def test_a_hundred_thousand_addresses_take_bounded_memory(self):
        fake = self.fake()
        freed_is_free = {"ASAN_OPTIONS": "quarantine_size_mb=1"}  # else the sanitizer keeps freed memory
        tool = self.scan("--each", stdout=None, env=freed_is_free)
        tool.wait_err("scanning")
        step, before = 2000, None
        for first in range(0, 100_000, step):  # in steps: what stands in the bus is no memory of devices
            fake.do("flood", adapter="hci0", first=first, count=step)
            wait_until(lambda: tool.stats()["in"] == first + step, "reports of all addresses")
            if first + step == 10_000:
                before = tool.peak_memory()
        self.assertLess(tool.peak_memory() - before, 4_000_000)


class Changes(LiveTest):
    def test_bluetoothd_restarts(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning")
        self.hear(fake, tool)
        fake.__exit__()
        tool.wait_err("bluetoothd is gone")
        again = self.fake(own=False)
        again.do("own")
        again.wait_calls("StartDiscovery")
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")
        self.assertEqual(self.hear(again, tool, RSSI=-44)["rssi"], -44)

    def test_bluetoothd_has_its_adapter_later(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning")
        fake.__exit__()
        tool.wait_err("bluetoothd is gone")
        again = self.enterContext(FakeBluez(self.bus))
        again.do("own")
        again.wait_calls("GetManagedObjects")
        again.do("adapter", name="hci0", address=HCI0)
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")

    def test_no_batch_of_the_time_when_nobody_listens(self):
        fake, tool = self.fake(), self.scan("--window", "0.5", "--interval", "0", "--device-id", "scanner-1")
        batches = [json.loads(tool.line())]
        fake.__exit__()
        tool.wait_err("bluetoothd is gone")
        between = time.time()
        self.fake()
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")
        batches += [json.loads(tool.line()), json.loads(tool.line())]
        tool.signal(signal.SIGTERM)
        batches += [json.loads(line) for line in tool.lines()]
        self.assertEqual(tool.wait(), 0)
        ends = [datetime.datetime.fromisoformat(b["timestamp"].replace("Z", "+00:00")).timestamp() for b in batches]
        self.assertEqual(ends, sorted(ends))
        self.assertGreater(ends[-1], between)
        for batch, end in zip(batches, ends):
            start = end - batch["window_ms"] / 1000
            self.assertFalse(start + 0.002 < between < end - 0.002, batch)

    def test_a_window_that_is_cut_is_as_long_as_it_was_heard(self):
        fake, tool = self.fake(), self.scan("--window", "30", "--interval", "0")
        tool.wait_err("scanning")
        time.sleep(0.7)
        fake.do("remove", path="/org/bluez/hci0")
        self.assertGreaterEqual(json.loads(tool.line())["window_ms"], 600)

    def test_the_bus_dies(self):
        self.fake()
        tool = self.scan("--each")
        tool.wait_err("scanning")
        self.bus.kill()
        self.assertEqual(tool.wait(), 69, tool.err)
        self.assertIn("D-Bus", tool.err)

    def test_adapter_comes_back_under_another_name(self):
        fake, tool = self.fake(), self.scan("--each", "--adapter", "hci0")
        tool.wait_err("scanning hci0")
        self.hear(fake, tool)
        fake.do("remove", path="/org/bluez/hci0")
        tool.wait_err("hci0 (00:11:22:33:44:55) is gone")
        fake.do("adapter", name="hci3", address=HCI0)
        tool.wait_err("scanning hci3")
        self.assertEqual(self.hear(fake, tool, adapter="hci3")["address"], BEACON)

    def test_any_takes_another_adapter(self):
        fake, tool = self.fake(("hci0", HCI0), ("hci1", HCI1)), self.scan("--each")
        tool.wait_err("scanning hci0")
        fake.do("remove", path="/org/bluez/hci0")
        tool.wait_err("scanning hci1")

    def test_switched_off_by_others(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning")
        fake.do("change", path="/org/bluez/hci0", Powered=False, Discovering=False)
        tool.wait_err("was switched off")
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")
        self.assertIn(["/org/bluez/hci0", "Set", ["Powered", "1"]], fake.do("calls"))

    def test_not_ready_and_in_progress_are_tried_again(self):
        for error in ("NotReady", "InProgress"):
            with self.subTest(error):
                bus = self.bus = self.enterContext(SystemBus())
                self.assertTrue(bus.env)
                fake = self.fake()
                fake.do("fail", method="StartDiscovery", error=f"org.bluez.Error.{error}")
                tool = self.scan("--each")
                tool.wait_err("does not scan")
                tool.wait_err("scanning hci0")
                self.assertEqual(fake.methods().count("StartDiscovery"), 2)

    def test_discovery_that_bluetoothd_has_begun_for_others_serves(self):
        fake = self.fake()
        fake.do("change", path="/org/bluez/hci0", Discovering=True)
        fake.do("fail", method="StartDiscovery", error="org.bluez.Error.InProgress", times=1000)
        tool = self.scan("--each")
        tool.wait_err("scanning hci0")
        self.hear(fake, tool)
        self.assertEqual(fake.methods().count("StartDiscovery"), 1)
        fake.do("fail", method="StartDiscovery", error="org.bluez.Error.InProgress")
        fake.do("change", path="/org/bluez/hci0", Discovering=False)
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the scan of its own")
        self.assertEqual(fake.methods().count("StartDiscovery"), 3)


class Passive(LiveTest):
    def setUp(self):
        super().setUp()
        self.bluez = self.fake()

    def scan_passively(self, *argv, **experimental):
        self.bluez.do("experimental", **experimental)
        tool = self.scan("--passive", *argv)
        tool.wait_err("scanning hci0")
        return tool

    def hear_passively(self, tool):
        self.bluez.do("heard", adapter="hci0", address=BEACON, RSSI=-60)
        self.bluez.do("found", adapter="hci0", address=BEACON, by=[0])
        self.assertEqual(json.loads(tool.line())["address"], BEACON)

    def patterns(self):
        """Of each monitor that was registered."""
        return [patterns for _, method, patterns in self.bluez.do("calls") if method == "Patterns"]

    def wait_active(self):
        self.bluez.wait_calls("Patterns")

    def test_each_report_that_a_monitor_finds_is_a_line(self):
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("heard", adapter="hci0", address=BEACON, RSSI=-60, ManufacturerData={"76": "02"})
        self.bluez.do("found", adapter="hci0", address=BEACON, by=[0])
        first = json.loads(tool.line())
        self.assertEqual((first["address"], first["rssi"], first["data"]), (BEACON, -60, "04ff4c0002"))
        # Several monitors that find the same report, and the next report without any news; heard at once on any computer.
        tool.signal(signal.SIGSTOP)
        self.bluez.do("heard", adapter="hci0", address=BEACON, ManufacturerData={"76": "03"})
        self.bluez.do("found", adapter="hci0", address=BEACON, by=[0, 1, 3])
        self.bluez.do("found", adapter="hci0", address=BEACON, by=[0, 1, 3])
        self.bluez.do("found", adapter="hci0", address="c0:00:00:00:00:99", by=[0])
        self.bluez.do("heard", adapter="hci0", address="c0:00:00:00:00:98", RSSI=-50)
        self.bluez.do("found", adapter="hci0", address="c0:00:00:00:00:98", by=[1])
        tool.signal(signal.SIGCONT)
        got = [json.loads(tool.line()) for _ in range(3)]
        self.assertEqual([(line["address"], line["rssi"], line["data"]) for line in got],
                         [(BEACON, -60, "04ff4c0003"), (BEACON, -60, "04ff4c0003"), ("c0:00:00:00:00:98", -50, "")])
        self.assertNotIn("StartDiscovery", self.bluez.methods())
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0)
        self.bluez.wait_calls("UnregisterMonitor")

    def test_discovery_of_others_may_end(self):
        tool = self.scan_passively("--each")
        self.wait_active()
        for discovering in (True, False):
            self.bluez.do("change", path="/org/bluez/hci0", Discovering=discovering)
        self.hear_passively(tool)
        self.assertNotIn("stopped scanning", tool.err)

    def test_of_one_that_was_known_before_all_is_known(self):
        self.bluez.do("heard", adapter="hci0", address=BEACON, RSSI=-50, Name="n")
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("found", adapter="hci0", address=BEACON, by=[0])
        got = json.loads(tool.line())
        self.assertEqual((got["address"], got["rssi"], got["data"]), (BEACON, -50, "02096e"))
        self.assertNotIn("GetAll", self.bluez.methods())

    def scan_of_version(self, version):
        """A passive scan, by what says that it is a bluetoothd of that version."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        with open(os.path.join(folder, "bluetoothd"), "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o755)) as script:
            script.write(f"#!/bin/sh\necho {version}\n")
        self.bluez.do("experimental")
        tool = self.scan("--passive", env={"PATH": f"{folder}:{os.environ['PATH']}"})
        tool.wait_err("scanning hci0")
        self.wait_active()
        return tool

    def check_patterns(self, *usual):
        monitors = self.patterns()
        self.assertLess(len(monitors), 32)
        self.assertLessEqual(max(map(len, monitors)), 7)
        patterns = [pattern for monitor in monitors for pattern in monitor]
        self.assertEqual(len(set(patterns)), len(patterns))
        for pattern in ("01@0:06", "01@0:1a", "ff@1:00", "ff@1:04", *usual):
            self.assertIn(pattern, patterns)

    def test_bluetoothd_can_bear_the_patterns(self):
        tool = self.scan_of_version("5.66")
        self.check_patterns("16@1:fe", "03@1:18", "07@9:40")
        self.assertNotIn("hears no advertiser", tool.err)

    def test_one_that_takes_advertisements_apart_has_others_and_is_warned_of(self):
        for version in ("5.69", "5.82", "6.0", ""):
            with self.subTest(version):
                self.setUp()
                tool = self.scan_of_version(version)
                self.check_patterns("16@0:00", "16@0:af")
                self.assertRegex(tool.err, rf"bluetoothd ?{version}, scanning passively, hears no advertiser .*--source monitor")

    def test_without_advertisement_monitors(self):
        err = self.ends(69, "--passive")
        for text in ("advertisement monitors", "Experimental = true", "/etc/bluetooth/main.conf", "without --passive"):
            self.assertIn(text, err)
        self.assertNotIn("StartDiscovery", self.bluez.methods())

    def test_a_controller_that_looks_for_patterns_itself(self):
        self.bluez.do("experimental", features=["controller-patterns"])
        self.assertIn("only once; scan without --passive", self.ends(69, "--passive"))

    def test_monitors_that_are_refused(self):
        tool = self.scan_passively(refused=2)
        tool.wait_err("does not accept all advertisement monitors")
        self.assertTrue(tool.running())
        self.bluez.do("experimental", refused=1000)
        self.assertIn("accepts no advertisement monitor", self.ends(69, "--passive"))
        self.assertEqual(tool.err.count("does not accept"), 1)

    def test_monitors_that_are_refused_once_are_tried_again(self):
        self.bluez.do("experimental", refused=1000)
        tool = self.scan("--passive", "--each")
        self.bluez.wait_calls("Patterns")  # as soon as they are known they are refused
        self.bluez.do("experimental")
        tool.wait_err("scanning hci0")
        self.assertEqual(self.bluez.methods().count("RegisterMonitor"), 2)
        self.hear_passively(tool)

    def test_a_monitor_that_others_remove_is_registered_again(self):
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("drop")
        tool.wait_err("has lost an advertisement monitor")
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")
        self.assertEqual([m for m in self.bluez.methods() if m.endswith("Monitor")],
                         ["RegisterMonitor", "UnregisterMonitor", "RegisterMonitor"])

    def test_reports_of_one_device_by_different_monitors(self):
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("heard", adapter="hci0", address=BEACON, RSSI=-60)
        for by in (0, 1):
            self.bluez.do("found", adapter="hci0", address=BEACON, by=[by])
            self.assertEqual(json.loads(tool.line())["address"], BEACON)
            time.sleep(0.1)  # what comes at once is one report

    def test_strangers_are_asked_about(self):
        addresses = [f"c0:00:00:00:01:{i:02x}" for i in range(100)]
        tool = self.scan_passively("--each")
        self.wait_active()
        for address in addresses:
            self.bluez.do("heard", adapter="hci0", address=address, quiet=True, RSSI=-50, ManufacturerData={"76": "02"})
            self.bluez.do("found", adapter="hci0", address=address, by=[0])
            self.bluez.do("found", adapter="hci0", address=address, by=[0])
        lines = [json.loads(tool.line()) for _ in range(2 * len(addresses))]
        self.assertEqual(collections.Counter(line["address"] for line in lines), {address: 2 for address in addresses})
        self.assertEqual({(line["rssi"], line["data"]) for line in lines}, {(-50, "04ff4c0002")})

    def test_strangers_that_cannot_be_asked_about_are_counted(self):
        self.bluez.do("silence", method="GetAll")
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("heard", adapter="hci0", address="c0:00:00:00:01:00", quiet=True, RSSI=-50)
        self.bluez.do("found", adapter="hci0", address="c0:00:00:00:01:00", by=[0] * 5000)
        self.hear_passively(tool)
        self.assertEqual(tool.stats()["dropped"], 5000 - 16 - 4096)  # asked about, and waiting

    def test_questions_do_not_pile_up(self):
        self.bluez.do("silence", method="GetAll")
        tool = self.scan_passively("--each")
        self.wait_active()
        for i in range(100):
            address = f"c0:00:00:00:01:{i:02x}"
            self.bluez.do("heard", adapter="hci0", address=address, quiet=True, RSSI=-50)
            self.bluez.do("found", adapter="hci0", address=address, by=[0])
        self.hear_passively(tool)
        self.assertLessEqual(self.bluez.methods().count("GetAll"), 16)

    def test_switched_off_by_others(self):
        tool = self.scan_passively("--each")
        self.wait_active()
        self.bluez.do("change", path="/org/bluez/hci0", Powered=False)
        tool.wait_err("was switched off")
        wait_until(lambda: tool.err.count("scanning hci0") == 2, "the second scan")
        self.assertEqual([m for m in self.bluez.methods() if m.endswith("Monitor")],
                         ["RegisterMonitor", "UnregisterMonitor", "RegisterMonitor"])

    def test_monitors_that_are_there_already_are_taken_back(self):
        self.bluez.do("experimental")
        self.bluez.do("fail", method="RegisterMonitor", error="org.bluez.Error.AlreadyExists")
        self.scan("--passive").wait_err("scanning hci0")
        self.assertEqual([m for m in self.bluez.methods() if m.endswith("Monitor")],
                         ["RegisterMonitor", "UnregisterMonitor", "RegisterMonitor"])

    def test_an_empty_room_is_asked_by_its_power(self):
        tool = self.scan_passively("--watchdog", "0.2")
        self.bluez.wait_calls("RegisterMonitor", 5)  # the first, two restarts, two power cycles
        powers = [arguments for _, method, arguments in self.bluez.do("calls") if method == "Set"]
        self.assertEqual(powers, [["Powered", "0"], ["Powered", "1"]] * 2)
        self.assertIn("restarting the passive scan", tool.err)
        self.assertTrue(tool.running())

    def test_a_late_answer_does_not_end_a_power_cycle(self):
        tool = self.scan_passively("--watchdog", "0.2")
        tool.wait_err("restarting the passive scan")
        self.bluez.do("fail", method="RegisterMonitor", error="org.bluez.Error.AlreadyExists")
        tool.wait_err("switching it off and on")
        self.bluez.do("fail", method="RegisterMonitor", error="org.bluez.Error.AlreadyExists")
        self.bluez.wait_calls("RegisterMonitor", 7)
        self.assertTrue(tool.running())


class Watchdog(LiveTest):
    def test_an_empty_room_is_power_cycled_once(self):
        fake, tool = self.fake(), self.scan("--each", "--watchdog", "0.2")
        fake.wait_calls("StartDiscovery", 6)  # the first, two restarts, the power cycle, two restarts more
        powers = [arguments for _, method, arguments in fake.do("calls") if method == "Set"]
        self.assertEqual(powers, [["Powered", "0"], ["Powered", "1"]])
        self.assertIn("answers and scans", tool.err)
        self.assertTrue(tool.running())

    def test_an_adapter_that_does_not_answer_is_given_up(self):
        fake, tool = self.fake(), self.scan("--each", "--watchdog", "0.5")
        tool.wait_err("scanning")
        fake.do("fail", method="StartDiscovery", error="org.bluez.Error.Failed", times=1000)
        self.assertEqual(tool.wait(), 69, tool.err)
        steps = ["restarting discovery", "does not scan: Failed", "switching it off and on", "not even after a power cycle"]
        self.assertEqual(sorted(steps, key=tool.err.index), steps)

    def test_off(self):
        fake, tool = self.fake(), self.scan("--window", "0.3", "--interval", "0", "--watchdog", "0", "--count", "5")
        self.assertEqual(tool.wait(), 0)
        self.assertEqual(fake.methods().count("StartDiscovery"), 1)
        self.assertEqual(len(tool.lines()), 5)
