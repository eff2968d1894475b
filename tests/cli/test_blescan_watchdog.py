"""systemd's watchdog and a live scan: it is fed as long as a restart of blescan would mend nothing."""
from harness import Notify, wait_until
from harness.bluez import LiveTest


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
        self.hear(fake, tool)  # and yet the adapter scans
        self.notify.fed(3)

    def test_it_starves_when_the_adapter_cannot_be_switched(self):
        self.hangs(self.fake(), "Set")
