"""blescan --source monitor on a fake monitor channel and a fake org.bluez: what the kernel may send, and what rarely is."""
import json
import os
import random
import signal
import struct
import time

from harness import wait_until
from harness.bluez import BEACON, HCI0, HCI1, LiveTest, MonitorChannel

NOTHING = ["01@30:ff"]  # a Flags structure that nobody can send


class Channel(LiveTest):
    def setUp(self):
        super().setUp()
        self.channel = self.enterContext(MonitorChannel())

    def scan_monitor(self, *argv):
        tool = self.scan("--source", "monitor", *argv, env=self.channel.env)
        tool.wait_err("scanning hci")
        return tool

    def test_each_report_of_its_adapters_is_a_line(self):
        self.fake(("hci0", HCI0), ("hci1", HCI1))
        tool = self.scan_monitor("--each", "--adapter", "hci1")
        self.channel.report("c0:00:00:00:00:99", adapter=0)
        self.channel.report(BEACON, rssi=-71, data=b"\x02\x01\x06", adapter=1)
        line = json.loads(tool.line())
        self.assertEqual((line["address"], line["address_type"], line["event_type"], line["rssi"], line["data"]),
                         (BEACON, "random", 3, -71, "020106"))

    def test_bluetoothd_is_asked_for_reports_that_there_are_none_of(self):
        """Without a filter it would rest between discoveries; of the reports themselves it need not hear."""
        fake = self.fake()
        self.scan_monitor("--each")
        self.assertEqual([arguments for _, method, arguments in fake.do("calls") if method == "SetDiscoveryFilter"],
                         [["RSSI=20", "Transport=le"]])

    def test_two_adapters_in_one_stream(self):
        self.fake(("hci0", HCI0), ("hci1", HCI1))
        tool = self.scan_monitor("--adapter", "hci0", "--adapter", "hci1", "--window", "1", "--interval", "0", "--detail")
        tool.wait_err("scanning hci1")

        def both():
            self.channel.report(BEACON, rssi=-50, adapter=0)
            self.channel.report(BEACON, rssi=-70, adapter=1)
            found = json.loads(tool.line())["detections"]
            return found and found[0]["adapters"] == ["hci0", "hci1"] and found[0]
        got = wait_until(both, "a detection by both adapters")
        self.assertEqual((got["rssi_min"], got["rssi_max"]), (-70, -50))

    def test_it_sleeps_while_a_window_is_open_and_it_does_not_listen(self):
        """Another program's discovery has opened the window, and its own does not begin."""
        fake = self.fake()
        fake.do("silence", method="StartDiscovery")
        tool = self.scan("--source", "monitor", "--window", "0.2", "--interval", "0", env=self.channel.env)
        fake.wait_calls("StartDiscovery")
        self.channel.report(BEACON)
        wait_until(lambda: tool.stats()["in"] == 1, "the report")
        before = tool.processor_time()
        time.sleep(2)  # a loop that does not sleep uses most of it
        self.assertLess(tool.processor_time() - before, 0.5)

    def test_hostile_bytes(self):
        self.fake()
        tool = self.scan_monitor("--each")
        seed = int(os.environ.get("BLEPIPE_SEED") or random.randrange(1 << 32))
        chance = random.Random(seed)
        good = b"\x02\x01\x03\x01" + bytes(6) + b"\x03\x02\x01\x06\xc4"
        packets = [b"", b"\x03", struct.pack("<HHH", 3, 0, 65535), struct.pack("<HHH", 3, 0, 4) + b"\x3e\xff\x02\xff",
                   struct.pack("<HHH", 65535, 65535, 0), struct.pack("<HHH", 3, 0, 0)]
        for _ in range(2000):
            event = bytearray(b"\x3e" + bytes([len(good)]) + good)
            for _ in range(chance.randrange(1, 4)):
                event[chance.randrange(len(event))] = chance.randrange(256)
            event = event[:chance.randrange(len(event) + 1)] + chance.randbytes(chance.randrange(3))
            packets.append(struct.pack("<HHH", chance.randrange(20), chance.choice([0, 1, 65535]), len(event)) + event)
        for packet in packets:
            self.channel.send(packet)
        self.channel.report(BEACON, rssi=-71, data=b"\x02\x01\x06")
        line = wait_until(lambda: (line := json.loads(tool.line()))["address"] == BEACON and line, f"the good one; seed {seed}")
        self.assertEqual((line["rssi"], line["data"]), (-71, "020106"))
        self.assertGreater(tool.stats()["rejected"], 0)

    def test_a_passive_scan_is_kept_by_a_pattern_that_matches_nothing(self):
        fake = self.fake()
        fake.do("experimental")
        tool = self.scan_monitor("--each", "--passive")
        self.assertEqual([patterns for _, method, patterns in fake.do("calls") if method == "Patterns"], [NOTHING])
        self.assertNotIn("StartDiscovery", fake.methods())
        self.channel.report(BEACON)
        self.assertEqual(json.loads(tool.line())["address"], BEACON)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0)
