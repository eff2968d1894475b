"""systemd's watchdog and a live scan: it is fed as long as a restart of blescan would mend nothing."""
from harness import Notify, wait_until
from harness.bluez import LiveTest, MonitorChannel, SystemBus


class Watchdog(LiveTest):
    def setUp(self):
        super().setUp()
        self.notify = self.enterContext(Notify(watchdog_us=100_000))

    def scan(self, *argv, **options):
        return super().scan("--each", *argv, env=self.notify.env, **options)

    def test_it_is_fed_while_the_adapter_scans(self):
        self.fake()
        self.scan().wait_err("scanning hci0")
        self.notify.fed(10)

    def test_it_is_fed_in_an_empty_room(self):
        fake = self.fake()
        tool = self.scan("--watchdog", "0.2")
        fake.wait_calls("StartDiscovery", 6)  # also past the power cycle
        self.notify.standing()
        self.notify.fed(10)
        self.assertTrue(tool.running())

    def test_it_is_fed_while_the_adapter_is_waited_for(self):
        fake = self.fake()
        tool = self.scan("--watchdog", "0.2")
        tool.wait_err("scanning hci0")
        fake.do("remove", path="/org/bluez/hci0")
        tool.wait_err("is gone")
        self.notify.standing()
        self.notify.fed(20)  # for longer than blescan's own watchdog bears

    def hangs(self, fake, method):
        """A scan that has got no answer from bluetoothd to that call, and does not feed."""
        tool = self.scan("--watchdog", "0.2", "--stats", "0.1")
        tool.wait_err("scanning hci0")
        self.notify.fed(1)
        before = fake.methods().count(method)
        fake.do("silence", method=method)
        fake.wait_calls(method, before + 1)
        self.turns(tool, 2)  # what was in progress is told once more
        self.notify.standing()
        self.turns(tool, 10)
        self.assertEqual([said for said in self.notify.standing() if "WATCHDOG" in said], [])
        return tool

    def turns(self, tool, times):
        """Waits until it has told its counters so often: each time it could have fed the watchdog as well."""
        before = tool.err.count('"tool"')
        wait_until(lambda: tool.err.count('"tool"') >= before + times, "counters")

    def test_it_starves_when_discovery_does_not_start_again(self):
        fake = self.fake()
        tool = self.hangs(fake, "StartDiscovery")
        self.hear(fake, tool, ManufacturerData={"65535": "01"})  # and yet the adapter scans
        self.notify.fed(3)

    def test_it_starves_when_the_adapter_cannot_be_switched(self):
        self.hangs(self.fake(), "Set")


class Ladder(LiveTest):
    """What blescan's own watchdog makes of what bluetoothd answers, and of what is reported."""

    def test_a_stop_that_is_refused_does_not_keep_it_from_starting(self):
        for error in ("InProgress", "Failed", "NotReady"):
            with self.subTest(error):
                self.bus = self.enterContext(SystemBus())
                fake, tool = self.fake(), self.scan("--each", "--watchdog", "0.2")
                tool.wait_err("scanning hci0")
                fake.do("fail", method="StopDiscovery", error=f"org.bluez.Error.{error}", times=1000)
                fake.wait_calls("StartDiscovery", 3)
                methods = [method for method in fake.methods() if method.startswith(("St", "Set"))]
                self.assertEqual(methods[:8], ["SetDiscoveryFilter", "StartDiscovery"] + 2 * ["StopDiscovery", "SetDiscoveryFilter",
                                                                                             "StartDiscovery"])
                self.assertIn("starting it anyway", tool.err)
                tool.wait_err("answers and scans")

    def test_a_power_that_is_in_progress_is_no_scan(self):
        fake, tool = self.fake(), self.scan("--each", "--watchdog", "0.2")
        tool.wait_err("scanning hci0")
        fake.do("fail", method="Set", error="org.bluez.Error.InProgress", times=1000)
        self.assertEqual(tool.wait(), 69, tool.err)
        self.assertIn("not even after a power cycle", tool.err)

    def test_discovery_that_others_end_in_a_silence_is_only_started(self):
        fake, tool = self.fake(), self.scan("--each", "--watchdog", "0.8")  # its first pause is longer
        tool.wait_err("scanning hci0")
        fake.do("change", path="/org/bluez/hci0", Discovering=False)
        fake.wait_calls("StartDiscovery", 2)
        self.assertNotIn("Set", fake.methods())

    def test_a_crowd_that_falls_silent_is_asked_for_at_once(self):
        """Not after the 90 s that an empty room is borne."""
        fake, tool = self.fake(), self.scan()
        tool.wait_err("scanning hci0")
        fake.do("flood", adapter="hci0", first=0, count=300)
        tool.wait_err("no advertisement for 3 s after very many")
        fake.wait_calls("StartDiscovery", 2)
        tool.wait_err("it is checked again in 180 s")
        self.assertNotIn("Set", fake.methods())

    def haunted(self, tool, appear):
        """An address without data again and again, each a new one, are an adapter that is silent."""
        number = iter(range(1 << 24))

        def restarted():
            appear(f"c0:00:00:{(n := next(number)) >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}")
            return "restarting discovery" in tool.err
        wait_until(restarted, "the restart")
        self.assertGreater(tool.stats()["blank"], 0)

    def test_new_addresses_without_data_are_no_sign_of_life(self):
        fake, tool = self.fake(), self.scan("--each", "--watchdog", "1")
        tool.wait_err("scanning hci0")
        self.haunted(tool, lambda address: fake.do("heard", adapter="hci0", address=address, RSSI=-60))

    def test_nor_are_they_in_the_monitor_channel(self):
        self.fake()
        channel = self.enterContext(MonitorChannel())
        tool = self.scan("--each", "--watchdog", "1", "--source", "monitor", env=channel.env)
        tool.wait_err("scanning hci0")
        self.haunted(tool, channel.report)

    def test_who_is_heard_again_is_one(self):
        fake, tool = self.fake(), self.scan("--each")
        tool.wait_err("scanning hci0")
        self.hear(fake, tool)
        self.hear(fake, tool, RSSI=-61)
        self.hear(fake, tool, address="c0:11:22:33:44:02", ManufacturerData={"65535": "01"})
        stats = tool.stats()
        self.assertEqual((stats["in"], stats["blank"]), (3, 1))
