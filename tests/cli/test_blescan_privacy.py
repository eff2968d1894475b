"""blescan: who is reported, under which name, and what is kept secret."""
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import resource
import signal
import sqlite3
import time
import unittest

from harness import FolderTest, Tool
from harness.capture import T0, btsnoop, extended, legacy, replay
from harness.process import run

KEY = "ec0234a357c8ad05341010a60a397d9b"  # of the Core Specification, Vol 3 Part H D.7
PRIVATE = ["70:81:94:0d:fb:aa", "40:01:02:b2:12:da"]  # made with it
STRANGER = "40:01:02:b2:12:db"  # looks the same
RUUVI = b"\x0b\x09Ruuvi A1B2"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


class PrivateAddresses(FolderTest):
    def capture(self):
        reports = [(T0 + i, legacy(b"", a)) for i, a in enumerate(PRIVATE + [STRANGER])]
        return btsnoop(reports + [(T0 + 5, extended(b"", PRIVATE[0])), (T0 + 6, legacy(b"", PRIVATE[1], address_type=0))])

    def test_private_addresses_of_a_key_are_one_advertiser(self):
        keys = self.file("keys", f"# ours\nAnna's phone {KEY}\n")
        lines, err = replay("--irk", keys, capture=self.capture())
        detections = lines[0]["detections"]
        stand_in = "IRK:" + hashlib.sha256(bytes.fromhex(KEY)).hexdigest()
        # The last is public: only a random address can be private.
        self.assertEqual([(d["device_hash"], d["count"]) for d in detections],
                         [(sha(stand_in), 3), (sha("400102B212DB"), 1), (sha("400102B212DA"), 1)])
        self.assertNotIn("Anna", json.dumps(lines) + err)

    def test_an_identity_address_is_what_is_hashed(self):
        keys = self.file("keys", f"Anna's phone lsb:{bytes.fromhex(KEY)[::-1].hex()} C4:F7:C1:4C:C1:C0\n")
        secret = self.file("secret", "0123456789abcdef")
        capture = btsnoop([(T0, legacy(b"", PRIVATE[0])), (T0 + 1, legacy(b"", "c4:f7:c1:4c:c1:c0", address_type=0))])
        lines, _ = replay("--irk", keys, "--hash-key", secret, "--names", "--addresses", capture=capture)
        [detection] = lines[0]["detections"]
        self.assertEqual(detection["device_hash"], hmac.new(b"0123456789abcdef", b"C4F7C14CC1C0", "sha256").hexdigest())
        self.assertEqual({k: detection[k] for k in ("identity", "identity_address", "address", "count")},
                         {"identity": "Anna's phone", "identity_address": "c4:f7:c1:4c:c1:c0",
                          "address": "c4:f7:c1:4c:c1:c0", "count": 2})

    def test_names_are_shown_only_with_names(self):
        keys = self.file("keys", f"Anna {KEY}\n")
        for argv, names in (([], set()), (["--names"], {"Anna"}), (["--each"], set()), (["--each", "--names"], {"Anna"})):
            lines, _ = replay("--irk", keys, *argv, capture=self.capture())
            found = lines if "--each" in argv else lines[0]["detections"]
            self.assertEqual({d["identity"] for d in found if "identity" in d}, names, argv)

    def test_a_wrong_file_is_78_and_tells_no_key(self):
        for content, wanted in ((f"Anna {KEY[1:]}", "line 1: a name, a key of 32 hex digits"), ("", "has no key"),
                                (f"# x\n{KEY}", "line 2: a name of 1 to 255"), (f"A {KEY}\nB {KEY}", "line 2: this key")):
            keys = self.file("keys", content)
            for more in ([], ["--check"]):
                code, out, err = run("blescan", "--replay", "-", "--irk", keys, *more, input=b"")
                self.assertEqual((code, out), (78, b""), content)
                self.assertIn(wanted, err)
                self.assertIn(str(keys), err)
                self.assertNotIn(KEY[1:20], err)
        self.assertEqual(run("blescan", "--replay", "-", "--irk", self.folder / "none", input=b"")[0], 78)


class Epochs(FolderTest):
    ADDRESS = "c4:f7:c1:4c:c1:c0"
    SECRET = b"0123456789abcdef"

    def test_hashes_change_at_midnight_and_no_batch_has_both(self):
        key = self.file("key", self.SECRET.decode())
        midnight = 19676 * 86400
        reports = [(midnight - 14 + i, legacy(b"", self.ADDRESS)) for i in range(28)]
        lines, _ = replay("--hash-key", key, "--hash-epoch", "24h", capture=btsnoop(reports))
        fingerprint = hashlib.sha256(self.SECRET).hexdigest()[:8]
        days = [f"{fingerprint}@2023-11-14T00:00:00Z/86400s", f"{fingerprint}@2023-11-15T00:00:00Z/86400s"]
        self.assertEqual([(line["hash_id"], line["window_ms"], line["seq"]) for line in lines],
                         [(days[0], 10000, 0), (days[0], 4000, 1), (days[1], 6000, 0), (days[1], 7000, 1)])
        self.assertEqual(len({line["run_id"] for line in lines}), 2)
        for line in lines:
            day = 19675 if line["hash_id"] == days[0] else 19676
            epoch_key = hmac.new(self.SECRET, b"blepipe epoch 86400 %d" % day, "sha256").digest()
            self.assertEqual([d["device_hash"] for d in line["detections"]],
                             [hmac.new(epoch_key, b"C4F7C14CC1C0", "sha256").hexdigest()])

    def test_it_is_stored_as_two_runs_without_a_hole(self):
        key = self.file("key", self.SECRET.decode())
        reports = [(19676 * 86400 - 14 + i, legacy(b"", self.ADDRESS)) for i in range(28)]
        lines, _ = replay("--hash-key", key, "--hash-epoch", "24h", capture=btsnoop(reports))
        database = self.folder / "ble.db"
        code, _, err = run("bleingest", "--db", database, input="".join(json.dumps(x) + "\n" for x in lines).encode())
        self.assertEqual(code, 0, err)
        with contextlib.closing(sqlite3.connect(database)) as db:
            self.assertEqual(db.execute("SELECT next_seq, hash_id FROM runs ORDER BY id").fetchall(),
                             [(2, lines[0]["hash_id"]), (2, lines[2]["hash_id"])])
            self.assertEqual(db.execute("SELECT count(*) FROM gaps").fetchone(), (0,))

    def test_hash_is_that_of_the_present_epoch(self):
        key = self.file("key", self.SECRET.decode())
        before = int(time.time()) // (366 * 86400)
        code, out, _ = run("blescan", "--hash", self.ADDRESS, "--hash-key", key, "--hash-epoch", "366d")
        keys = [hmac.new(self.SECRET, f"blepipe epoch {366 * 86400} {n}".encode(), "sha256").digest()
                for n in (before, int(time.time()) // (366 * 86400))]
        self.assertEqual(code, 0)
        self.assertIn(out.decode().strip(), [hmac.new(k, b"C4F7C14CC1C0", "sha256").hexdigest() for k in keys])

    def test_usage(self):
        key = self.file("key", self.SECRET.decode())
        for argv in (["--hash-epoch", "24h"], ["--hash-epoch", "59", "--hash-key", key],
                     ["--hash-epoch", "367d", "--hash-key", key], ["--hash-epoch", "90.5", "--hash-key", key]):
            code, _, err = run("blescan", "--replay", "-", *argv, input=b"")
            self.assertEqual(code, 64, argv)
            self.assertIn("--hash-epoch", err)


class Counts(FolderTest):
    def capture(self):
        rssi = {"c4:f7:c1:4c:c1:c0": -50, "c4:f7:c1:4c:c1:c1": -70, "c4:f7:c1:4c:c1:c2": -90, "c4:f7:c1:4c:c1:c3": -91}
        return btsnoop([(T0 + i, legacy(RUUVI, a, r)) for i, (a, r) in enumerate(rssi.items())]
                       + [(T0 + 12, legacy(RUUVI, "c4:f7:c1:4c:c1:c0", -65))])

    def test_a_batch_has_counts_and_no_identifier(self):
        lines, err = replay("--counts", "--device-id", "pi-test", capture=self.capture())
        self.assertEqual([line["occupancy"] for line in lines],
                         [{"near": 1, "medium": 1, "far": 2}, {"near": 0, "medium": 1, "far": 0}])
        self.assertEqual([line["detections"] for line in lines], [[], []])
        self.assertEqual(set(lines[0]), {"format", "device_id", "version", "timestamp", "run_id", "seq", "window_ms", "interval_ms",
                                         "occupancy", "detections"})
        self.assertEqual(err, "")  # nothing is hashed, so no key is missed
        lines, _ = replay("--counts", "--deny", "address:c4:f7:c1:4c:c1:c2", capture=self.capture())
        self.assertEqual(lines[0]["occupancy"]["far"], 1)

    def test_counts_reach_the_database_and_the_dashboards(self):
        lines, _ = replay("--counts", "--device-id", "pi-1", capture=self.capture())
        database = self.folder / "ble.db"
        code, out, err = run("bleingest", "--db", database, input="".join(json.dumps(x) + "\n" for x in lines).encode())
        self.assertEqual(code, 0, err)
        self.assertEqual([json.loads(line)["data"]["occupancy"] for line in out.splitlines()],
                         [line["occupancy"] for line in lines])
        with contextlib.closing(sqlite3.connect(database)) as db:
            self.assertEqual(db.execute("SELECT device_id, near, medium, far, advertisers FROM occupancy").fetchall(),
                             [("pi-1", 1, 1, 2, 4), ("pi-1", 0, 1, 0, 1)])
            self.assertEqual(db.execute("SELECT count(*) FROM advertisers").fetchone(), (0,))

    def test_what_tells_of_advertisers_contradicts(self):
        for other in ("--each", "--detail", "--addresses", "--names"):
            code, _, err = run("blescan", "--replay", "-", "--counts", other, input=b"")
            self.assertEqual(code, 64)
            self.assertIn("--counts cannot be used with", err)


class Secrets(FolderTest):
    HASH_KEY = "a-hash-key-of-this-test-0123456789"

    def abort(self, *argv):
        """Whether a core was dumped; all that blescan wrote, and the core."""
        with Tool("blescan", "-v", "--replay", "-", "--stats", "0.2", *argv, cwd=self.folder,
                  env={"ASAN_OPTIONS": "disable_coredump=0:handle_abort=0"},
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)) as tool:
            tool.write(btsnoop([(T0 + 20 * i, legacy(b"", PRIVATE[0])) for i in range(3)]))
            written = [tool.line(), tool.line(), json.dumps(tool.stats())]
            os.kill(tool.pid, signal.SIGABRT)
            _, status = os.waitpid(tool.pid, 0)
        written.append(tool.err)
        self.assertTrue(os.WIFSIGNALED(status))
        cores = [path.read_bytes() for path in self.folder.iterdir() if path.name.startswith("core")]
        return os.WCOREDUMP(status), "".join(map(str, written)).encode() + b"".join(cores)

    def test_keys_are_in_no_core_dump_and_no_output(self):
        dumped, _ = self.abort()
        self.assertTrue(dumped, "this machine makes no core dumps: see /proc/sys/kernel/core_pattern")
        for core in self.folder.glob("core*"):
            core.unlink()
        hash_key, keys = self.file("hash", self.HASH_KEY), self.file("keys", f"Anna {KEY}\n")
        for argv in (["--hash-key", hash_key], ["--irk", keys],
                     ["--hash-key", hash_key, "--irk", keys, "--hash-epoch", "24h", "--names", "--addresses", "--detail"]):
            dumped, written = self.abort(*argv)
            self.assertFalse(dumped, argv)
            self.assertEqual(list(self.folder.glob("core*")), [])
            for secret in (self.HASH_KEY.encode(), KEY.encode(), bytes.fromhex(KEY), bytes.fromhex(KEY)[::-1]):
                self.assertNotIn(secret, written)

    def test_no_option_takes_a_key(self):
        code, out, _ = run("blescan", "--help")
        self.assertEqual(code, 0)
        self.assertEqual(set(re.findall(rb"--\S*(?:key|irk)\S* \S+", out)), {b"--hash-key FILE", b"--irk FILE"})
        for argv in (["--irk", KEY], ["--hash-key", self.HASH_KEY]):
            self.assertEqual(run("blescan", "--replay", "-", *argv, input=b"")[0], 78)


class Filters(FolderTest):
    ONE, TWO, NAMED = "c4:f7:c1:4c:c1:c0", "c4:f7:00:00:00:01", "00:11:22:33:44:55"

    def capture(self):
        return btsnoop([
            (T0, legacy(b"\x03\x03\xaa\xfe", self.ONE)), (T0 + 1, legacy(b"\x04\xff\x99\x04\x01", self.TWO)),
            (T0 + 2, legacy(b"\x02\x01\x06", self.NAMED)), (T0 + 3, legacy(RUUVI, self.NAMED, kind=4)),
            (T0 + 4, legacy(b"\x02\x01\x06", self.NAMED)), (T0 + 12, legacy(b"\x02\x01\x06", self.NAMED))])

    def shown(self, *argv, env=None):
        """The addresses of the first window and of the second, and standard error."""
        lines, err = replay("--addresses", *argv, capture=self.capture(), env=env)
        return *({d["address"] for d in line["detections"]} for line in lines), err

    def test_each_kind(self):
        for text, whom in (("address:c4:f7:*", {self.ONE, self.TWO}), (f"address:{self.TWO.upper()}", {self.TWO}),
                           ("name:Ruuvi*", {self.NAMED}), ("uuid:feaa", {self.ONE}), ("company:0x0499", {self.TWO})):
            self.assertEqual(self.shown("--allow", text)[0], whom, text)
            self.assertEqual(self.shown("--deny", text)[0], {self.ONE, self.TWO, self.NAMED} - whom, text)
        keys = self.file("keys", f"Anna {KEY}\n")
        capture = btsnoop([(T0, legacy(b"", PRIVATE[0])), (T0 + 1, legacy(b"", STRANGER))])
        lines, _ = replay("--irk", keys, "--allow", "identity:An*", "--addresses", capture=capture)
        self.assertEqual([d["address"] for d in lines[0]["detections"]], [PRIVATE[0]])

    def test_a_name_counts_for_its_window(self):
        """Reports before the scan response are hidden with it; a window without one shows the advertiser."""
        first, second, err = self.shown("--deny", "name:Ruuvi*")
        self.assertEqual((first, second), ({self.ONE, self.TWO}, {self.NAMED}))
        self.assertIn("3 reports hidden by --deny name:Ruuvi*", err)
        first, second, err = self.shown("--allow", "name:Ruuvi*")
        self.assertEqual((first, second), ({self.NAMED}, set()))
        self.assertIn("3 reports hidden by no --allow", err)

    def test_deny_wins(self):
        listed = self.file("list", "# mine\naddress:c4:f7:*\n\nname:Ruuvi A1B2\n")
        first, _, err = self.shown("--allow", f"@{listed}", "--deny", f"address:{self.ONE}", "--deny", "uuid:ffff")
        self.assertEqual(first, {self.TWO, self.NAMED})
        self.assertIn(f"1 reports hidden by --deny address:{self.ONE}", err)
        self.assertNotIn("uuid:ffff", err)
        env = {"BLEPIPE_ALLOW": "uuid:feaa,name:Ruuvi*", "BLEPIPE_DENY": "name:Ruuvi*"}
        self.assertEqual(self.shown(env=env)[0], {self.ONE})

    def test_each_judges_a_report_alone(self):
        lines, err = replay("--each", "--allow", "name:Ruuvi*", capture=self.capture())
        self.assertEqual([line["event_type"] for line in lines], [4])
        self.assertIn("5 reports hidden by no --allow", err)

    def test_counters_tell_what_is_hidden(self):
        metrics = self.folder / "metrics"
        name = 'name:"R\\*'
        with Tool("blescan", "--replay", "-", "--deny", "address:c4:f7:*", "--deny", name, "--allow", "name:Ruu*",
                  "--metrics", metrics) as tool:
            tool.write(self.capture())
            tool.line()  # the first window is over
            self.assertEqual(tool.stats()["hidden"], {"--deny address:c4:f7:*": 2, f"--deny {name}": 0, "no --allow": 0})
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
        text = metrics.read_text()
        self.assertIn('blepipe_hidden_total{tool="blescan",instance="metrics",by="no --allow"} 1\n', text)
        self.assertIn('by="--deny name:\\"R\\\\*"} 0\n', text)

    def test_a_mistyped_filter_is_64_and_named(self):
        for option in ("--allow", "--deny"):
            for text in ("c4:f7:*", "address:c4:f7", "uuid:feaz", "company:Ruuvi", "name:", "", "nome:x", "name:a\tb"):
                code, _, err = run("blescan", "--replay", "-", option, text, input=b"")
                self.assertEqual(code, 64, text)
                self.assertIn(option, err)
                self.assertIn("expected", err)
                if text.isprintable():
                    self.assertIn(f"'{text}'", err)
        code, _, err = run("blescan", "--replay", "-", input=b"", env={"BLEPIPE_DENY": "name:x,uuid:feaz"})
        self.assertEqual(code, 78)
        self.assertIn("'uuid:feaz'", err)

    def test_hostile_files_are_78_and_name_the_line(self):
        for content in (b"name:x\nuuid:feaz\n", b"name:x\n@/etc/passwd\n", b"name:x\n\0\xff\x1b[2J\n",
                        b"name:x\nname:" + b"*" * 100_000, b"name:x\n" + bytes(range(11, 256)) * 100):
            path = self.folder / "list"
            path.write_bytes(content)
            code, out, err = run("blescan", "--replay", "-", "--deny", f"@{path}", input=b"")
            self.assertEqual((code, out), (78, b""))
            self.assertIn(f"{path}, line 2: ", err)
            self.assertLess(len(err), 500)
        for path in (self.folder / "none", self.folder, pathlib.Path("/dev/zero")):
            self.assertEqual(run("blescan", "--replay", "-", "--deny", f"@{path}", input=b"")[0], 78)


if __name__ == "__main__":
    unittest.main()
