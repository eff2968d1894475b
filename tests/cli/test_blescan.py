"""blescan: captures in, reports and batches out; and every exit code that its man page names."""
import datetime
import fcntl
import gzip
import hashlib
import hmac
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import unittest

from harness import FolderTest, Tool, source_path, standing, wait_until
from harness.capture import T0, btsnoop, detection, extended, legacy, replay
from harness.process import run

SAMPLE = source_path("examples", "sample.btsnoop")


class Data(FolderTest):
    def test_any_length_that_runs_past_the_end(self):
        for length in (*range(3, 20), 127, 128, 254, 255):
            found = detection(bytes((length,)) + b"!\x01")
            self.assertFalse({"local_name", "service_uuids", "tx_power", "service_data", "manufacturer_data"} & set(found), length)


class Fragments(FolderTest):
    def test_parts_are_joined(self):
        records = [(T0, extended(b"\x05\x09Kit", kind=0x20)), (T0 + 0.001, extended(b"c", kind=0x20)),
                   (T0 + 0.002, extended(b"\x02\x01\x06", kind=0x00))]
        lines, _ = replay("--each", capture=btsnoop(records))
        self.assertEqual([line["data"] for line in lines], ["05094b697463020106"])
        lines, _ = replay("--names", capture=btsnoop(records))
        self.assertEqual(lines[0]["detections"][0]["local_name"], "Kitc")


class Batches(FolderTest):
    NEAR, FAR = "c4:f7:c1:4c:c1:c0", "d0:cf:5e:5d:70:fc"

    def capture(self):
        records = [(T0 + i, legacy(b"\x02\x01\x06", self.NEAR, -50 - i % 3)) for i in range(25)]
        records += [(T0 + 12.5, legacy(b"\x04\x09Bad", self.FAR, -90)), (T0 + 24.25, legacy(b"", self.FAR, 127))]
        return btsnoop(sorted(records))

    def test_a_batch_for_each_window(self):
        lines, _ = replay("--device-id", "pi-lab-1", "--name", "Labör", "--location", "2nd floor", capture=self.capture())
        self.assertEqual([line["seq"] for line in lines], [0, 1, 2])
        self.assertEqual({line["run_id"] for line in lines}, {lines[0]["run_id"]})
        self.assertRegex(lines[0]["run_id"], "^[0-9a-f]{16}$")
        self.assertEqual([line["window_ms"] for line in lines], [10000, 10000, 4250])
        self.assertEqual(lines[1]["timestamp"], "2023-11-14T22:13:40.000Z")
        self.assertEqual({k: lines[1][k] for k in ("format", "device_id", "name", "location", "interval_ms", "hash_id")},
                         {"format": 1, "device_id": "pi-lab-1", "name": "Labör", "location": "2nd floor",
                          "interval_ms": 10000, "hash_id": "sha256"})
        self.assertEqual({f"blescan (blepipe) {line['version']}\n".encode() for line in lines}, {run("blescan", "--version")[1]})
        self.assertNotIn("clock", lines[0])
        sha = {a: hashlib.sha256(a.replace(":", "").upper().encode()).hexdigest() for a in (self.NEAR, self.FAR)}
        self.assertEqual(lines[1]["detections"], [
            {"device_hash": sha[self.NEAR], "rssi": -51, "zone": "near", "timestamp": "2023-11-14T22:13:39.000Z", "count": 10},
            {"device_hash": sha[self.FAR], "rssi": -90, "zone": "far", "timestamp": "2023-11-14T22:13:32.500Z", "count": 1}])
        self.assertEqual(len(lines[2]["detections"]), 1)  # heard without RSSI only

    def test_another_run_has_another_name(self):
        names = {replay(capture=self.capture())[0][0]["run_id"] for _ in range(2)}
        self.assertEqual(len(names), 2)

    def test_hash_key(self):
        key = self.file("key", "0123456789abcdef0123456789abcdef\n")
        secret = b"0123456789abcdef0123456789abcdef"
        lines, err = replay("--hash-key", key, capture=self.capture())
        self.assertEqual(lines[0]["hash_id"], hashlib.sha256(secret).hexdigest()[:8])
        self.assertEqual(lines[0]["detections"][0]["device_hash"],
                         hmac.new(secret, b"C4F7C14CC1C0", "sha256").hexdigest())
        self.assertNotIn("without a key", err)
        for env in ({"BLEPIPE_HASH_KEY_FILE": str(key)}, {"BLEPIPE_HASH_KEY": secret.decode()}):
            self.assertEqual(replay(capture=self.capture(), env=env)[0][0]["hash_id"], lines[0]["hash_id"])
        code, out, err = run("blescan", "--hash", "c4-f7-c1-4c-c1-c0", "--hash-key", key)
        self.assertEqual((code, out.decode().strip()), (0, lines[0]["detections"][0]["device_hash"]))

    def test_a_replay_without_a_key_is_nothing_to_warn_of(self):
        _, err = replay(capture=self.capture())
        self.assertNotIn("without a key", err)
        _, err = replay("--each", capture=self.capture())
        self.assertEqual(err, "")

    def test_min_rssi_hides_and_counts(self):
        lines, err = replay("--min-rssi", "-60", capture=self.capture())
        self.assertEqual({len(line["detections"]) for line in lines}, {1})
        self.assertIn("2 reports hidden by --min-rssi", err)
        self.assertEqual(len(replay("--each", "--min-rssi", "-60", capture=self.capture())[0]), 25)

    def test_windows_and_pauses(self):
        lines, err = replay("--window", "5", "--interval", "5", capture=self.capture())
        self.assertEqual([(line["window_ms"], line["interval_ms"]) for line in lines], [(5000, 10000)] * 2 + [(4250, 10000)])
        self.assertIn("reports came in the pauses", err)
        lines, _ = replay(capture=self.capture(), env={"SCAN_DURATION": "5", "SCAN_INTERVAL": "0"})
        self.assertEqual(len(lines), 5)

    def test_environment(self):
        env = {"DEVICE_ID": "pi-env", "DEVICE_NAME": "n", "DEVICE_LOCATION": "l", "NEAR_THRESHOLD": "-40",
               "MEDIUM_THRESHOLD": "-55", "BLEPIPE_ADDRESSES": "true"}
        lines, _ = replay(capture=self.capture(), env=env)
        self.assertEqual([lines[0][k] for k in ("device_id", "name", "location")], ["pi-env", "n", "l"])
        self.assertEqual(lines[0]["detections"][0]["zone"], "medium")
        self.assertEqual(lines[0]["detections"][0]["address"], self.NEAR)
        lines, _ = replay("--device-id", "pi-flag", capture=self.capture(), env=env)
        self.assertEqual(lines[0]["device_id"], "pi-flag")

    def test_personal_data_only_by_name(self):
        _, out, _ = run("blescan", "--replay", "-", "--detail", input=self.capture())
        self.assertNotIn(b"local_name", out)
        self.assertNotIn(b'"address"', out)
        _, out, _ = run("blescan", "--replay", "-", "--names", "--addresses", input=self.capture())
        self.assertIn(b'"local_name":"Bad"', out)
        self.assertNotIn(b"rssi_min", out)

    def test_a_jump_of_days_makes_no_millions_of_lines(self):
        records = [(T0 + day * 86400 + second, legacy(b"")) for day in range(0, 3000, 100) for second in (0, 1)]
        lines, err = replay(capture=btsnoop(records))
        self.assertEqual(len(lines), 30)
        self.assertEqual(err.count("windows begin anew"), 29)

    def test_one_absurd_clock_makes_no_windows_and_leads_no_end_astray(self):
        for ahead in (3540, 365 * 86400):
            for place in range(4):
                with self.subTest(ahead=ahead, place=place):
                    times = [T0 + i for i in range(4)]
                    times[place] += ahead
                    path = self.file("c.btsnoop", btsnoop([(at, legacy(b"")) for at in times]))
                    _, out, _ = run("blescan", "--replay", path)
                    batches = [json.loads(line) for line in out.splitlines()]
                    self.assertEqual([4], [batch["detections"][0]["count"] for batch in batches])
                    self.assertTrue(batches[0]["timestamp"].startswith("2023-11-14T22:13:2"), batches)
                    _, out, _ = run("blescan", "--replay", path, "--now")
                    end = datetime.datetime.fromisoformat(json.loads(out)["timestamp"].replace("Z", "+00:00"))
                    self.assertLess(abs((end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()), 600)

    def test_now_ends_now(self):
        path = self.file("c.btsnoop", self.capture())
        before = time.time()
        code, out, err = run("blescan", "--replay", path, "--now")
        after = time.time()
        self.assertEqual(code, 0, err)
        last = json.loads(out.splitlines()[-1])
        at = datetime.datetime.fromisoformat(last["timestamp"].replace("Z", "+00:00")).timestamp()
        self.assertTrue(before - 0.002 <= at <= after + 0.002, (before, at, after))
        self.assertIn(last["clock"], ("synced", "unsynced"))


    def test_now_takes_no_time_out_of_the_years_that_bleingest_takes(self):
        """The clock was set ahead by ages in the middle: the shift of what came after is too much for what came before."""
        times = [T0, T0 + 1, T0 + 250e9, T0 + 250e9 + 1]
        path = self.file("c.btsnoop", btsnoop([(at, legacy(b"")) for at in times]))
        code, out, err = run("blescan", "--replay", path, "--now", "--device-id", "pi-1")
        self.assertEqual(code, 0, err)
        code, _, err = run("bleingest", "--strict", "--db", self.folder / "db", input=out)
        self.assertEqual(code, 0, err)


class Pace(FolderTest):
    def test_now_counts_no_silence_that_is_not_waited_for(self):
        path = self.file("c", btsnoop([(T0 + s, legacy(b"")) for s in (0, 0.1, 3600 * 24, 3600 * 24 + 0.1)]))
        code, out, err = run("blescan", "--replay", path, "--now", "--speed", "1")
        self.assertEqual(code, 0, err)
        end = datetime.datetime.fromisoformat(json.loads(out.splitlines()[-1])["timestamp"].replace("Z", "+00:00"))
        self.assertLess(abs((end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()), 3600)

    def test_speed_waits(self):
        capture = btsnoop([(T0 + i / 2, legacy(b"")) for i in range(9)])  # 4 s
        before = time.monotonic()
        lines, _ = replay("--each", "--speed", "10", capture=capture)
        self.assertGreaterEqual(time.monotonic() - before, 0.4)
        self.assertEqual(len(lines), 9)

    def test_a_batch_comes_when_its_window_ends(self):
        """The window ends after 0.1 s; the next packet would come a minute later."""
        capture = btsnoop([(T0, legacy(b"")), (T0 + 60, legacy(b""))])
        with Tool("blescan", "--replay", self.file("c", capture), "--speed", "1", "--window", "0.1") as tool:
            self.assertEqual(json.loads(tool.line())["window_ms"], 100)
            self.assertTrue(tool.running())
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)

    def test_lines_come_while_standard_input_is_open(self):
        capture = btsnoop([(T0 + i, legacy(b"")) for i in range(3)])
        with Tool("blescan", "--replay", "-", "--each") as tool:
            tool.write(capture[:-10])
            self.assertIn(b"c0:11", tool.line())
            self.assertIn(b"c0:11", tool.line())
            tool.write(capture[-10:])
            self.assertIn(b"c0:11", tool.line())
            tool.close_stdin()
            self.assertIsNone(tool.line())
            self.assertEqual(tool.wait(), 0)


class Ends(FolderTest):
    def capture(self, reports=5):
        return btsnoop([(T0 + i, legacy(b"\x02\x01\x06")) for i in range(reports)])

    def test_help_and_version(self):
        code, out, err = run("blescan", "--help")
        self.assertEqual((code, err), (0, ""))
        for word in (b"--replay", b"--each", b"SCAN_DURATION", b"examples/sample.btsnoop"):
            self.assertIn(word, out)
        code, out, err = run("blescan", "--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, rb"^blescan \(blepipe\) \d+\.\d+\.\d+\n$")

    def test_usage_errors_are_64_and_name_the_option(self):
        for argv in (["--no-such-option"], ["--replay", "-", "--speed", "fast"], ["--replay", "-", "--speed", "0"],
                     ["--replay", "-", "--window", "0.05"], ["--replay", "-", "--window", "8d"],
                     ["--replay", "-", "--interval", "8d"], ["--replay", "-", "--near", "-80"],
                     ["--replay", "-", "--min-rssi", "-128"], ["--replay", "-", "--count", "-1"],
                     ["--replay", "-", "--device-id", "x"], ["--replay", "-", "--device-id", "x" * 51],
                     ["--replay", "-", "--device-id", b"\xff\xfe\xfd"], ["--replay", "-", "--device-id", "pi-1\r"], ["--replay", "-", "--name", "x" * 256],
                     ["--hash", "c0:ff:ee"]):
            with self.subTest(argv=argv):
                process = subprocess.run([os.path.join(os.environ["BLEPIPE_BIN"], "blescan"), *argv],
                                         stdin=subprocess.DEVNULL, capture_output=True)
                option = next(a for a in reversed(argv) if isinstance(a, str) and a.startswith("--"))
                self.assertEqual(process.returncode, 64)
                self.assertIn(option.encode(), process.stderr)
                self.assertEqual(process.stdout, b"")

    def test_now_needs_a_file(self):
        with Tool("blescan", "--replay", "-", "--now") as tool:
            self.assertEqual(tool.wait(), 64)
            self.assertIn("reads the capture twice", tool.err)

    def test_environment_errors_are_78_and_name_the_variable_or_option(self):
        for name, value, word in (("SCAN_DURATION", "soon", "SCAN_DURATION"), ("NEAR_THRESHOLD", "near", "NEAR_THRESHOLD"),
                                  ("BLEPIPE_SPEED", "fast", "--speed"), ("DEVICE_ID", "x", "--device-id"), ("DEVICE_ID", "pi-1\n", "--device-id"),
                                  ("MEDIUM_THRESHOLD", "-20", "--medium"),
                                  ("BLEPIPE_HASH_KEY_FILE", "/nonexistent/key", "/nonexistent/key")):
            with self.subTest(name=name):
                code, out, err = run("blescan", "--replay", "-", env={name: value}, input=self.capture())
                self.assertEqual((code, out), (78, b""), err)
                self.assertIn(word, err)

    def test_a_missing_key_file_is_78(self):
        code, _, err = run("blescan", "--hash-key", self.folder / "none", "--replay", "-", input=self.capture())
        self.assertEqual(code, 78)
        self.assertIn("none", err)

    def test_check_opens_nothing(self):
        self.assertEqual(run("blescan", "--replay", "/nonexistent", "--check")[0], 0)

    def test_a_missing_capture_is_69(self):
        code, out, err = run("blescan", "--replay", self.folder / "none.btsnoop")
        self.assertEqual((code, out), (69, b""))
        self.assertIn("none.btsnoop: No such file", err)

    def test_what_cannot_be_read_is_74(self):
        code, _, err = run("blescan", "--replay", self.folder)
        self.assertEqual(code, 74)
        self.assertIn("Is a directory", err)

    def test_what_is_no_capture_is_65(self):
        for data in (b"", b"hello, world", self.capture()[:10]):
            code, out, err = run("blescan", "--replay", "-", "--each", input=data)
            self.assertEqual((code, out), (65, b""))
            self.assertIn("standard input", err)

    def test_a_cut_capture_is_used_and_reported(self):
        lines, err = replay("--each", capture=self.capture()[:-3])
        self.assertEqual(len(lines), 4)
        self.assertIn("ends inside the record that begins at byte", err)
        lines, err = replay("--each", "--strict", capture=self.capture()[:-3], code=65)
        self.assertEqual(len(lines), 4)
        self.assertIn("ends inside the record", err)
        replay("--strict", capture=self.capture())

    def test_malformed_events_are_counted(self):
        good, bad = legacy(b""), legacy(b"\x02\x01\x06")
        bad = bad[:4] + b"\x02" + bad[5:]  # two reports promised, one there
        capture = btsnoop([(T0, good), (T0 + 1, bad), (T0 + 2, good)])
        lines, err = replay("--each", capture=capture)
        self.assertEqual(len(lines), 3)
        self.assertIn("1 malformed events", err)
        replay("--each", "--strict", capture=capture, code=65)

    def test_count(self):
        self.assertEqual(len(replay("--each", "--count", "3", capture=self.capture())[0]), 3)
        self.assertEqual(len(replay("-n", "2", "--window", "1", capture=self.capture())[0]), 2)

    def test_a_count_that_is_not_reached_is_75(self):
        lines, err = replay("--each", "--count", "9", capture=self.capture(), code=75)
        self.assertEqual(len(lines), 5)
        self.assertIn("5 of 9", err)

    def test_count_ends_while_input_is_open(self):
        with Tool("blescan", "--replay", "-", "--each", "--count", "2") as tool:
            tool.write(self.capture(2))
            self.assertEqual(tool.wait(), 0)

    def test_run_for(self):
        with Tool("blescan", "--replay", "-", "--each", "--run-for", "0.2") as tool:
            self.assertEqual(tool.wait(), 0)
        with Tool("blescan", "--replay", "-", "--each", "--run-for", "0.2", "--count", "1") as tool:
            tool.write(self.capture(0))
            self.assertEqual(tool.wait(), 75)

    def test_a_reader_that_leaves_ends_it_at_once_and_in_silence(self):
        endless = self.capture(200_000)
        path = self.file("long.btsnoop", endless)
        with Tool("blescan", "--replay", path, "--each") as tool:
            self.assertTrue(tool.process.stdout.readline().startswith(b'{"timestamp"'))
            tool.process.stdout.close()
            self.assertEqual(tool.wait(), 0)  # a listing may be left where enough was seen
            self.assertEqual(tool.err, "")
        with Tool("blescan", "--replay", path, "--each", "--strict") as tool:
            tool.process.stdout.readline()
            tool.process.stdout.close()
            self.assertEqual(tool.wait(), 74)

    def test_sigterm_while_waiting_for_input(self):
        with Tool("blescan", "--replay", "-", "--verbose") as tool:
            tool.write(self.capture())
            tool.wait_err("ready: ")  # it obeys signals now
            wait_until(lambda: tool.stats()["in"] == 5, "all reports to be read")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)
            # What was in hand is handed on.
            self.assertEqual(sum(d["count"] for d in json.loads(tool.line())["detections"]), 5)

    def test_a_fifo_is_waited_for(self):
        path = self.folder / "fifo"
        os.mkfifo(path)
        with Tool("blescan", "--replay", path, "--each", "--verbose") as tool:
            tool.wait_err("ready")
            path.write_bytes(self.capture(3))
            self.assertEqual(len(tool.lines()), 3)
            self.assertEqual(tool.wait(), 0)
        with Tool("blescan", "--replay", path, "--each", "--verbose") as tool:
            tool.wait_err("ready")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)

    def test_without_descriptors_it_is_71(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))  # noqa: E731
        with Tool("blescan", "--replay", "-", preexec_fn=limit) as tool:
            code = tool.wait()
            # The sanitizer's runtime needs descriptors too: without them it gives up, before blescan can.
            if code != 1 or "runtime error: member access" not in tool.err:
                self.assertEqual(code, 71)
                self.assertIn("Too many open files", tool.err)

    def test_sigterm_while_the_reader_stalls(self):
        with Tool("blescan", "--replay", self.file("c", self.capture(20_000)), "--each") as tool:
            wait_until(lambda: standing(tool.process.stdout) >= 4096, "the pipe to fill")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 74)
            self.assertIn("takes nothing", tool.err)

    def test_a_stop_is_not_forgotten_when_the_last_batch_finds_no_room(self):
        names = [legacy(b"\x1e\x09" + b"x" * 29, address=f"c0:11:22:33:44:{n:02x}") for n in range(99)]
        path = self.file("c", btsnoop([(T0, one) for one in names] + [(T0 + 60, names[0])]))
        for words in (["--run-for", "0.3"], []):
            with Tool("blescan", "--replay", path, "--speed", "1", "--window", "1h", "--names", *words) as tool:
                fcntl.fcntl(tool.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
                wait_until(lambda: tool.running() and "device_id is" in tool.err, "its start")
                if not words:
                    wait_until(lambda: tool.stats()["in"] == 99, "the reports to be read")
                    tool.signal(signal.SIGTERM)
                self.assertEqual(tool.wait(), 74)
                self.assertIn("takes nothing", tool.err)

    def test_sigterm_while_pacing(self):
        with Tool("blescan", "--replay", self.file("c", self.capture()), "--each", "--speed", "0.001") as tool:
            self.assertIsNotNone(tool.line())
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)

    def test_counters(self):
        with Tool("blescan", "--replay", "-", "--each") as tool:
            tool.write(self.capture(4))
            for _ in range(4):
                tool.line()
            stats = tool.stats()
            self.assertEqual({k: stats[k] for k in ("tool", "in", "out", "rejected")},
                             {"tool": "blescan", "in": 4, "out": 4, "rejected": 0})

    def test_memory_does_not_grow_with_the_file(self):
        def peak_kib(reports, pack=lambda capture: capture):
            # Under the address sanitizer, freed memory is held back unless told otherwise.
            with Tool("blescan", "-q", "--replay", "-", stdout=None, env={"ASAN_OPTIONS": "quarantine_size_mb=1"}) as tool:
                tool.write(pack(self.capture(reports)))
                wait_until(lambda: tool.stats()["in"] == reports, "all reports to be read")
                with open(f"/proc/{tool.pid}/status", encoding="ascii") as f:
                    return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1))
        self.assertGreater(len(self.capture(600_000)), 20 << 20)
        few = peak_kib(30_000)
        self.assertLess(peak_kib(600_000), few + 1024)
        self.assertLess(peak_kib(600_000, gzip.compress), few + 1024)


class Sample(FolderTest):
    """The capture that the README and the demo begin with."""

    def test_the_generator_reproduces_it(self):
        made = self.folder / "sample.btsnoop"
        subprocess.run([sys.executable, source_path("scripts", "make-sample"), made], check=True)
        with open(SAMPLE, "rb") as f:
            self.assertTrue(made.read_bytes() == f.read(), "examples/sample.btsnoop is not what scripts/make-sample makes")

    def test_the_generator_takes_no_option_for_a_file(self):
        done = subprocess.run([sys.executable, source_path("scripts", "make-sample"), "--help"], cwd=self.folder,
                              capture_output=True, check=True)
        self.assertIn(b"make-sample", done.stdout)
        self.assertEqual(os.listdir(self.folder), [])

    def test_it_shows_what_blescan_can(self):
        self.assertLess(os.path.getsize(SAMPLE), 500 << 10)
        code, out, err = run("blescan", "--replay", SAMPLE, "--detail", "--names")
        self.assertEqual(code, 0, err)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(lines), 12)
        self.assertEqual(sum(line["window_ms"] for line in lines), 120_000)
        detections = [d for line in lines for d in line["detections"]]
        self.assertGreaterEqual(len({d["device_hash"] for d in detections}), 30)
        self.assertEqual({d["zone"] for d in detections}, {"near", "medium", "far"})
        self.assertEqual({kind for d in detections for kind in d.get("beacon", {})},
                         {"ibeacon", "altbeacon", "eddystone_uid", "eddystone_url", "eddystone_tlm", "eddystone_eid"})
        self.assertGreaterEqual(len({d["local_name"] for d in detections if "local_name" in d}), 10)
        wander = {}
        for d in detections:
            wander.setdefault(d["device_hash"], set()).add(d["zone"])
        self.assertTrue(any(len(zones) == 3 for zones in wander.values()))
        code, out, _ = run("blescan", "--replay", SAMPLE, "--each")
        reports = [json.loads(line) for line in out.splitlines()]
        # Extended event types that no legacy report has; the two upper bits of a random address tell its kind.
        self.assertTrue(any(r["event_type"] & 0x10 or len(r["data"]) > 62 for r in reports))
        kinds = {int(r["address"][:2], 16) >> 6 for r in reports if r["address_type"] == "random"}
        self.assertEqual(kinds, {0, 1, 3})  # non-resolvable, resolvable, static


if __name__ == "__main__":
    unittest.main()
