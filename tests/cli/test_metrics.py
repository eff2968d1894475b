"""What the tools measure beside their counters: how new what they handed on is, each Pi at the backend, the radio."""
import itertools
import json
import pathlib
import signal
import tempfile
import time
import unittest

from harness import Broker, DEADLINE_S, FolderTest, HttpServer, Tool, make_batches, source_path
from harness.bluez import LiveTest
from harness.metrics import promtool, read_metrics

NEWEST = 1795305601.9  # the end of the second batch's window: 2026-11-22T00:00:01.900Z


def value(text, name, **labels):
    """None: the metric is not there."""
    return read_metrics(text).get((name, frozenset(labels.items())))


class Newest(FolderTest):
    """The second of two batches is the newest, although the first one's clock was ahead; a gap line changes nothing."""

    def setUp(self):
        super().setUp()
        self.path = self.folder / "m.prom"
        ahead, second = make_batches(2)
        ahead = ahead.replace("2026-11-22T00:00:00.900Z", "2099-01-01T00:00:00Z")
        gap = '{"format":1,"device_id":"pi-test","run_id":"00000000000000ab","gap":{"from_seq":2,"to_seq":4,"reason":"buffer_full"}}'
        self.lines = [ahead, second, gap]
        self.input = "".join(line + "\n" for line in self.lines)

    def told(self, name="newest_window_timestamp_seconds", **labels):
        return value(self.path.read_text(encoding="utf-8"), name, **labels)

    def ended(self, name, *words, text=None, **options):
        tool = self.enterContext(Tool(name, *words, "--metrics", self.path, cwd=self.folder, **options))
        tool.write(text or self.input)
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        return tool

    def test_of_blesend_it_was_delivered(self):
        with HttpServer() as server:
            self.ended("blesend", "--mode", "http", "--url", server.url)
        self.assertEqual(self.told(), NEWEST)

    def test_of_blesub_it_was_consumed(self):
        with Broker() as broker:
            broker.keep("tfg/#")
            with Tool("blesub", "--broker", "127.0.0.1", "--port", broker.port, "--metrics", self.path, "--count", "3") as tool:
                tool.wait_err("subscribed")
                with Tool("blesend", "--mode", "mqtt", "--broker", "127.0.0.1", "--port", broker.port) as sender:
                    sender.write(self.input)
                    sender.close_stdin()
                    self.assertEqual(sender.wait(), 0, sender.err)
                tool.lines()
                self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.told(), NEWEST)

    def test_of_blerecv_it_was_consumed(self):
        with Tool("blerecv", "--port", "0", "--metrics", self.path, "--count", "3") as tool:
            tool.wait_err("listening on ")
            url = tool.err.split("listening on ", 1)[1].split()[0]
            with Tool("blesend", "--mode", "http", "--url", url) as sender:
                sender.write(self.input)
                sender.close_stdin()
                tool.lines()
                self.assertEqual(sender.wait(), 0, sender.err)
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(self.told(), NEWEST)

    def test_of_bleingest_it_was_stored_and_what_is_known_already_is_not_new(self):
        self.ended("bleingest", text=self.input + self.lines[0] + "\n")
        self.assertEqual(self.told(), NEWEST)
        self.assertEqual(self.told("device_newest_window_timestamp_seconds", device_id="pi-test"), NEWEST)

    def test_of_blews_it_was_an_event(self):
        for text in (self.input, "".join(f'{{"type":"detection_event","data":{line}}}\n' for line in self.lines[:2])):
            self.ended("blews", "--port", "0", text=text)
            self.assertEqual(self.told(), NEWEST)

    def test_events_with_times_that_are_none_pass_and_tell_nothing(self):
        odd = '{"type":"detection_event","data":{"device_id":"pi-x","timestamp":%s,"detections":[]}}\n'
        self.ended("blews", "--port", "0", text="".join(odd % time for time in ("17", "null", '"soon"', '{"a":[1]}')))
        self.assertIsNone(self.told())
        self.assertEqual(self.told("in_total"), 4)
        self.assertEqual(self.told("rejected_total"), 0)

    def test_of_blescan_it_was_written(self):
        with Tool("blescan", "--replay", source_path("examples", "sample.btsnoop"), "--metrics", self.path, "--device-id", "pi-x",
                  stdin=None) as tool:
            last = json.loads(tool.lines()[-1])["timestamp"]
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertEqual(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.told())), last[:19])


class Devices(FolderTest):
    def stored(self, *lines):
        """The metrics of a bleingest that got these lines."""
        path = self.folder / "m.prom"
        with Tool("bleingest", "--metrics", path, cwd=self.folder) as tool:
            tool.write("".join(line + "\n" for line in lines))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.err = tool.err
        text = path.read_text(encoding="utf-8")
        self.assertEqual(promtool("check", "metrics", text=text), "")
        return text

    def test_each_pi_is_told_of(self):
        name = 'pi "äöü" \\ x'
        unsynced = make_batches(1, device_id=name)[0].replace('"synced"', '"unsynced"')
        text = self.stored(*make_batches(2, device_id="pi-a"), unsynced)
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        for device, synced in (("pi-a", 1), (escaped, 0)):
            self.assertLess(abs(value(text, "device_last_received_timestamp_seconds", device_id=device) - time.time()), DEADLINE_S)
            self.assertEqual(value(text, "device_clock_synchronised", device_id=device), synced)
            self.assertEqual(value(text, "device_missing_batches_total", device_id=device), 0)
        self.assertEqual(value(text, "missing_batches_total", reason="missing"), 0)  # known from the start

    def test_a_clock_that_is_not_told_is_no_metric(self):
        text = self.stored(make_batches(1)[0].replace('"clock":"synced",', ""))
        self.assertIsNone(value(text, "device_clock_synchronised", device_id="pi-test"))
        self.assertIsNotNone(value(text, "device_last_received_timestamp_seconds", device_id="pi-test"))

    def test_what_is_missing_is_counted_by_reason_and_by_pi(self):
        gap = '{"format":1,"device_id":"pi-%s","run_id":"00000000000000ab","gap":{"from_seq":%d,"to_seq":%d,"reason":"%s"}}'
        batches = make_batches(5, device_id="pi-a")
        text = self.stored(batches[0], batches[4], gap % ("b", 0, 9, "buffer_full"), gap % ("b", 10, 10, "gremlins"),
                           gap % ("b", 11, 17, "expired"))
        for reason, count in (("missing", 3), ("buffer_full", 10), ("expired", 7), ("other", 1), ("refused", 0)):
            self.assertEqual(value(text, "missing_batches_total", reason=reason), count, reason)
        for device, count in (("pi-a", 3), ("pi-b", 18)):
            self.assertEqual(value(text, "device_missing_batches_total", device_id=device), count)
        self.assertIsNone(value(text, "device_last_received_timestamp_seconds", device_id="pi-b"))  # no batch came of it

    def test_more_than_1000_are_not_told_of_and_drive_nobody_out(self):
        batches = [make_batches(1, device_id=f"pi-{n}", detections=0)[0] for n in range(1002)]
        text = self.stored(*batches, make_batches(1, device_id="pi-0", run_id="00000000000000ac")[0])
        self.assertEqual(text.count("\nblepipe_device_last_received_timestamp_seconds{"), 1000)
        self.assertIsNotNone(value(text, "device_last_received_timestamp_seconds", device_id="pi-0"))
        self.assertIn("the metrics show 1000 Pis, and not pi-1000", self.err)
        self.assertEqual(value(text, "out_total"), 1003)

    def test_what_was_deleted_is_a_metric_where_anything_is_deleted(self):
        for words, count in (((), None), (("--retain", "30"), 0)):
            path = self.folder / "m.prom"
            with Tool("bleingest", "--metrics", path, *words, cwd=self.folder) as tool:
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(value(path.read_text(encoding="utf-8"), "expired_total"), count)


class Radio(LiveTest):
    def ended(self, tool, path):
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        return path.read_text(encoding="utf-8")

    def test_silence_is_since_the_radio_heard_something_that_tells_of_life(self):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "m.prom"
        fake = self.fake()
        tool = self.scan("--each", "--metrics", path)
        tool.wait_err("scanning hci0")
        self.hear(fake, tool, ManufacturerData={"65535": "01"})
        before = time.monotonic()
        for number in itertools.count():  # what a failing adapter makes up
            self.hear(fake, tool, address=f"c0:11:22:33:{number >> 8:02x}:{number & 255:02x}")
            if time.monotonic() > before + 0.3:
                break
        text = self.ended(tool, path)
        self.assertGreaterEqual(value(text, "radio_silence_seconds"), 0.3)
        self.assertGreater(value(text, "blank_total"), 0)

    def test_the_silence_of_a_radio_that_has_heard_something_is_short(self):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "m.prom"
        fake = self.fake()
        tool = self.scan("--each", "--metrics", path)
        tool.wait_err("scanning hci0")
        began = time.monotonic()
        while time.monotonic() < began + 0.5:  # else the silence since the start would be as short
            heard = time.monotonic()
            self.hear(fake, tool, ManufacturerData={"65535": "01"})
        text = self.ended(tool, path)
        self.assertLessEqual(value(text, "radio_silence_seconds"), time.monotonic() - heard)
        self.assertIn(value(text, "clock_synchronised"), (0, 1))
        self.assertEqual(value(text, "blank_total"), 0)
        self.assertEqual(promtool("check", "metrics", text=text), "")


if __name__ == "__main__":
    unittest.main()
