"""blescan: what came in parts, and what was never completed, is reported in the window in which it was heard."""
import json
import unittest

from harness.capture import T0, btsnoop, extended, legacy, replay
from harness.process import run

MORE, TRUNCATED = 0x20, 0x40
SILENT, BUSY = "c4:f7:00:00:00:01", "c4:f7:00:00:00:02"


def windows(capture):
    """For each batch: how often each address was heard."""
    batches, _ = replay("--addresses", capture=capture)
    return [{found["address"]: found for found in batch["detections"]} for batch in batches]


class Parts(unittest.TestCase):
    def test_beginnings_that_are_never_completed_are_each_reported_in_their_window(self):
        records = []
        for i in range(600):
            records.append((T0 + i / 10, extended(bytes(range(20)), SILENT, kind=MORE)))
            if i % 10 == 0:
                records.append((T0 + i / 10 + 0.005, legacy(b"\x02\x01\x06", BUSY)))
        capture = btsnoop(records)
        lines, _ = replay("--each", capture=capture)
        silent = [line for line in lines if line["address"] == SILENT]
        self.assertEqual(600, len(silent))
        self.assertEqual({TRUNCATED}, {line["event_type"] for line in silent})
        for heard in windows(capture)[:5]:
            self.assertEqual(100, heard[SILENT]["count"])

    def test_a_lost_rest_does_not_take_its_beginning_out_of_its_window(self):
        for events_afterwards in (True, False):
            with self.subTest(events_afterwards=events_afterwards):
                records = [(T0, legacy(b"\x02\x01\x06", BUSY)), (T0 + 0.001, extended(b"\x02", SILENT, kind=MORE))]
                if events_afterwards:
                    records += [(T0 + 5 * i, legacy(b"\x02\x01\x06", BUSY)) for i in range(1, 12)]
                heard = windows(btsnoop(records))
                self.assertEqual("2023-11-14T22:13:20.001Z", heard[0][SILENT]["timestamp"])
                self.assertFalse([later for later in heard[1:] if SILENT in later])

    def test_a_part_that_waits_while_its_window_ends_is_reported_in_it(self):
        """Whatever makes an end of its waiting: time, the same beginning anew, too many that wait."""
        def ends(*later):
            return btsnoop([(T0, legacy(b"\x02\x01\x06", BUSY)), (T0 + 9.95, extended(b"\x02", SILENT, kind=MORE)),
                            (T0 + 10.01, legacy(b"\x02\x01\x06", BUSY)), *later, (T0 + 10.5, legacy(b"\x02\x01\x06", BUSY))])
        crowd = [(T0 + 10.02, extended(b"\x02", f"c4:f7:00:00:01:{i:02x}", kind=MORE)) for i in range(64)]
        for name, capture, counts in (("time", ends(), [1, 0]),
                                      ("begins anew", ends((T0 + 10.02, extended(b"\x02", SILENT, kind=MORE))), [1, 1]),
                                      ("a crowd", ends(*crowd), [1, 0])):
            for speed in ("max", "20"):
                with self.subTest(name, speed=speed):
                    batches, _ = replay("--addresses", "--speed", speed, capture=capture)
                    heard = [{d["address"]: d for d in batch["detections"]} for batch in batches]
                    self.assertEqual(counts, [window[SILENT]["count"] if SILENT in window else 0 for window in heard])
                    self.assertEqual("2023-11-14T22:13:29.950Z", heard[0][SILENT]["timestamp"])
                    self.assertEqual((1, 2), (heard[0][BUSY]["count"], heard[1][BUSY]["count"]))

    def test_a_part_that_is_completed_in_the_next_window_is_whole_there(self):
        capture = btsnoop([(T0, legacy(b"\x02\x01\x06", BUSY)), (T0 + 9.999, extended(b"\x02\x01", SILENT, kind=MORE)),
                           (T0 + 10.0005, legacy(b"\x02\x01\x06", BUSY)), (T0 + 10.001, extended(b"\x06", SILENT)),
                           (T0 + 10.5, legacy(b"\x02\x01\x06", BUSY))])
        for speed in ("max", "20"):
            batches, _ = replay("--addresses", "--detail", "--speed", speed, capture=capture)
            found = [d for batch in batches[1:] for d in batch["detections"] if d["address"] == SILENT]
            self.assertEqual([(1, 6)], [(d["count"], d["flags"]) for d in found])
            self.assertEqual([BUSY], [d["address"] for d in batches[0]["detections"]])

    def test_the_last_window_is_as_long_as_the_capture_though_a_part_waits(self):
        capture = btsnoop([(T0, legacy(b"\x02\x01\x06", BUSY)), (T0 + 3, extended(b"\x02", SILENT, kind=MORE)),
                           (T0 + 3.05, b"\x04\x0e\x04\x01\x03\x0c\x00")])
        batches, _ = replay(capture=capture)
        self.assertEqual([3050], [batch["window_ms"] for batch in batches])

    def test_an_rssi_that_is_none_is_in_no_batch_and_null_in_a_line(self):
        records = [(T0 + i, legacy(b"", f"c4:f7:00:00:00:{i:02x}", rssi=rssi))
                   for i, rssi in enumerate((-128, -127, 20, 21, 127))]
        capture = btsnoop(records)
        lines, _ = replay("--each", capture=capture)
        self.assertEqual([None, -127, 20, None, None], [line["rssi"] for line in lines])
        batches, err = replay(capture=capture)
        self.assertEqual([-127, 20], [found["rssi"] for found in batches[0]["detections"]])
        self.assertIn("3 reports of advertisers without RSSI", err)
        near, _ = replay("--each", "--min-rssi", "-126", capture=capture)
        self.assertEqual([20], [line["rssi"] for line in near])
        code, _, err = run("bleingest", "--db", ":memory:", "--strict", input="".join(json.dumps(b) + "\n" for b in batches))
        self.assertEqual(0, code, err)

    def test_an_event_without_its_parameters_is_malformed(self):
        for event in (b"\x04\x3e\x00", b"\x04\x3e\x01\x02", b"\x04\x3e"):
            capture = btsnoop([(T0, event)])
            _, err = replay("--strict", capture=capture, code=65)
            self.assertIn("1 malformed events", err)


if __name__ == "__main__":
    unittest.main()
