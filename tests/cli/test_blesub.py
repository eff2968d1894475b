"""blesub against a real broker, and against one that misbehaves on purpose."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import Broker, MqttServer, TlsBrokers, Tool, run_past_pipe_quota, standing, wait_until
from harness.process import run

TOPIC = "tfg/detections/raw"


def batch(number):
    return json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": number, "detections": []}).encode()


def seqs(lines):
    return [json.loads(line)["seq"] for line in lines]


def publish(broker, *payloads, version="5", topic=TOPIC, retain=False):
    """One message each, at QoS 1; returns when the broker has acknowledged all of them."""
    for payload in payloads:
        subprocess.run(["mosquitto_pub", "-V", "mqttv" + version.replace(".", ""), "-p", str(broker.port), "-q", "1", "-t",
                        topic, *(["-r"] if retain else []), *(["-s"] if payload else ["-n"])], input=payload, check=True)


def publish_lines(broker, payloads, topic=TOPIC):
    subprocess.run(["mosquitto_pub", "-V", "mqttv5", "-p", str(broker.port), "-q", "1", "-t", topic, "-l"],
                   input=b"".join(p + b"\n" for p in payloads), check=True)


def acknowledged(broker, client="backend"):
    return broker.log_text().count(f"Received PUBACK from {client} ")


def subscribe(broker, *words, ready=True, **options):
    tool = Tool("blesub", "--host", "127.0.0.1", "--port", broker.port, *words, **options)
    if ready:
        tool.wait_err("subscribed to")
    return tool


def back(broker, *words, **options):
    """The session goes on: a message that waits comes before the subscription is confirmed, so that is not waited for."""
    return subscribe(broker, *words, ready=False, **options)


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        code, out, _ = run("blesub", "--help")
        self.assertEqual(code, 0)
        self.assertIn(b"--client-id", out)
        code, out, _ = run("blesub", "--version")
        self.assertEqual((code, out.split()[0]), (0, b"blesub"))

    def test_says_what_is_wrong_on_the_command_line(self):
        for words, said in [(["--nonsense"], "--nonsense"), (["--ack", "maybe"], "--ack"), (["--port", "0"], "--port"),
                            (["--url", "http://host"], "mqtt://"), (["--url", "mqtt://u:secret@host"], "--password-file"),
                            (["--url", "mqtt://a", "--host", "b"], "--broker"), (["--host", "a,b:x"], "1 to 65535"), (["--host", "a,"], "no host"),
                            (["--url", "mqtt://a", "--url", "mqtts://b"], "TLS"), (["--url", "mqtt://a/t", "--url", "mqtt://b/u"], "--topic"),
                            (["--host", "mqtt://a"], "--url"), (["--topic", "a/#/b"], "#"), (["--topic", ""], "topic"),
                            (["--topic", "a\u0085"], "topic"), (["--client-id", "a\n"], "client id"),
                            (["--share", "a/b"], "--share"), (["--share", ""], "empty"), (["--share", "g{shard}", "--shards", "0"], "'{'"),
                            (["--share", "a\n"], "MQTT does not allow"), (["--share", "a\udcff"], "not UTF-8"), (["--share", "a" * 65000], "65000"),
                            (["--shards", "0-g"], "0-4,a"), (["--shards", "0", "--topic", "a/+"], "{shard}"),
                            (["--topic", "a/{shard}/+"], "--shards"), (["--topic", "a/{shard}/{shard}", "--shards", "0"], "once"), (["--key", "/dev/null"], "--cert"),
                            (["--cafile", "/nonexistent"], "/nonexistent"), (["--keepalive", "4"], "--keepalive"), (["--window", "0"], "--window"),
                            (["--insecure", "--cafile", "/dev/null"], "--insecure"),
                            (["--confirm", "--ack", "received"], "leave out one")]:
            with self.subTest(words=words):
                host = [] if "--host" in words or "--url" in words else ["--host", "localhost"]
                code, out, err = run("blesub", "--check", *host, *words)
                self.assertEqual((code, out), (64, b""), err)
                self.assertIn(said, err)
                self.assertNotIn("secret", err)

    def test_says_what_is_wrong_in_the_environment(self):
        for name, value in [("MQTT_PORT", "many"), ("MQTT_BROKER", "a b"), ("MQTT_TOPIC", "a/b#"), ("BLEPIPE_ACK", "no"),
                            ("MQTT_PASSWORD_FILE", "/nonexistent"), ("MQTT_PASSWORD", "word"), ("BLEPIPE_URL", "x")]:
            with self.subTest(name=name):
                code, _, err = run("blesub", "--check", env={"MQTT_BROKER": "localhost", name: value})
                self.assertEqual(code, 78, err)

    def test_without_a_broker_it_says_what_to_set(self):
        code, _, err = run("blesub")
        self.assertEqual(code, 78)
        for name in ("--broker", "--url", "MQTT_BROKER"):
            self.assertIn(name, err)

    def test_check_connects_to_nothing(self):
        code, out, err = run("blesub", "--check", "--host", "host.invalid")
        self.assertEqual((code, out, err), (0, b"", ""))

    def test_only_false_disables_it(self):
        code, out, err = run("blesub", env={"MQTT_ENABLED": "false"})
        self.assertEqual((code, out), (0, b""))
        self.assertIn("MQTT_ENABLED", err)
        self.assertEqual(run("blesub", env={"MQTT_ENABLED": "no"})[0], 78)

    def test_a_pipe_too_small_for_a_promise(self):
        code, err = run_past_pipe_quota("blesub", "--host", "localhost")
        self.assertEqual(code, 71, err)
        self.assertIn("pipe-user-pages-soft", err)


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def check(self, payloads, lines, *words, **options):
        """A last batch ends it: what is checked came before."""
        with subscribe(self.broker, "--topic", f"t/{self.id()}", *words, **options) as tool:
            publish(self.broker, *payloads, batch(999), topic=f"t/{self.id()}")
            for line in lines:
                self.assertEqual(tool.line(), line)
            self.assertEqual(tool.line(), batch(999))
            return wait_until(lambda: (stats := tool.stats())["queued"] == 0 and stats, "the last PUBACK")

    def test_bytes_pass_unchanged(self):
        odd = '{"device_id":"pi-1", "x":  "é\\u00e9\t", "detections":[]}'.encode()
        counters = self.check([odd], [odd])
        self.assertEqual((counters["in"], counters["out"], counters["rejected"]), (2, 2, 0))

    def test_both_protocol_versions_both_ways(self):
        for ours in ("5", "3.1.1"):
            for theirs in ("5", "3.1.1"):
                topic = f"t/{ours}/{theirs}"
                with subscribe(self.broker, "--topic", topic, "--mqtt-version", ours, "--count", "1") as tool:
                    self.assertIn(f"(MQTT {ours})", tool.err)
                    publish(self.broker, batch(1), version=theirs.replace(".", ""), topic=topic)
                    self.assertEqual(seqs(tool.lines()), [1])
                    self.assertEqual(tool.wait(), 0)

    def test_several_batches_in_one_message_are_lines_of_their_own(self):
        self.check([batch(1) + b"\n" + batch(2) + b"\r\n\n" + batch(3) + b"\n"], [batch(1), batch(2), batch(3)])

    def test_line_breaks_inside_a_batch_become_blanks(self):
        self.check([b'{"a":\r\n1,\n"b":2}'], [b'{"a":  1, "b":2}'])

    def test_empty_messages_are_skipped(self):
        self.check([b"", b"\n", b" \r\n"], [])

    def test_what_is_longer_than_a_line_may_be_goes_to_the_reject_file(self):
        longest = b'{"x":"' + b"y" * (512_000 - 8) + b'"}'
        with tempfile.TemporaryDirectory() as folder:
            counters = self.check([longest, longest + b" "], [longest], cwd=folder)
            self.assertEqual(counters["rejected"], 1)
            with open(os.path.join(folder, "blesub.rejected.ndjson"), encoding="utf-8") as f:
                record = json.loads(f.read())
            self.assertEqual(len(record["line"]), 512_001)
            self.assertIn("512000", record["reason"])

    def test_retained_messages_are_passed_on(self):
        publish(self.broker, batch(7), topic="t/retained", retain=True)
        with subscribe(self.broker, "--topic", "t/retained", "--count", "1") as tool:
            self.assertEqual(seqs(tool.lines()), [7])

    def test_wildcards(self):
        with subscribe(self.broker, "--topic", "t/wild/+/raw/#", "--count", "2") as tool:
            publish(self.broker, batch(1), topic="t/wild/a/raw")
            publish(self.broker, batch(2), topic="t/wild/b/raw/c")
            self.assertEqual(sorted(seqs(tool.lines())), [1, 2])

    def test_a_shared_subscription_divides_the_messages(self):
        with subscribe(self.broker, "--topic", "t/share", "--share", "g") as one, \
                subscribe(self.broker, "--topic", "t/share", "--share", "g") as two:
            publish_lines(self.broker, [batch(i) for i in range(40)], topic="t/share")
            got = []

            def all_there():
                for tool in (one, two):
                    if standing(tool.process.stdout) > 0:  # whole lines
                        got.extend((tool.pid, line) for line in tool.process.stdout.read1().splitlines())
                return len(got) >= 40
            wait_until(all_there, "all messages")
            self.assertEqual(sorted(seqs(line for _, line in got)), list(range(40)))
            self.assertEqual({pid for pid, _ in got}, {one.pid, two.pid})

    def test_one_that_joins_a_group_gets_its_part_only(self):
        for topic, shards in (("t/join", ()), ("t/join/{shard}", ("--shards", "0"))):
            words = ["--topic", topic, *shards, "--client-id", f"joins-{len(shards)}"]
            with self.subTest(topic=topic), subscribe(self.broker, *words) as tool:
                tool.signal(signal.SIGTERM)
                self.assertEqual(tool.wait(), 0, tool.err)
            sent = [batch(i) for i in range(10)]
            with subscribe(self.broker, *words, "--share", "g") as tool:
                publish_lines(self.broker, [*sent, batch(99)], topic=topic.replace("{shard}", "0"))
                got = [tool.line() for _ in range(11)]
                self.assertEqual(seqs(got), [*range(10), 99])

    def test_shards_part_the_messages_and_may_be_chosen_anew(self):
        words = ["--topic", "t/{shard}/x", "--client-id", "shards", "--count", "3"]
        for shards, wanted in (("0-2", [0, 1, 2]), ("2,f", [2, 15]), ("0-f", list(range(16)))):
            words[-1] = str(len(wanted))
            with subscribe(self.broker, *words, "--shards", shards) as tool:
                for number, shard in enumerate("0123456789abcdef"):
                    publish(self.broker, batch(number), topic=f"t/{shard}/x")
                self.assertEqual(sorted(seqs(tool.lines())), wanted)
                self.assertEqual(tool.wait(), 0, tool.err)

    def test_count_ends_it_and_leaves_the_rest(self):
        topic = "t/count"
        words = ["--topic", topic, "--client-id", "counting", "--count", "2"]
        with subscribe(self.broker, *words) as tool:
            publish_lines(self.broker, [batch(i) for i in range(5)], topic=topic)
            self.assertEqual(seqs(tool.lines()), [0, 1])
            self.assertEqual(tool.wait(), 0)
        with back(self.broker, *words) as tool:
            self.assertEqual(seqs(tool.lines()), [2, 3])
            self.assertEqual(tool.wait(), 0)

    def test_run_for(self):
        with subscribe(self.broker, "--topic", "t/none", "--run-for", "100ms", ready=False) as tool:
            self.assertEqual(tool.wait(), 0)
        with subscribe(self.broker, "--topic", "t/none", "--run-for", "100ms", "--count", "1", ready=False) as tool:
            self.assertEqual(tool.wait(), 75)

    def test_url_names_everything(self):
        with Tool("blesub", "--url", f"mqtt://127.0.0.1:{self.broker.port}/t/url", "--count", "1") as tool:
            tool.wait_err("subscribed to t/url")
            publish(self.broker, batch(1), topic="t/url")
            self.assertEqual(seqs(tool.lines()), [1])
            self.assertEqual(tool.wait(), 0)

    def test_environment_names_of_the_first_implementation(self):
        env = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(self.broker.port), "MQTT_TOPIC": "t/env"}
        with Tool("blesub", env=env) as tool:
            tool.wait_err("subscribed to t/env")


class Acknowledgement(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.broker.start()
        self.addCleanup(self.broker.__exit__)
        self.words = ("--client-id", "backend")

    def waiting(self, tool):
        """Until a message stands in the pipe and blesub waits for its reader."""
        return wait_until(lambda: (stats := tool.stats())["queued"] >= 1 and stats, "a waiting message")

    def test_a_message_is_acknowledged_when_the_reader_has_consumed_it(self):
        with subscribe(self.broker, *self.words, "--window", "1") as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            self.waiting(tool)
            self.assertEqual((standing(tool.process.stdout), acknowledged(self.broker)), (len(batch(1)) + 1, 0))
            tool.process.stdout.read1(len(batch(1)))  # all but the LF
            self.assertEqual((standing(tool.process.stdout), acknowledged(self.broker)), (1, 0))
            self.assertEqual(tool.line(), b"")  # the LF
            self.assertEqual(tool.line(), batch(2))
            wait_until(lambda: acknowledged(self.broker) == 2, "both PUBACKs")

    def test_several_batches_of_one_message_are_acknowledged_with_the_last(self):
        with subscribe(self.broker, *self.words) as tool:
            publish(self.broker, batch(1) + b"\n" + batch(2))
            self.waiting(tool)
            tool.process.stdout.read1(len(batch(1)) + 1)
            self.assertEqual((standing(tool.process.stdout), acknowledged(self.broker)), (len(batch(2)) + 1, 0))
            tool.process.stdout.read1(len(batch(2)) + 1)
            wait_until(lambda: acknowledged(self.broker) == 1, "the PUBACK")

    def test_it_sleeps_while_nothing_happens(self):
        def used():
            with open(f"/proc/{tool.pid}/stat", encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with subscribe(self.broker, *self.words) as tool:
            before = used()
            time.sleep(1)
            self.assertLess(used() - before, 0.5)

    def test_received_acknowledges_at_once(self):
        with subscribe(self.broker, *self.words, "--ack", "received") as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            wait_until(lambda: acknowledged(self.broker) == 2, "both PUBACKs")
            self.assertEqual(standing(tool.process.stdout), 2 * len(batch(1)) + 2)

    def test_a_killed_blesub_has_not_acknowledged_what_waits(self):
        with subscribe(self.broker, *self.words) as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            self.waiting(tool)
            tool.signal(signal.SIGKILL)
            tool.wait()
        with back(self.broker, *self.words) as tool:
            self.assertEqual(seqs([tool.line(), tool.line()]), [1, 2])

    def test_reader_gone_while_a_message_waits(self):
        with subscribe(self.broker, *self.words) as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            self.waiting(tool)
            before = tool.err
            tool.process.stdout.close()
            self.assertEqual(tool.wait(), 74)
            self.assertEqual(tool.err, before)  # quiet, as any program in front of head
        self.assertEqual(acknowledged(self.broker), 0)
        with back(self.broker, *self.words) as tool:
            self.assertEqual(seqs([tool.line(), tool.line()]), [1, 2])

    def test_reader_gone_while_nothing_happens(self):
        with subscribe(self.broker, *self.words) as tool:
            tool.process.stdout.close()
            self.assertEqual(tool.wait(), 74)
        wait_until(lambda: "Received DISCONNECT from backend" in self.broker.log_text(), "a polite goodbye")

    def test_sigterm_while_nothing_waits_disconnects_politely(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with subscribe(self.broker, *self.words) as tool:
                tool.signal(number)
                self.assertEqual(tool.wait(), 0)
            log = self.broker.log_text()
            self.assertIn("Received DISCONNECT from backend", log)

    def test_sigterm_while_a_message_waits_gives_the_reader_time(self):
        with subscribe(self.broker, *self.words, "--window", "1") as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            self.waiting(tool)
            tool.signal(signal.SIGTERM)
            wait_until(lambda: tool.running(), "it to run on")
            self.assertEqual(tool.line(), batch(1))
            self.assertEqual(tool.wait(), 0)
            self.assertIsNone(tool.line())  # the second one is not begun
        with back(self.broker, *self.words) as tool:
            self.assertEqual(seqs([tool.line()]), [2])

    def test_sigterm_and_a_reader_that_never_reads(self):
        with subscribe(self.broker, *self.words) as tool:
            publish_lines(self.broker, [batch(1)])
            self.waiting(tool)
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)
        self.assertEqual(acknowledged(self.broker), 0)
        with back(self.broker, *self.words) as tool:
            self.assertEqual(seqs([tool.line()]), [1])

    def test_regular_file(self):
        with tempfile.TemporaryFile() as out:
            with subscribe(self.broker, *self.words, "--count", "3", stdout=out) as tool:
                publish_lines(self.broker, [batch(i) for i in range(3)])
                self.assertEqual(tool.wait(), 0)
            wait_until(lambda: acknowledged(self.broker) == 3, "all PUBACKs")
            out.seek(0)
            self.assertEqual(seqs(out), [0, 1, 2])

    def test_full_disk_is_said_and_nothing_acknowledged(self):
        with open("/dev/full", "wb") as full, subscribe(self.broker, *self.words, stdout=full) as tool:
            publish_lines(self.broker, [batch(1)])
            self.assertEqual(tool.wait(), 74)
            self.assertIn("No space left", tool.err)
        self.assertEqual(acknowledged(self.broker), 0)

    def test_dev_null(self):
        with subscribe(self.broker, *self.words, "--count", "2", stdout=None) as tool:
            publish_lines(self.broker, [batch(1), batch(2)])
            self.assertEqual(tool.wait(), 0)
            wait_until(lambda: acknowledged(self.broker) == 2, "both PUBACKs")

    def test_a_socket_cannot_promise(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with subscribe(self.broker, *self.words, stdout=theirs, ready=False) as tool:
                self.assertEqual(tool.wait(), 78)
            with subscribe(self.broker, *self.words, "--ack", "received", stdout=theirs) as tool:
                publish_lines(self.broker, [batch(1)])
                self.assertEqual(ours.recv(4096), batch(1) + b"\n")

    def test_a_torn_line_of_a_predecessor_does_not_glue_itself_to_a_good_one(self):
        reader, writer = os.pipe()
        with open(reader, "rb") as stream:
            os.write(writer, b'{"device_id":"pi-la')
            with subscribe(self.broker, *self.words, stdout=writer) as tool:
                os.close(writer)
                publish_lines(self.broker, [batch(1)])
                self.assertEqual(stream.readline(), b'{"device_id":"pi-la\n')
                self.assertEqual(stream.readline(), batch(1) + b"\n")
                wait_until(lambda: acknowledged(self.broker) == 1, "the PUBACK")
                self.assertTrue(tool.running())

    def test_killing_the_consumer_in_mid_stream_loses_nothing(self):
        total, window = 400, 20
        kills = (*range(20, total, 40), total)
        with tempfile.TemporaryDirectory() as folder:
            store = os.path.join(folder, "store")
            # Stores a batch before it takes the LF: what it has not stored is not consumed.
            consumer = (f"import os\nout = open({store!r}, 'ab', 0)\nline = b''\n"
                        "while byte := os.read(0, 1):\n"
                        "    line += byte\n"
                        "    if byte == b'}': out.write(line + b'\\n')\n"
                        "    if byte == b'\\n': line = b''\n")

            def stored():
                try:
                    with open(store, "rb") as f:
                        return [json.loads(line)["seq"] for line in f if line.endswith(b"}\n") and line.startswith(b"{")]
                except FileNotFoundError:
                    return []
            small = [f'{{"seq":{i}}}'.encode() for i in range(total)]
            with subscribe(self.broker, *self.words) as tool:
                tool.signal(signal.SIGTERM)
                tool.wait()
            publish_lines(self.broker, small)
            for kill_at in kills:
                reader, writer = os.pipe()
                with Tool("blesub", "--host", "127.0.0.1", "-p", self.broker.port, *self.words, "--window", str(window),
                          stdout=writer) as tool, \
                        Tool(sys.executable, "-c", consumer, stdin=reader) as eater:
                    os.close(reader)
                    os.close(writer)
                    wait_until(lambda: len(set(stored())) >= kill_at, f"{kill_at} batches")
                    eater.signal(signal.SIGKILL)
                    self.assertEqual(tool.wait(), 74)
            got = stored()
            self.assertEqual(sorted(set(got)), list(range(total)))
            self.assertLessEqual(len(got), total + len(kills) * window, "each kill repeats one window at most")

    def test_a_stall_longer_than_the_keepalive_loses_nothing(self):
        total = 60
        with subscribe(self.broker, *self.words, "--keepalive", "5") as tool:
            publish_lines(self.broker, [batch(i) for i in range(total)])
            self.waiting(tool)
            wait_until(lambda: "backend has exceeded timeout" in self.broker.log_text(), "the broker to close the session")
            got = []
            while len(set(got)) < total:
                got.append(json.loads(tool.line())["seq"])  # every line is whole
            self.assertEqual(sorted(set(got)), list(range(total)))
            self.assertLess(len(got), 2 * total)
            tool.wait_err("is lost")
            publish_lines(self.broker, [batch(total)])
            while got[-1] != total:
                got.append(json.loads(tool.line())["seq"])
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)
        with subscribe(self.broker, *self.words) as tool:  # nothing is left unacknowledged
            publish_lines(self.broker, [batch(total + 1)])
            self.assertEqual(seqs([tool.line()]), [total + 1])


class Session(unittest.TestCase):
    def setUp(self):
        self.broker = Broker("persistence true\n")
        self.broker.start()
        self.addCleanup(self.broker.__exit__)

    def away(self, *words):
        """A first subscription, its end, and a message in its absence."""
        with subscribe(self.broker, *words) as tool:
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)
        publish(self.broker, batch(1))

    def test_a_client_id_keeps_the_session_in_both_versions(self):
        for version in ("5", "3.1.1"):
            words = ["--client-id", f"keeper-{version}", "--mqtt-version", version]
            self.away(*words)
            with back(self.broker, *words) as tool:
                self.assertEqual(seqs([tool.line()]), [1], version)
                tool.wait_err("subscribed to")
                self.assertNotIn("--client-id", tool.err)

    def test_without_one_the_session_is_clean_and_that_is_said(self):
        for version in ("5", "3.1.1"):
            self.away("--mqtt-version", version)
            with subscribe(self.broker, "--mqtt-version", version) as tool:
                publish(self.broker, batch(2))
                self.assertEqual(seqs([tool.line()]), [2], version)
                self.assertIn("without --client-id", tool.err)

    def test_it_subscribes_again_after_the_broker_was_away(self):
        with subscribe(self.broker) as tool:
            for number in range(3):
                self.broker.kill()
                wait_until(lambda: tool.err.count("is lost") > 0, "the loss to be said")
                self.broker.start()
                wait_until(lambda: tool.err.count("subscribed to") == number + 2, "the next subscription")
                publish(self.broker, batch(number))
                self.assertEqual(json.loads(tool.line())["seq"], number)

    def test_a_broker_that_is_not_there_yet_is_waited_for(self):
        self.broker.stop()
        with subscribe(self.broker, ready=False) as tool:
            tool.wait_err("unable to connect")
            self.broker.start()
            tool.wait_err("subscribed to")
            publish(self.broker, batch(1))
            self.assertEqual(seqs([tool.line()]), [1])

    def test_a_name_that_does_not_resolve_is_said(self):
        with Tool("blesub", "--host", "host.invalid") as tool:
            tool.wait_err("unable to connect to the broker host.invalid:1883")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)

    def test_what_the_broker_says_of_the_other_client_is_passed_on(self):
        with MqttServer() as server, subscribe(server, "--client-id", "twin") as tool:
            words = b"taken over by pi-attic"
            properties = b"\x1f" + len(words).to_bytes(2, "big") + words
            server.send_raw(bytes([0xe0, 2 + len(properties), 0x8e, len(properties)]) + properties)
            tool.wait_err("another client uses our client id twin")
            self.assertIn("with the same client id: taken over by pi-attic)", tool.err)

    def test_the_brokers_reason_for_a_disconnect_is_said(self):
        with MqttServer() as server, subscribe(server) as tool:
            server.send_raw(b"\xe0\x02\x8e\x00")
            tool.wait_err("is lost: another client has connected with the same client id")
            wait_until(lambda: tool.err.count("subscribed to") == 2, "the next subscription")


class Rights(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        passwords = os.path.join(self.folder.name, "passwords")
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "backend", "s3cret word"], check=True)
        self.broker = Broker(f"allow_anonymous false\npassword_file {passwords}\n")
        self.broker.start()
        self.addCleanup(self.broker.__exit__)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_the_password_comes_from_a_file_or_the_environment(self):
        path = self.file("mqtt_password", "s3cret word\n")
        for words, env in [(["--password-file", path], {}), ([], {"MQTT_PASSWORD": "s3cret word"}),
                           ([], {"MQTT_PASSWORD_FILE": path}), ([], {"CREDENTIALS_DIRECTORY": self.folder.name})]:
            with self.subTest(words=words, env=env), \
                    subscribe(self.broker, "--username", "backend", *words, env=env) as tool:
                tool.signal(signal.SIGTERM)
                self.assertEqual(tool.wait(), 0)
        with subscribe(self.broker, env={"MQTT_USERNAME": "backend", "MQTT_PASSWORD": "s3cret word"}):
            pass

    def test_wrong_credentials_are_said_and_tried_again(self):
        for version in ("5", "3.1.1"):
            for words, env in [([], {}), (["-u", "backend"], {"MQTT_PASSWORD": "wr0ng"})]:
                with subscribe(self.broker, "--mqtt-version", version, *words, env=env, ready=False) as tool:
                    tool.wait_err("not authorised; correct the user name or the password")
                    tool.signal(signal.SIGTERM)
                    self.assertEqual(tool.wait(), 0)
                    self.assertNotIn("wr0ng", tool.err)

    def test_sighup_reads_the_password_again(self):
        path = self.file("password", "wr0ng\n")
        with subscribe(self.broker, "-u", "backend", "--password-file", path, ready=False) as tool:
            tool.wait_err("not authorised")
            os.remove(path)
            tool.signal(signal.SIGHUP)
            tool.wait_err("the secrets stay as they were: ")
            self.file("password", "s3cret word\n")
            tool.signal(signal.SIGHUP)
            tool.wait_err("subscribed to")

    def test_a_broker_that_refuses_later_on_is_asked_again(self):
        with MqttServer() as server, subscribe(server) as tool:
            server.connack = lambda level: 0x87
            server.hang_up()
            tool.wait_err("is lost")
            wait_until(lambda: len(server.levels) >= 4, "further attempts")
            server.connack = lambda level: 0
            wait_until(lambda: tool.err.count("subscribed to") == 2, "the next subscription")

    def test_a_denied_subscription_ends_it(self):
        for version, reason, code in [("5", 0x87, 77), ("3.1.1", 0x80, 77), ("5", 0x8f, 78), ("5", 0x9e, 78)]:
            with MqttServer() as server:
                server.suback = lambda level, topic, reason=reason: reason
                with subscribe(server, "--mqtt-version", version, ready=False) as tool:
                    self.assertEqual(tool.wait(), code, tool.err)
                    self.assertIn(f"refuses the subscription to {TOPIC}", tool.err)

    def test_a_subscription_that_was_granted_once_is_asked_for_again(self):
        """A node of a cluster that has just lost another one refuses for a while."""
        with MqttServer() as server, subscribe(server) as tool:
            server.suback = lambda level, topic: 0x80
            server.hang_up()
            tool.wait_err(f"refuses the subscription to {TOPIC}: refused without a reason; trying again")
            server.suback = lambda level, topic: 1
            wait_until(lambda: tool.err.count("subscribed to") == 2, "the next subscription")

    def test_of_several_brokers_each_may_deny_the_subscription(self):
        with MqttServer() as one, MqttServer() as other:
            for server in (one, other):
                server.suback = lambda level, topic: 0x80
            brokers = f"127.0.0.1:{one.port},127.0.0.1:{other.port}"
            with Tool("blesub", "--broker", brokers) as tool:
                self.assertEqual(tool.wait(), 77, tool.err)
            self.assertTrue(one.topics and other.topics)
            other.suback = lambda level, topic: 1
            for _ in range(4):  # whichever is asked first
                with Tool("blesub", "--broker", brokers) as tool:
                    tool.wait_err(f"subscribed to {TOPIC} at 127.0.0.1:{other.port}")

    def test_a_broker_that_shares_no_subscriptions(self):
        """It says so in its CONNACK, its SUBACK, or a DISCONNECT."""
        for properties, answer in ((b"\x2a\0", 1), (b"", 0x9E), (b"", b"\xe0\x01\x9e")):
            with self.subTest(answer=answer, properties=properties), MqttServer() as server:
                server.connack_properties, server.suback = properties, lambda level, topic, answer=answer: answer
                with subscribe(server, "--share", "g", "--mqtt-version", "5", ready=False) as tool:
                    self.assertEqual(tool.wait(), 78, tool.err)
                    self.assertIn("refuses the subscription to $share/g/tfg/detections/raw: shared subscriptions not supported; "
                                  "leave out --share, and divide the load by topics (--shards)", tool.err)
                self.assertEqual(server.topics, [] if properties else ["$share/g/tfg/detections/raw"])

    def test_a_broker_of_3_1_1_is_not_taken_for_one_that_shares_unless_that_is_said(self):
        with MqttServer() as server:
            server.connack = lambda level: 0x84 if level == 5 else 0
            with subscribe(server, "--share", "g", ready=False) as tool:
                self.assertEqual(tool.wait(), 78, tool.err)
                self.assertIn("--mqtt-version 3.1.1; if not, divide the load by topics (--shards)", tool.err)
            self.assertEqual(server.topics, [])  # it would be a member for a moment
            with subscribe(server, "--share", "g", "--mqtt-version", "3.1.1") as tool:
                self.assertIn("does not say whether it has shared subscriptions", tool.err)

    def test_a_group_that_was_joined_once_is_joined_again_by_mqtt_5(self):
        """A broker that hangs up once is taken for an old one, for one link."""
        with MqttServer() as server, subscribe(server, "--share", "g") as tool:
            server.connack = lambda level: None if level == 5 and len(server.levels) == 2 else 0
            server.hang_up()
            wait_until(lambda: tool.err.count("subscribed to") == 2, "the next subscription")
            self.assertEqual(server.levels, [5, 5, 4, 5])
            self.assertEqual(server.topics, ["$share/g/tfg/detections/raw"] * 2)

    def test_one_of_its_shards_denied_is_a_subscription_denied(self):
        with MqttServer() as server:
            server.suback = lambda level, topic: 0x87 if "/b/" in topic else 1
            with subscribe(server, "--shards", "0,a-c", ready=False) as tool:
                self.assertEqual(tool.wait(), 77, tool.err)
                self.assertIn("refuses the subscription to tfg/detections/raw/{shard}/+, shards 0abc: not authorised", tool.err)
            self.assertEqual(server.topics, [f"tfg/detections/raw/{shard}/+" for shard in "0abc"])

    def test_a_subscription_at_another_qos_is_none(self):
        with MqttServer() as server:
            for qos in (0, 2):
                server.suback = lambda level, topic, qos=qos: qos
                with self.subTest(qos=qos), subscribe(server, ready=False) as tool:
                    self.assertEqual(tool.wait(), 78)
                    self.assertIn(f"QoS {qos}", tool.err)

    def test_a_client_id_that_is_not_accepted_is_said(self):
        with MqttServer() as server:
            server.connack = lambda level: 0x85
            with subscribe(server, "--client-id", "x", ready=False) as tool:
                tool.wait_err("client id not accepted")

    def test_a_broker_that_moves_says_where_to(self):
        where = b"\x1c\0\x0bother:18830"
        for reason, text in ((0x9C, "use another server"), (0x9D, "server moved")):
            answer = bytes([reason, len(where)]) + where
            with self.subTest(reason=reason), MqttServer() as server:
                server.connack = lambda level, reason=reason: reason
                with subscribe(server, "--mqtt-version", "5", ready=False) as tool:
                    tool.wait_err(f"{text}; ask whoever runs it for the new name, and set --broker to it; trying again")
                    server.connack = lambda level: 0
                    tool.wait_err("subscribed to")
                    server.send_raw(bytes([0xE0, len(answer)]) + answer)
                    tool.wait_err(f"is lost: {text}: other:18830")

    def test_a_broker_that_names_another_is_left_for_it(self):
        """By CONNACK, and by DISCONNECT on a link that is up."""
        with MqttServer() as first, MqttServer() as second:
            name = f"127.0.0.1:{second.port}".encode()
            where = b"\x1c" + len(name).to_bytes(2, "big") + name
            answer = bytes([0x9D, len(where)]) + where
            with subscribe(first, "--mqtt-version", "5") as tool:
                first.send_raw(bytes([0xE0, len(answer)]) + answer)
                tool.wait_err(f"sends us to {name.decode()}, for good: name the new broker with --broker")
                tool.wait_err(f"subscribed to tfg/detections/raw at {name.decode()}")
                first.connack = lambda level: bytes([0x20, 1 + len(answer), 0]) + answer
                second.send_raw(bytes([0xE0, 1, 0x8B]))
                wait_until(lambda: tool.err.count(f"subscribed to tfg/detections/raw at {name.decode()}") == 2,
                           "it to be sent on once more")

    def test_each_reason_for_no_connection_is_said_once(self):
        with MqttServer() as server:
            server.connack = lambda level: 0x88
            with subscribe(server, "--mqtt-version", "5", ready=False) as tool:
                tool.wait_err("server unavailable; trying again")
                wait_until(lambda: len(server.levels) >= 3, "further attempts")
                server.connack = lambda level: 0x89
                tool.wait_err("server busy; trying again")
                self.assertEqual(tool.err.count("server unavailable"), 1)


class Version(unittest.TestCase):
    def test_an_old_broker_gets_3_1_1_with_a_warning(self):
        for answer in (b"\x20\x02\x00\x01", 0x84, None, "reset"):
            with self.subTest(answer=answer), MqttServer() as server:
                server.connack = lambda level, answer=answer: answer if level == 5 else 0
                with subscribe(server) as tool:
                    self.assertIn("refuses MQTT 5", tool.err)
                    self.assertEqual(server.levels, [5, 4], tool.err)
                    server.send(TOPIC, batch(1))
                    self.assertEqual(seqs([tool.line()]), [1])

    def test_asked_for_5_it_does_not_fall_back(self):
        with MqttServer() as server:
            server.connack = lambda level: 0x84
            with subscribe(server, "--mqtt-version", "5", ready=False) as tool:
                tool.wait_err("protocol version not supported")
                wait_until(lambda: len(server.levels) >= 2, "another attempt")
                self.assertEqual(set(server.levels), {5})


class Tls(TlsBrokers, unittest.TestCase):
    def test_the_certificate_and_the_host_name_are_verified(self):
        broker = self.broker()
        for host in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]"):
            with Tool("blesub", "--url", f"mqtts://{host}:{broker.port}", "--cafile", self.path("ca.pem"),
                      "--count", "1") as tool:
                tool.wait_err("TLS)")
                subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(broker.port), "--cafile", self.path("ca.pem"),
                                "-q", "1", "-t", TOPIC, "-s"], input=batch(1), check=True)
                self.assertEqual(seqs(tool.lines()), [1])

    def test_the_systems_authorities_are_the_default(self):
        with Tool("blesub", "--url", f"mqtts://localhost:{self.broker().port}", env={"SSL_CERT_FILE": self.path("ca.pem")}) as tool:
            tool.wait_err("TLS)")

    def refused(self, broker, *words, said):
        with Tool("blesub", "--host", "localhost", "-p", broker.port, *words) as tool:
            tool.wait_err(said)
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0)
            self.assertNotIn("subscribed", tool.err)

    def test_another_host_name_is_refused(self):
        self.refused(self.broker("elsewhere"), "--cafile", self.path("ca.pem"), said="certificate is for another host name")

    def test_an_unknown_authority_is_refused(self):
        broker = self.broker()
        self.refused(broker, "--cafile", self.path("other.pem"), said="certificate is not trusted")
        self.refused(broker, "--tls", said="certificate is not trusted")

    def test_a_plain_connection_is_refused_and_explained(self):
        self.refused(self.broker(), said="wants TLS")

    def test_insecure_is_only_by_name_and_warned_of(self):
        with subscribe(self.broker("elsewhere"), "--insecure") as tool:
            self.assertIn("--insecure", tool.err)

    def test_a_client_certificate(self):
        broker = self.broker(extra="require_certificate true\n")
        words = ["--cafile", self.path("ca.pem")]
        with subscribe(broker, *words, "--cert", self.path("client.pem"), "--key", self.path("client.key")):
            pass
        self.refused(broker, *words, said="unable to connect")


if __name__ == "__main__":
    unittest.main()
