"""When blesub acknowledges: a broker of our own sees each byte that it sends."""
import json
import random
import signal
import threading
import time
import unittest

from harness import MqttServer, Tool, WebSocketEnd, standing, wait_until
from harness.websocket import BINARY, CLOSE, PING, TEXT
from harness.websocket_server import CONTINUATION

TOPIC = "tfg/detections/raw"
RECEIVE_MAXIMUM = 0x21  # MQTT 5, 3.1.2.11.3


def batch(number, size=0):
    return json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": number, "detections": [], "x": "y" * size}).encode()


class Subscriber(unittest.TestCase):
    VERSIONS = ("5", "3.1.1")
    WEBSOCKET = False

    def setUp(self):
        self.server = MqttServer(websocket=self.WEBSOCKET)
        self.addCleanup(self.server.__exit__)

    def start(self, *words):
        where = ("--url", f"ws://127.0.0.1:{self.server.port}/at/the/path") if self.WEBSOCKET else \
            ("--host", "127.0.0.1", "--port", self.server.port)
        tool = Tool("blesub", *where, *words)
        self.addCleanup(tool.__exit__)
        return tool

    def subscribe(self, *words):
        tool = self.start(*words)
        tool.wait_err("subscribed to")
        return tool

    def send_whole(self):
        """From now on messages come in one piece, so that a window does not close between two parts of one."""
        self.server.wild = False
        for end in self.server.ends:
            end.wild = False

    def send(self, lines):
        self.server.send_all(TOPIC, lines)

    def window_of(self, tool, lines):
        return wait_until(lambda: tool.stats()["queued"] == lines, f"a window of {lines} lines")

    def test_no_puback_before_its_message_is_consumed(self):
        """Whatever the window, the sizes and the pace of the reader; more than the receive maximum on the way."""
        seed = random.randrange(1 << 30)
        for version in self.VERSIONS:
            for window in ("1", "4", "100"):
                with self.subTest(version=version, window=window, seed=seed):
                    self.check_pace(random.Random(seed), "--window", window, "--mqtt-version", version)
                    self.setUp()

    def check_pace(self, random_, *words):
        tool = self.subscribe(*words)
        lines = [batch(i, random_.choice((0, 300, 70_000))) for i in range(60)]
        ends = [sum(len(line) + 1 for line in lines[:i + 1]) for i in range(len(lines))]
        asked, early = [0], []  # bytes that the reader has begun to take; PUBACKs that came too soon

        def look():
            acknowledged = len(self.server.acknowledged)
            if ends[acknowledged - 1] > asked[0]:
                early.append((acknowledged, asked[0]))
        self.server.on_puback = look
        sender = threading.Thread(target=self.send, args=(lines,))
        sender.start()
        got = b""
        while len(got) < ends[-1]:
            size = random_.choice((1, 500, 5000, 200_000))
            asked[0] = len(got) + size
            got += tool.process.stdout.read1(size)
            asked[0] = len(got)
            if random_.random() < 0.3:
                time.sleep(random_.choice((0.001, 0.03)))
        sender.join()
        self.assertEqual(got, b"".join(line + b"\n" for line in lines))
        wait_until(lambda: len(self.server.acknowledged) == len(lines), "all PUBACKs")
        self.assertEqual(self.server.acknowledged, list(range(1, len(lines) + 1)))  # in order
        self.assertEqual(early, [])

    def ids_of_two_links(self, *words):
        tool = self.subscribe(*words)
        self.server.hang_up()
        wait_until(lambda: tool.err.count("subscribed to") == 2, "the second link")
        ids = list(self.server.client_ids)
        self.setUp()
        return ids[:1] + ids[-1:]

    def test_a_random_client_id_is_of_one_link(self):
        """A CONNECT that a broker reads late, of an attempt that was given up, ends no other link."""
        for version in self.VERSIONS:
            with self.subTest(version=version):
                first, second = self.ids_of_two_links("--mqtt-version", version)
                self.assertRegex(first, "^blesub-[0-9a-f]{12}$")
                self.assertRegex(second, "^blesub-[0-9a-f]{12}$")
                self.assertNotEqual(first, second)
        self.assertEqual(self.ids_of_two_links("--client-id", "backend"), ["backend"] * 2)

    def test_a_member_of_a_group_keeps_its_random_client_id(self):
        """It takes the place of a link that was cut, to which the broker would give a part of the messages."""
        first, second = self.ids_of_two_links("--share", "backends")
        self.assertRegex(first, "^blesub-[0-9a-f]{12}$")
        self.assertEqual(first, second)

    def test_the_window_is_asked_of_the_broker(self):
        self.subscribe("--window", "7")
        properties = self.server.connects[0][11:11 + self.server.connects[0][10]]
        self.assertIn(bytes([RECEIVE_MAXIMUM, 0, 7]), properties)

    def test_nothing_is_read_while_a_window_waits(self):
        tool = self.subscribe("--window", "2")
        self.send_whole()
        self.send([batch(i) for i in range(5)])
        self.window_of(tool, 2)
        size = 2 * len(batch(0)) + 2
        self.assertEqual(standing(tool.process.stdout), size)
        self.assertEqual(tool.process.stdout.read1(size), batch(0) + b"\n" + batch(1) + b"\n")
        wait_until(lambda: self.server.acknowledged == [1, 2], "the PUBACKs of the window")
        self.window_of(tool, 2)
        self.assertEqual(standing(tool.process.stdout), size)
        self.assertEqual(self.server.acknowledged, [1, 2])

    def test_a_window_takes_no_more_than_the_pipe(self):
        lines = [batch(i, 400_000) for i in range(5)]
        tool = self.subscribe("--window", "100")
        self.send_whole()
        sender = threading.Thread(target=self.send, args=(lines,))
        sender.start()
        self.window_of(tool, 3)  # the third goes past a megabyte
        for line in lines:
            self.assertEqual(tool.line(), line)
        sender.join()
        wait_until(lambda: len(self.server.acknowledged) == 5, "all PUBACKs")

    def test_a_keep_alive_while_a_window_waits(self):
        """A PINGREQ that is due brings no PUBACK with it, and goes out behind them."""
        for version in self.VERSIONS:
            with self.subTest(version=version):
                tool = self.subscribe("--keepalive", "5", "--mqtt-version", version)
                self.send([batch(1)])
                self.window_of(tool, 1)
                wait_until(lambda: tool.stats()["oldest_ms"] > 6000, "the keep-alive to pass")
                self.assertEqual((self.server.acknowledged, self.server.pings), ([], 0))
                self.assertEqual(tool.line(), batch(1))
                wait_until(lambda: self.server.acknowledged == [1], "the PUBACK")
                wait_until(lambda: self.server.pings > 0, "a PINGREQ")
                self.setUp()

    def test_nothing_waits_for_the_next_message(self):
        """A window closes when nothing more is there: one message alone is handed on and acknowledged."""
        tool = self.subscribe("--window", "100")
        for number in range(1, 4):
            self.server.send(TOPIC, batch(number), number)
            self.assertEqual(tool.line(), batch(number))
            wait_until(lambda: len(self.server.acknowledged) == number, "its PUBACK")  # pylint: disable=cell-var-from-loop

    def test_a_reader_that_is_gone_gets_no_puback_sent(self):
        for ending in ("reader", "kill", "term"):
            with self.subTest(ending=ending):
                tool = self.subscribe()
                self.send_whole()
                self.send([batch(1), batch(2)])
                self.window_of(tool, 2)
                self.assertEqual(tool.process.stdout.read1(len(batch(1)) + 1), batch(1) + b"\n")
                if ending == "reader":
                    tool.process.stdout.close()
                else:
                    tool.signal(signal.SIGKILL if ending == "kill" else signal.SIGTERM)
                self.assertEqual(tool.wait(), {"reader": 74, "kill": -signal.SIGKILL, "term": 0}[ending])
                self.assertEqual(self.server.acknowledged, [])
                self.setUp()

    def test_what_comes_with_the_connack_waits_as_well(self):
        """A session's messages are there before anything was subscribed to."""
        for version in self.VERSIONS:
            for _ in range(5):
                with self.subTest(version=version):
                    self.send_whole()
                    self.server.waiting = [batch(i) for i in range(3)]
                    tool = self.start("--mqtt-version", version, "--client-id", "x")
                    size = 3 * len(batch(0)) + 3
                    wait_until(lambda: standing(tool.process.stdout) == size, "the lines")  # pylint: disable=cell-var-from-loop
                    self.assertGreaterEqual(tool.stats()["queued"], 1)
                    self.assertEqual(self.server.acknowledged, [])
                    self.assertEqual(len(tool.process.stdout.read1(size)), size)
                    wait_until(lambda: self.server.acknowledged == [1, 2, 3], "the PUBACKs")
                    tool.signal(signal.SIGKILL)
                    tool.wait()
                    self.setUp()

    def test_received_does_not_wait_for_the_reader(self):
        tool = self.subscribe("--ack", "received", "--window", "2")
        self.send([batch(i) for i in range(5)])
        wait_until(lambda: self.server.acknowledged == [1, 2, 3, 4, 5], "all PUBACKs")
        self.assertEqual(standing(tool.process.stdout), 5 * (len(batch(0)) + 1))

    def test_a_topic_alias_that_nobody_allowed_ends_the_link(self):
        tool = self.subscribe()
        self.server.send("", batch(1), 1, properties=b"\x23\0\x01")
        tool.wait_err("is lost: what it sends is no valid MQTT")
        self.assertEqual(self.server.acknowledged, [])
        wait_until(lambda: len(self.server.topics) == 2, "the next subscription")
        self.server.send(TOPIC, batch(2), 2)
        self.assertEqual(tool.line(), batch(2))

    def test_messages_of_a_lost_link_are_handed_on_once_for_each_time_they_come(self):
        """What was taken goes on to the reader; its PUBACK went nowhere, so it comes again, and no other is read before."""
        tool = self.subscribe()
        self.server.send(TOPIC, batch(1), 1)
        self.window_of(tool, 1)
        self.server.hang_up()
        self.assertEqual(tool.line(), batch(1))
        wait_until(lambda: len(self.server.topics) == 2, "the next subscription")
        self.server.send(TOPIC, batch(1), 1)
        self.assertEqual(tool.line(), batch(1))
        wait_until(lambda: self.server.acknowledged == [1], "the PUBACK")


class ByWebSocket(Subscriber):
    """Each byte may come by itself, many frames at once, pings between."""
    WEBSOCKET = True

    def setUp(self):
        super().setUp()
        self.addCleanup(self.check_frames, self.server)

    def check_frames(self, server):
        for end in server.ends:
            self.assertIsNone(end.fault)

    def test_the_handshake(self):
        self.subscribe()
        request = self.server.ends[0].request
        self.assertEqual((request["path"], request["host"]), ("/at/the/path", f"127.0.0.1:{self.server.port}"))
        self.assertEqual((request["sec-websocket-protocol"], request["sec-websocket-version"]), ("mqtt", "13"))

    def test_pings_are_answered(self):
        tool = self.subscribe()
        end, = self.server.ends
        for payload in (b"", b"are you there", b"x" * 125):
            end.send_raw(end.frame(PING, payload))
            wait_until(lambda: end.pongs[-1:] == [payload], "the pong")  # pylint: disable=cell-var-from-loop
        self.server.send(TOPIC, batch(1))
        self.assertEqual(tool.line(), batch(1))
        self.assertTrue(set(end.pongs) <= {*end.pings, b"", b"are you there", b"x" * 125})

    def test_the_broker_is_told_when_we_go(self):
        tool = self.subscribe()
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0)
        wait_until(lambda: self.server.ends[0].closed, "the end of the connection")

    def test_an_old_broker_that_hangs_up_is_asked_by_the_old_version(self):
        self.server.connack = lambda level: None if level == 5 else 0
        self.subscribe()
        self.assertEqual(self.server.levels, [5, 4])

    def test_what_ends_a_link(self):
        """It is said why, and the next link is good again."""
        frame = WebSocketEnd.frame
        for wire, said, code in ((frame(TEXT, b"hello"), "it sends text, and MQTT is binary", 1003),
                                 (frame(CLOSE, b"\x03\xe9maintenance"), "it closes the WebSocket: 1001 maintenance", 1000),
                                 (frame(CLOSE, b""), "is lost: ", 1000),
                                 (b"\xc2\0", "frames that WebSocket does not know", 1002),
                                 (b"\x82\x81abcdx", "frames that WebSocket does not know", 1002),
                                 (b"\x82\x7f\xff" + bytes(7), "frames that WebSocket does not know", 1002),
                                 (b"\x09\0", "control frames that WebSocket does not know", 1002),
                                 (b"\x8b\0", "control frames that WebSocket does not know", 1002),
                                 (frame(PING, b"x" * 126), "control frames that WebSocket does not know", 1002),
                                 (frame(CONTINUATION, b"x"), "frames out of order", 1002),
                                 (frame(BINARY, b"", final=False) + frame(BINARY, b""), "frames out of order", 1002)):
            with self.subTest(wire=wire[:20]):
                tool = self.subscribe()
                self.server.ends[0].send_raw(wire)
                tool.wait_err(said)
                wait_until(lambda: self.server.ends[0].closed_with == code, "our close frame")  # pylint: disable=cell-var-from-loop
                wait_until(lambda: len(self.server.topics) == 2, "the next subscription")
                self.server.send(TOPIC, batch(2), 2)
                self.assertEqual(tool.line(), batch(2))
                self.setUp()

    def test_memory_is_bounded_while_the_reader_waits(self):
        """What the broker goes on to send stays with it: no more than socket buffers hold is taken."""
        tool = self.subscribe("--window", "1")
        self.send_whole()
        before = resident(tool.process.pid)
        lines = [batch(i, 400_000) for i in range(100)]
        sender = threading.Thread(target=self.send, args=(lines,))
        sender.start()
        self.window_of(tool, 1)
        sender.join(3)
        self.assertTrue(sender.is_alive(), "all 40 MB were taken")
        self.assertLess(resident(tool.process.pid), before + 20_000_000)
        for line in lines:
            self.assertEqual(tool.line(), line)
        sender.join()
        wait_until(lambda: len(self.server.acknowledged) == len(lines), "all PUBACKs")


def resident(pid):
    """Bytes of its memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))


if __name__ == "__main__":
    unittest.main()
