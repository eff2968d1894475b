"""What all tools promise alike: options, environment, exit codes, signals, counters, and what systemd hears."""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import tempfile
import termios
import time
import unittest

from harness import Broker, HttpServer, Notify, Tool, free_port, make_batches, source_path, standing, tool_path, wait_until
from harness.process import DEADLINE_S, run

TOOLS = ("blescan", "blesend", "blesub", "blerecv", "bleingest", "blews")
COUNTERS = ["in", "out", "dropped", "rejected", "torn", "queued", "oldest_ms"]
# One variable with a name of its own for each tool, a value it cannot have, and the word that must name it.
BAD_ENVIRONMENT = {
    "blescan": ("SCAN_DURATION", "soon"), "blesend": ("HTTP_TIMEOUT", "soon"), "blesub": ("BLEPIPE_KEEPALIVE", "0.5x"),
    "blerecv": ("BLEPIPE_MAX_CLIENTS", "many"), "bleingest": ("BLEPIPE_EVENT_TIMEOUT", "-1"), "blews": ("BLEPIPE_QUEUE", "long"),
}
# What each says of a SIGHUP, as it is started here.
RELOADED = {name: "SIGHUP: nothing to read again" for name in TOOLS} | {name: "the secrets are read again" for name in ("blesend", "blesub")}


def for_each_tool(test):
    def run_all(self):
        for name in TOOLS:
            with self.subTest(tool=name):
                test(self, name)
    return run_all


class Base(unittest.TestCase):
    """Each tool as it waits for work: its input is open and silent, its peer is there."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-common-")))
        self._peers = {}

    def peer(self, kind):
        if kind not in self._peers:
            self._peers[kind] = self.stack.enter_context(kind())
        return self._peers[kind]

    def words(self, name):
        if name == "blesend":
            return ["--mode", "http", "--url", self.peer(HttpServer).url]
        if name == "blesub":
            return ["--broker", "127.0.0.1", "--port", self.peer(Broker).port]
        return {"blescan": ["--replay", "-", "--device-id", "pi-test"], "blerecv": ["--port", "0"], "bleingest": ["--db", self.folder / "ble.db"],
                "blews": ["--port", "0"]}[name]

    def start(self, name, *words, **options):
        return self.stack.enter_context(Tool(name, *self.words(name), *words, **options))

    def started(self, name, *words, **options):
        """Ready, so it obeys signals."""
        tool = self.start(name, "--verbose", *words, **options)
        tool.wait_err("ready: ")
        return tool


class Words(Base):
    @for_each_tool
    def test_help_tells_every_common_option_and_the_manual(self, name):
        code, out, err = run(name, "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(run(name, "-h"), (0, out, ""))
        text = out.decode()
        self.assertTrue(text.startswith(name + ": "))
        self.assertIn("man " + name, text)
        for line in ("-n, --count N", "-v, --verbose", "-q, --quiet", "-h, --help", "-V, --version", "    --check",
                     "    --run-for SECONDS", "    --stats SECONDS", "    --metrics FILE"):
            self.assertIn("\n  " + line, text)
        for line in text.splitlines():
            self.assertNotRegex(line, r"\s$")

    @for_each_tool
    def test_pages_name_the_same_short_options_as_the_help(self, name):
        _, out, _ = run(name, "--help")
        told = set(re.findall(r"^  -([A-Za-z]), --([a-z-]+)", out.decode(), re.M))
        with open(source_path("man", name + ".1"), encoding="utf-8") as page:
            written = set(re.findall(r"^\.It Fl ([A-Za-z]) , Fl -([a-z-]+)", page.read(), re.M))
        self.assertEqual(told, written)

    @for_each_tool
    def test_version(self, name):
        code, out, err = run(name, "--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out.decode(), rf"^{name} \(blepipe\) \d+\.\d+\.\d+\n$")
        self.assertEqual(run(name, "-V"), (0, out, ""))

    @for_each_tool
    def test_help_that_cannot_be_written_is_74(self, name):
        for word in ("--help", "--version"):
            with open("/dev/full", "wb") as full:
                tool = self.stack.enter_context(Tool(name, word, stdin=None, stdout=full))
                self.assertEqual(tool.wait(), 74)

    @for_each_tool
    def test_an_unknown_option_is_64_and_named(self, name):
        code, out, err = run(name, *self.words(name), "--no-such-option")
        self.assertEqual((code, out), (64, b""))
        self.assertTrue(err.startswith(name + ": "), err)
        self.assertIn("--no-such-option", err)
        self.assertIn(f"{name} --help", err)

    @for_each_tool
    def test_a_wrong_value_is_64_and_names_the_option_and_the_value(self, name):
        for option, value in (("--count", "-1"), ("-n", "1.5"), ("--count", ""), ("--run-for", "soon"), ("--stats", "nan"),
                              ("--run-for", "1e300"), ("--run-for=", None)):
            code, out, err = run(name, *self.words(name), *([option] if value is None else [option, value]))
            self.assertEqual((code, out), (64, b""), (option, value))
            self.assertIn({"-n": "--count"}.get(option, option).rstrip("="), err)
            self.assertIn(value or "", err)

    @for_each_tool
    def test_a_flag_takes_only_true_and_false(self, name):
        code, _, err = run(name, *self.words(name), "--check=maybe")
        self.assertEqual(code, 64, err)
        self.assertEqual(run(name, *self.words(name), "--check=true")[0], 0)

    @for_each_tool
    def test_a_wrong_environment_is_78_and_named(self, name):
        for variable, value in (BAD_ENVIRONMENT[name], ("BLEPIPE_COUNT", "few"), ("BLEPIPE_STATS", "often"),
                                ("BLEPIPE_CHECK", "perhaps"), ("LOG_LEVEL", "loud\x1b[31m")):
            code, out, err = run(name, *self.words(name), env={variable: value})
            self.assertEqual((code, out), (78, b""), err)
            self.assertIn(variable, err)
            self.assertIn(value.split("\x1b")[0], err)
            self.assertNotIn("\x1b", err)

    @for_each_tool
    def test_the_command_line_goes_before_a_wrong_environment_and_an_empty_one_is_none(self, name):
        self.assertEqual(run(name, *self.words(name), "--check", "--count", "1", env={"BLEPIPE_COUNT": "few"})[0], 0)
        self.assertEqual(run(name, *self.words(name), "--check", env={"BLEPIPE_COUNT": "", "LOG_LEVEL": ""})[0], 0)

    @for_each_tool
    def test_check_connects_to_nothing_and_leaves_nothing(self, name):
        with socket.socket() as taken:  # listening there fails, connecting there succeeds and is noticed
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            taken.setblocking(False)
            port = taken.getsockname()[1]
            words = {"blesend": ["--mode", "http", "--url", f"http://127.0.0.1:{port}"],
                     "blesub": ["--broker", "127.0.0.1", "--port", port], "blerecv": ["--port", port],
                     "blews": ["--port", port], "blescan": ["--replay", "/nonexistent/capture"],
                     "bleingest": ["--db", "ble.db"]}[name]
            tool = self.stack.enter_context(Tool(name, *words, "--check", "--metrics", "counters", cwd=self.folder))
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertRaises(BlockingIOError, taken.accept)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertEqual(tool.lines(), [])

    @for_each_tool
    def test_language_and_time_zone_change_nothing(self, name):
        elsewhere = {"LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}
        self.assertEqual(run(name, "--help", env=elsewhere), run(name, "--help"))
        self.assertEqual(run(name, *self.words(name), "--check", "--run-for", "0.5", env=elsewhere)[0], 0)


class Standing(Base):
    @for_each_tool
    def test_sigterm_and_sigint_end_it_with_0(self, name):
        for number in (signal.SIGTERM, signal.SIGINT):
            tool = self.started(name)
            tool.signal(number)
            self.assertEqual(tool.wait(), 0, tool.err)

    @for_each_tool
    def test_run_for_ends_it_with_0_and_a_count_not_reached_is_75(self, name):
        self.assertEqual(self.start(name, "--run-for", "0.2").wait(), 0)
        self.assertEqual(self.start(name, "--run-for", "200ms", "--count", "1").wait(), 75)
        self.assertEqual(self.start(name, "--run-for", "0.0001").wait(), 0)  # short, but not never

    @for_each_tool
    def test_counters_on_sigusr1_and_stats(self, name):
        tool = self.started(name, "--quiet", "--stats", "0.05")
        self.assertEqual(list(tool.stats()), ["tool", *COUNTERS])
        self.assertEqual(tool.stats()["tool"], name)
        wait_until(lambda: tool.err.count('"oldest_ms"') > 4, "counters by the clock")
        for line in tool.err.splitlines():
            self.assertTrue(line.startswith(name + ": "), line)

    @for_each_tool
    def test_metrics_are_a_prometheus_text_file(self, name):
        kinds = {n + "_total": "counter" for n in COUNTERS if n not in ("queued", "oldest_ms")}
        # A number that a tool has not is no metric: 0 would say that nothing waits.
        kinds |= {gauge: "gauge" for gauge, tools in (("queued", "blesend blesub blerecv bleingest blews"), ("oldest_seconds", "blesend blesub blerecv"))
                  if name in tools.split()}
        path = self.folder / (name + ".prom")
        tool = self.started(name, "--metrics", path)
        wait_until(path.exists, "the first metrics")  # from the start: a scraper finds them at once
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        text = path.read_text(encoding="ascii")
        for member, kind in kinds.items():
            self.assertIn(f"# TYPE blepipe_{member} {kind}\n", text)
            self.assertRegex(text, f'\nblepipe_{member}{{tool="{name}",instance="{name}"}} 0(\\.000)?\n')
        self.assertEqual("blepipe_queued" in text, "queued" in kinds)
        self.assertEqual("blepipe_oldest" in text, "oldest_seconds" in kinds)
        self.assertRegex(text, f'\nblepipe_build_info{{tool="{name}",instance="{name}",version="[0-9.]+"}} 1\n')
        self.assertEqual("blepipe_connected" in text, name in ("blesend", "blesub"))
        self.assertEqual("blepipe_capacity" in text, name == "blesend")
        self.assertEqual("blepipe_conflicts" in text, name == "bleingest")
        self.assertNotIn("radio_silence", text)  # a capture is no radio
        started = re.search(r"\nblepipe_start_timestamp_seconds{[^}]*} ([0-9]+)\n", text)
        self.assertLess(abs(int(started[1]) - time.time()), DEADLINE_S)
        self.assertNotIn("last_out", text)  # nothing was handed on
        self.assertNotIn("newest_window", text)
        self.check_with_promtool(text)
        self.assertFalse(pathlib.Path(f"{path}.new").exists())

    def check_with_promtool(self, text):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_metrics_tell_two_instances_apart_and_when_something_was_delivered(self):
        with HttpServer() as server:
            texts = []
            for words in (["--metrics", self.folder / "pi.prom"], ["--metrics", self.folder / "x", "--instance", 'a "b"']):
                tool = self.stack.enter_context(Tool("blesend", "--mode", "http", "--url", server.url, *words))
                tool.write("".join(batch + "\n" for batch in make_batches(2)))
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0, tool.err)
                texts.append(words[1].read_text(encoding="utf-8"))
        self.assertIn('blepipe_out_total{tool="blesend",instance="pi"} 2\n', texts[0])
        self.assertIn('blepipe_connected{tool="blesend",instance="pi"} 1\n', texts[0])
        self.assertIn('blepipe_capacity{tool="blesend",instance="pi"} 100\n', texts[0])
        self.assertIn('blepipe_out_total{tool="blesend",instance="a \\"b\\""} 2\n', texts[1])
        told = re.search(r"\nblepipe_last_out_timestamp_seconds{[^}]*} ([0-9]+)\n", texts[0])
        self.assertLess(abs(int(told[1]) - time.time()), DEADLINE_S)
        for text in texts:
            self.check_with_promtool(text)

    @for_each_tool
    def test_metrics_that_cannot_be_written_are_said_and_stop_nothing(self, name):
        (self.folder / "folder").mkdir(exist_ok=True)
        for path in (self.folder / "none" / "counters", self.folder / "folder", "/dev/full/counters"):
            tool = self.started(name, "--metrics", path)
            tool.wait_err(f"unable to write metrics to {path}: ")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)
        self.assertFalse((self.folder / "folder.new").exists())

    @for_each_tool
    def test_quiet_and_log_level(self, name):
        tool = self.start(name, "--quiet", "--run-for", "0.2")
        self.assertEqual(tool.wait(), 0)
        self.assertEqual(tool.err, "")
        tool = self.start(name, "--run-for", "0.2", env={"LOG_LEVEL": "DEBUG"})
        self.assertEqual(tool.wait(), 0)
        self.assertIn("ready: ", tool.err)


    def test_counters_asked_for_too_early_come_when_there_are_any(self):
        key = self.folder / "key"
        os.mkfifo(key)  # its start lasts until somebody writes a key there
        tool = self.start("blescan", "--hash-key", key)
        fd = os.open(key, os.O_WRONLY)  # it has come so far
        tool.signal(signal.SIGUSR1)
        os.write(fd, b"0123456789abcdef")
        os.close(fd)
        tool.wait_err('"oldest_ms"')
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)


class Service(Base):
    def notify(self, watchdog_us=0):
        return self.stack.enter_context(Notify(watchdog_us))

    @for_each_tool
    def test_systemd_hears_ready_and_stopping(self, name):
        notify = self.notify()
        tool = self.start(name, env=notify.env)
        self.assertRegex(notify.until("READY")[-1], r"^READY=1\nSTATUS=.")
        tool.signal(signal.SIGTERM)
        self.assertEqual([s for s in notify.until("STOPPING=1") if "READY" in s], [])
        self.assertEqual(tool.wait(), 0, tool.err)

    def test_a_peer_that_is_not_there_keeps_nobody_from_being_ready(self):
        words = {"blesend": ["--mode", "http", "--url", f"http://127.0.0.1:{free_port()}"],
                 "blesub": ["--broker", "127.0.0.1", "--port", free_port()]}
        for name, argv in words.items():
            with self.subTest(tool=name):
                notify = self.notify()
                tool = self.stack.enter_context(Tool(name, *argv, env=notify.env))
                tool.write("")
                self.assertEqual(sum("READY" in s for s in notify.until(", next try in ")), 1)
                tool.signal(signal.SIGTERM)
                notify.until("STOPPING=1")
                tool.wait()

    @for_each_tool
    def test_sighup_ends_nothing_and_a_reload_is_said(self, name):
        tool = self.started(name)
        tool.signal(signal.SIGHUP)
        tool.wait_err(RELOADED[name])
        self.assertEqual(tool.stats()["tool"], name)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)

    def typed(self, name, on_hang_up=signal.SIG_DFL):
        """Ready, as the leader of a terminal's session; and the terminal's other end."""
        main, terminal = pty.openpty()

        def take_terminal():
            signal.signal(signal.SIGHUP, on_hang_up)
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        out = self.stack.enter_context(tempfile.TemporaryFile())
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        tool = subprocess.Popen([tool_path(name), *map(str, self.words(name)), "--verbose"], stdin=reader, stdout=out, stderr=terminal,
                                start_new_session=True, preexec_fn=take_terminal, cwd=self.folder)
        self.addCleanup(tool.kill)
        os.close(reader)
        os.close(terminal)
        said = b""
        while b"ready: " not in said:
            said += os.read(main, 4096)
        return tool, main

    @for_each_tool
    def test_a_terminal_that_is_closed_ends_what_was_typed_there(self, name):
        tool, main = self.typed(name)
        os.close(main)  # the kernel sends SIGHUP
        self.assertEqual(tool.wait(DEADLINE_S), 0)

    def test_but_not_with_nohup(self):
        tool, main = self.typed("blerecv", signal.SIG_IGN)
        os.close(main)
        tool.send_signal(signal.SIGHUP)
        status = pathlib.Path(f"/proc/{tool.pid}/status")
        wait_until(lambda: "ShdPnd:\t" + 16 * "0" in status.read_text(encoding="ascii"), "the signal to be taken")
        tool.send_signal(signal.SIGUSR1)
        wait_until(lambda: "ShdPnd:\t" + 16 * "0" in status.read_text(encoding="ascii"), "the next signal to be taken")
        self.assertIsNone(tool.poll())
        tool.terminate()
        self.assertEqual(tool.wait(DEADLINE_S), 0)

    @for_each_tool
    def test_the_watchdog_is_fed_while_there_is_nothing_to_do(self, name):
        notify = self.notify(watchdog_us=100_000)
        self.start(name, env=notify.env)
        notify.fed(5)

    def test_a_stalled_reader_is_no_reason_for_the_watchdog(self):
        notify = self.notify(watchdog_us=100_000)
        tool = self.stack.enter_context(
            Tool("blescan", "--replay", source_path("examples", "sample.btsnoop"), "--each", env=notify.env))
        wait_until(lambda: standing(tool.process.stdout) >= 4096, "the pipe to fill")
        notify.fed(5)

    def test_the_watchdog_of_another_process_is_not_ours(self):
        notify = self.notify(watchdog_us=50_000)
        tool = self.start("blews", "--run-for", "0.5", env={**notify.env, "WATCHDOG_PID": str(os.getpid())})
        self.assertEqual([s for s in notify.until("STOPPING=1") if "WATCHDOG" in s], [])
        self.assertEqual(tool.wait(), 0)

    def journal(self, name, stream):
        """Runs the tool with its stderr on a file as JOURNAL_STREAM may tell."""
        script = 'exec 2>err; JOURNAL_STREAM=$(stat -Lc %d:%i ' + stream + ') exec "$@"'
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "other").touch()
        tool = self.stack.enter_context(Tool("/bin/sh", "-c", script, "sh", tool_path(name), *self.words(name), "--verbose",
                                             "--run-for", "0.2", "--stats", "0.05", cwd=folder))
        tool.write("")
        self.assertEqual(tool.wait(), 0)
        return (folder / "err").read_text(encoding="utf-8").splitlines()

    @for_each_tool
    def test_lines_have_their_priority_when_stderr_is_the_journal(self, name):
        lines = self.journal(name, "err")
        for line in lines:
            self.assertRegex(line, rf"^<[3-7]>{name}: .")
        self.assertTrue([line for line in lines if re.match(rf"<7>{name}: ready", line)], lines)
        # Counters that were asked for are no alarm.
        self.assertTrue([line for line in lines if line.startswith(f'<5>{name}: {{"tool"')], lines)

    @for_each_tool
    def test_and_none_when_it_is_something_else(self, name):
        for line in self.journal(name, "other"):
            self.assertTrue(line.startswith(name + ": "), line)


class Descriptors(Base):
    def test_batches_are_not_safe_on_a_closed_standard_output(self):
        sample = source_path("examples", "sample.btsnoop")
        for name, words in (("blescan", ["--replay", sample]), ("blesub", self.words("blesub"))):
            with self.subTest(tool=name):
                tool = self.stack.enter_context(Tool(name, *words, preexec_fn=lambda: os.close(1)))
                if name == "blesub":
                    tool.wait_err("subscribed")
                    subprocess.run(["mosquitto_pub", "-p", str(self.peer(Broker).port), "-q", "1", "-t", "tfg/detections/raw",
                                    "-m", make_batches(1)[0]], check=True)
                self.assertEqual(tool.wait(), 74)
                self.assertIn("Bad file descriptor", tool.err)

    @for_each_tool
    def test_a_closed_standard_error_stops_nothing(self, name):
        tool = self.start(name, "--run-for", "0.2", preexec_fn=lambda: os.close(2))
        self.assertEqual(tool.wait(), 0)


if __name__ == "__main__":
    unittest.main()
