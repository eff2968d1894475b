"""blescan: SIGHUP reads filters and keys again; they count from the next window on."""
import json
import signal

from harness import FolderTest, Tool, wait_until
from harness.bluez import BEACON, LiveTest
from harness.capture import T0, btsnoop, legacy, replay

ONE, TWO = "c0:00:00:00:00:01", "c0:00:00:00:00:02"
IRK = "ec0234a357c8ad05341010a60a397d9b"  # of the Core Specification, Vol 3 Part H D.7
RESET_DONE = b"\x04\x0e\x04\x01\x03\x0c\x00"
PRIVATE = "70:81:94:0d:fb:aa"  # made with it


class Reload(FolderTest):
    """A capture that comes in pieces: what was read before the signal and what comes after it is known."""

    def start(self, *argv, env=None):
        tool = Tool("blescan", "--verbose", "--replay", "-", "--window", "10", "--addresses", "--names", *argv, env=env)
        self.addCleanup(tool.__exit__, None, None, None)
        self.told = 0
        return tool

    def hear(self, tool, *heard):
        """heard: (seconds, address). A packet is read when the next one has come."""
        records = btsnoop([(T0 + after, legacy(b"", address)) for after, address in heard] + [(T0 + heard[-1][0], RESET_DONE)])
        tool.write(records if self.told == 0 else records[16:])
        self.told += len(heard)
        tool.wait_err("ready: ")
        wait_until(lambda: tool.stats()["in"] == self.told, "the reports to be read")

    def batches(self, tool):
        tool.close_stdin()
        lines = [json.loads(line) for line in tool.lines()]
        self.assertEqual(tool.wait(), 0, tool.err)
        return lines

    def reload(self, tool, text):
        tool.signal(signal.SIGHUP)
        tool.wait_err(text)

    def test_another_hash_key_begins_another_run_with_the_next_window(self):
        key = self.file("key", "0123456789abcdef")
        tool = self.start("--hash-key", key)
        self.hear(tool, (0, ONE))
        key.write_text("fedcba9876543210")
        self.reload(tool, "the hash keys are read again")
        self.hear(tool, (5, ONE), (12, ONE), (22, ONE))
        first, second, third = self.batches(tool)
        hashes = {}
        for content in ("0123456789abcdef", "fedcba9876543210"):
            [batch], _ = replay("--hash-key", self.file("other", content), capture=btsnoop([(T0, legacy(b"", ONE))]))
            hashes[content] = (batch["hash_id"], batch["detections"][0]["device_hash"])
        of = [(b["hash_id"], b["detections"][0]["device_hash"]) for b in (first, second, third)]
        self.assertEqual(of, [hashes["0123456789abcdef"]] + 2 * [hashes["fedcba9876543210"]])
        self.assertEqual(first["detections"][0]["count"], 2)
        self.assertNotEqual(first["run_id"], second["run_id"])
        self.assertEqual([(b["run_id"], b["seq"]) for b in (second, third)], [(second["run_id"], 0), (second["run_id"], 1)])

    def test_the_same_key_goes_on_with_its_run(self):
        tool = self.start("--hash-key", self.file("key", "0123456789abcdef"))
        self.hear(tool, (0, ONE))
        self.reload(tool, "the hash keys are read again")
        self.hear(tool, (12, ONE))
        first, second = self.batches(tool)
        self.assertEqual((second["run_id"], second["seq"]), (first["run_id"], 1))

    def test_other_filters(self):
        denied, allowed = self.file("denied", f"address:{ONE}\n"), self.file("allowed", "address:c0:*\n")
        tool = self.start("--deny", f"@{denied}", "--allow", f"@{allowed}")
        self.hear(tool, (0, ONE), (1, TWO))
        denied.write_text(f"address:{TWO}\n")
        self.reload(tool, "the filters are read again")
        self.hear(tool, (12, ONE), (13, TWO))
        self.assertEqual([[d["address"] for d in b["detections"]] for b in self.batches(tool)], [[TWO], [ONE]])
        self.assertIn(f"2 reports hidden by --deny @{denied}", tool.err)

    def test_other_identities(self):
        keys = self.file("keys", f"Anna {IRK}\n")
        tool = self.start("--irk", keys)
        self.hear(tool, (0, PRIVATE))
        keys.write_text(f"Berta {IRK}\n")
        self.reload(tool, "the keys of --irk are read again")
        self.hear(tool, (5, PRIVATE), (12, PRIVATE))
        self.assertEqual([[d["identity"] for d in b["detections"]] for b in self.batches(tool)], [["Anna"], ["Berta"]])
        self.assertNotIn("Anna", tool.err)

    def test_with_each_from_the_next_report_on(self):
        denied, keys = self.file("denied", f"address:{ONE}\n"), self.file("keys", f"Anna {IRK}\n")
        tool = self.start("--each", "--names", "--deny", f"@{denied}", "--irk", keys)
        self.hear(tool, (0, ONE), (1, TWO), (1.5, PRIVATE))
        denied.write_text(f"address:{TWO}\n")
        keys.write_text(f"Berta {IRK}\n")
        self.reload(tool, "the filters are read again")
        self.hear(tool, (2, ONE), (3, TWO), (3.5, PRIVATE))
        self.assertEqual([r.get("identity", r["address"]) for r in self.batches(tool)], [TWO, "Anna", ONE, "Berta"])

    def test_what_is_wrong_is_said_and_the_old_stays_while_the_rest_is_taken(self):
        key, denied = self.file("key", "0123456789abcdef"), self.file("denied", f"address:{ONE}\n")
        keys = self.file("keys", f"Anna {IRK}\n")
        tool = self.start("--hash-key", key, "--irk", keys, "--deny", f"@{denied}")
        self.hear(tool, (0, ONE), (1, TWO), (2, PRIVATE))
        key.write_text("")
        keys.unlink()
        denied.write_text("# ours\naddress:nobody\n")
        self.reload(tool, "the filters stay as they were: ")
        for text in (f"the hash keys stay as they were: a secret: {key} is empty",
                     f"the keys of --irk stay as they were: unable to read keys from {keys}: No such file",
                     f"the filters stay as they were: {denied}, line 2: an address is expected"):
            self.assertIn(text, tool.err)
        self.hear(tool, (12, ONE), (13, TWO), (14, PRIVATE))
        denied.write_text(f"address:{TWO}\n")
        self.reload(tool, "the filters are read again")
        self.hear(tool, (22, ONE), (23, TWO), (24, PRIVATE))
        batches = self.batches(tool)
        self.assertEqual([[d.get("identity", d["address"]) for d in b["detections"]] for b in batches],
                         [[TWO, "Anna"], [TWO, "Anna"], [ONE, "Anna"]])
        self.assertEqual(len({b["hash_id"] for b in batches}), 1)

    def test_a_credential_that_is_gone_is_no_reason_to_hash_without_a_key(self):
        key = self.file("blepipe_hash_key", "0123456789abcdef")
        tool = self.start(env={"CREDENTIALS_DIRECTORY": str(self.folder)})
        self.hear(tool, (0, ONE))
        key.unlink()
        self.reload(tool, "the hash keys stay as they were: ")
        self.hear(tool, (12, ONE))
        self.assertEqual(len({b["hash_id"] for b in self.batches(tool)}), 1)


class Live(LiveTest, FolderTest):
    def setUp(self):
        FolderTest.setUp(self)
        LiveTest.setUp(self)

    def test_a_scan_takes_other_filters_without_a_pause(self):
        denied = self.file("denied", "# nobody\n")
        fake = self.fake()
        tool = self.scan("--window", "0.3", "--interval", "0", "--addresses", "--deny", f"@{denied}")
        tool.wait_err("scanning hci0")

        def heard():
            fake.do("heard", adapter="hci0", address=BEACON, RSSI=-60)
            return bool(json.loads(tool.line())["detections"])
        wait_until(heard, "the beacon")
        denied.write_text(f"address:{BEACON}\n")
        tool.signal(signal.SIGHUP)
        tool.wait_err("the filters are read again")
        wait_until(lambda: not heard() and not heard() and not heard(), "the beacon to be hidden")
        denied.write_text("")
        tool.signal(signal.SIGHUP)
        wait_until(heard, "the beacon again")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        lines = [json.loads(line) for line in tool.lines()]
        self.assertTrue(all("seq" in line for line in lines))
