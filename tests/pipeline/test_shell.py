"""The commands behave in a shell as commands do: head ends them quietly, jq reads every stage, end of input is the end."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import (DEADLINE_S, Broker, Database, Tool, free_port, make_batches, pipeline, source_path, wait_port,
                     wait_until)

CAPTURE = source_path("examples", "sample.btsnoop")


class Shell(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-shell-")))

    def shell(self, script, input=""):
        """Runs a script with bash: (exit status, stdout, stderr)."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MQTT_", "HTTP_", "DEVICE_"))}
        environment["PATH"] = os.environ["BLEPIPE_BIN"] + ":" + environment["PATH"]
        environment["BLEPIPE_HASH_KEY"] = "0123456789abcdef0123456789abcdef"  # without a key blescan says so
        done = subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=self.folder, env=environment, input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_head_ends_a_replay_quietly(self):
        for what in ("--each", "--window 1"):
            with self.subTest(what):
                code, out, err = self.shell(f"blescan --replay {CAPTURE} --device-id pi-shell {what} --quiet | head -1")
                self.assertEqual(len(out.splitlines()), 1)
                json.loads(out)
                self.assertEqual(err, "")
                self.assertEqual(code, 0)

    def test_head_ends_bleingest_and_all_is_stored(self):
        lines = make_batches(3000)
        (self.folder / "input").write_text("\n".join(lines) + "\n", encoding="ascii")
        code, out, err = self.shell("bleingest --quiet --db ble.db <input | head -1")
        self.assertEqual(len(out.splitlines()), 1)
        self.assertIn((code, err), ((0, ""), (74, "bleingest: the reader of standard output is gone\n")))
        code, _, err = self.shell("bleingest --quiet --db ble.db <input >/dev/null")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(Database(self.folder / "ble.db").count(), 3000)

    def test_jq_reads_every_stage(self):
        scan = f"blescan --replay {CAPTURE} --device-id pi-shell --window 2 --quiet"
        batches = int(self.shell(f"{scan} | wc -l")[1])
        self.assertGreater(batches, 20)
        stages = [(f"{scan} --each | jq -e .rssi | wc -l", None), (f"{scan} | jq -e .seq | wc -l", batches),
                  (f"{scan} | bleingest --quiet --db ble.db | jq -e .data.seq | wc -l", batches),
                  (f"{scan} | jq -c 'select(.seq % 2 == 0)' | bleingest --quiet --db half.db | "
                   "jq 'select(.type == \"detection_event\") | .data.seq' | wc -l", (batches + 1) // 2)]
        for script, expected in stages:
            with self.subTest(script):
                code, out, err = self.shell(script)
                self.assertEqual((code, err), (0, ""))
                if expected is not None:
                    self.assertEqual(int(out), expected)

    def test_jq_reads_the_receivers_and_the_broadcaster(self):
        broker = self.stack.enter_context(Broker())
        lines = make_batches(5)
        sub, jq = pipeline(self.stack, ["blesub", "--host", "127.0.0.1", "--port", broker.port, "--ack", "received",
                                        "--count", 5], ["jq", "--unbuffered", "-c", ".seq"])
        wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
        port = free_port()
        recv, recv_jq = pipeline(self.stack, ["blerecv", "--port", port, "--count", 5], ["jq", "--unbuffered", "-c", ".seq"])
        wait_port(port)
        for target in (["--port", broker.port, "--host", "127.0.0.1"], ["--url", f"http://127.0.0.1:{port}"]):
            sender = self.stack.enter_context(Tool("blesend", *target))
            sender.write("\n".join(lines) + "\n")
            sender.close_stdin()
            self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(jq.lines(), [b"0", b"1", b"2", b"3", b"4"])
        self.assertEqual(recv_jq.lines(), [b"0", b"1", b"2", b"3", b"4"])
        self.assertEqual((sub.wait(), recv.wait()), (0, 0), sub.err + recv.err)

    def test_end_of_input_ends_every_tool_with_0(self):
        (self.folder / "batches").write_text("\n".join(make_batches(3)) + "\n", encoding="ascii")
        broker = self.stack.enter_context(Broker())
        sub = self.stack.enter_context(Tool("blesub", "--host", "127.0.0.1", "--port", broker.port))  # or nobody subscribes
        wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
        receiver = free_port()
        recv = self.stack.enter_context(Tool("blerecv", "--port", receiver, stdout=self.stack.enter_context(
            open(self.folder / "received", "wb"))))
        wait_port(receiver)
        for command in (f"blescan --replay - <{CAPTURE}", "bleingest <batches", "bleingest <batches | blews --port 0",
                        "blews --port 0 </dev/null", "bleingest </dev/null",
                        f"blesend --url mqtt://127.0.0.1:{broker.port} </dev/null",
                        f"blesend --url http://127.0.0.1:{receiver} <batches"):
            with self.subTest(command):
                code, _, err = self.shell(command)
                self.assertEqual(code, 0, err)
        self.assertTrue(sub.running() and recv.running())
        self.assertEqual(len((self.folder / "received").read_text(encoding="ascii").splitlines()), 3)

    def test_the_examples_of_the_line_format_run(self):
        page = subprocess.run(["mandoc", "-T", "utf8", source_path("man", "blepipe-batch.5")], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        page = re.sub(".\b", "", page)  # overstruck bold
        section = page[page.index("\nEXAMPLES"):page.index("\nSEE ALSO")] + "\n"
        examples = [re.sub(r"\n +", "\n", text) for text in re.findall(r"\n +(jq (?:.|\n)*?)\n\n", section)]
        self.assertEqual(len(examples), 7)
        lines = make_batches(2)
        gap = '{"format":1,"device_id":"pi-test","run_id":"r","gap":{"from_seq":3,"to_seq":7,"reason":"buffer_full"}}'
        event = '{"type":"detection_event","data":' + lines[1] + "}"
        rejected = json.dumps({"time": "2026-11-22T06:30:10.000Z", "reason": "disk", "line": lines[0]})
        (self.folder / "bleingest.rejected.ndjson").write_text(rejected + "\n", encoding="ascii")

        expected = iter([
            (lines, r"pi-test 2026-11-22T00:00 3\npi-test 2026-11-22T00:00 3\n"),
            (lines + [gap], r"(pi-test\t2026\S+\t-\d+\t(near|medium|far)\t[0-9a-f]{64}\n){6}"),
            (lines + [gap], r'({"rssi":-4\d,"device_hash":"[0-9a-f]{64}"}\n){2}'),
            (lines + [gap], r'({.*"detections":\[{[^{}]*"near"[^{}]*}\]}\n){2}{.*"gap":.*\n'),
            (lines + [gap], r"pi-test lost 5: buffer_full\n"),
            ([event, '{"type":"lagged","data":{"missed":1}}'], r"pi-test 3\n"),
            ([], r'{"type":"detection_event".*\n')])
        for example in examples:
            given, pattern = next(expected)
            with self.subTest(example):
                code, out, err = self.shell(example.replace("| bleingest", "| bleingest --quiet"),
                                            "".join(line + "\n" for line in given))
                self.assertEqual((code, err), (0, ""))
                self.assertRegex(out, f"^{pattern}$")


if __name__ == "__main__":
    unittest.main()
