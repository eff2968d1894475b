"""What blesend promises whatever the transport: one suite, run over HTTP and over MQTT with real peers."""
import json
import os
import signal
import unittest

from harness import Broker, HttpServer, Proxy, Tool, free_port, wait_until


def batch(seq, size=0):
    line = {"format": 1, "device_id": "pi-lab-1", "timestamp": "2026-11-22T06:30:10.000Z", "run_id": "9f2c41d07a6be813",
            "seq": seq, "detections": [], "x-unknown": "\u00e9" * size}
    return json.dumps(line, ensure_ascii=bool(seq % 2)).encode()


def seq_of(line):
    return json.loads(line)["seq"]


class MqttPeer:
    """A real mosquitto and a real subscriber that keeps its session; the broker keeps what it has acknowledged."""

    CONFIG = "persistence true\nautosave_interval 1\nautosave_on_changes true\nacl_file @DIR@/acl\n"

    def __init__(self, present=True):
        self.broker = Broker(self.CONFIG)
        self.port = getattr(self, "port", self.broker.port)
        self.allow(signalled=False)
        self.subscriber = None
        # The session exists before anything is sent: a broker keeps nothing for a stranger.
        self.broker.start()
        self.subscriber = self.subscribe()
        wait_until(lambda: "SUBACK" in self.broker.log_text(), "the subscription")
        self._lines = []
        if not present:
            self.broker.stop()

    def subscribe(self):
        return Tool("mosquitto_sub", "-p", self.broker.port, "-i", "receiver", "-c", "-q", "1", "-t", "tfg/#")

    def close(self):
        self.subscriber.__exit__()
        self.broker.__exit__()

    def words(self, port=None):
        return ["--mode", "mqtt", "--host", "127.0.0.1", "--port", port or self.port]

    def received(self):
        while True:
            try:
                self._lines.append(self.subscriber.line(deadline_s=0.05))
            except AssertionError:
                return list(self._lines)

    def start(self):
        self.broker.start()

    def stop(self):
        self.broker.stop()

    def _acl(self, rule, signalled):
        with open(os.path.join(self.broker.folder.name, "acl"), "w", encoding="ascii") as f:
            # Not "topic": after its restart the broker would deny the receiver's session what comes before the receiver does.
            f.write(f"pattern {rule} #\n")
        if signalled:
            self.broker.process.send_signal(signal.SIGHUP)

    def deny(self):
        self._acl("read", True)
        wait_until(lambda: "Reloading config" in self.broker.log_text(), "the broker to reload")

    def allow(self, signalled=True):
        self._acl("readwrite", signalled)

    def freeze(self):
        self.broker.pause()

    def thaw(self):
        self.broker.resume()


class ConfirmingPeer(MqttPeer):
    """The same broker with a blesub that confirms what this test has read from its output."""

    def __init__(self, present=True):
        super().__init__(present)
        self.received()  # from here on the output is read

    def subscribe(self):
        return Tool("blesub", "--host", "127.0.0.1", "--port", self.port, "--client-id", "receiver", "--confirm")

    def words(self, port=None):
        return super().words(port) + ["--confirm", "stored", "--confirm-timeout", "2"]


class WebSocketPeer(MqttPeer):
    """The same broker, which blesend reaches at a WebSocket listener of its own."""

    def __init__(self, present=True):
        self.port = free_port()
        self.CONFIG = f"{MqttPeer.CONFIG}listener {self.port} 127.0.0.1\nprotocol websockets\n"
        super().__init__(present)

    def words(self, port=None):
        return ["--url", f"ws://127.0.0.1:{port or self.port}/mqtt"]


class ConfirmingWebSocketPeer(WebSocketPeer):
    """blesub is behind the same broker, by TCP."""

    def __init__(self, present=True):
        super().__init__(present)
        self.received()  # from here on the output is read

    def subscribe(self):
        return Tool("blesub", "--host", "127.0.0.1", "--port", self.broker.port, "--client-id", "receiver", "--confirm")

    def words(self, port=None):
        return super().words(port) + ["--confirm", "stored", "--confirm-timeout", "2"]


class HttpPeer:
    """Python's http.server."""

    def __init__(self, present=True):
        self.status = 201
        self.hold = False
        self.server = HttpServer(self.answer)
        self.port = self.server.port
        self.taken = []
        if present:
            self.server.start()

    def answer(self, request):
        wait_until(lambda: not self.hold, "the server to thaw")
        if request.method == "GET":
            return 200, {}, b""
        if self.status == 201:
            self.taken += request.body.split(b"\n")
        return self.status, {}, b""

    def close(self):
        self.hold = False
        self.server.stop()

    def words(self, port=None):
        return ["--mode", "http", "--url", f"http://127.0.0.1:{port or self.port}", "--timeout", "2"]

    def received(self):
        return list(self.taken)

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def deny(self):
        self.status = 503

    def allow(self):
        self.status = 201

    def freeze(self):
        self.hold = True

    def thaw(self):
        self.hold = False


class Contract:
    Peer = None
    words = ()

    def peer(self, **options):
        peer = self.Peer(**options)
        self.addCleanup(peer.close)
        return peer

    def blesend(self, *words, **options):
        tool = Tool("blesend", *words, *self.words, **options)
        self.addCleanup(tool.__exit__)
        tool.wait_err("spool")  # from here on it takes signals
        return tool

    def feed(self, tool, seqs):
        tool.write(b"".join(batch(seq) + b"\n" for seq in seqs))

    def wait_received(self, peer, count):
        """Until so many different messages have come; some may come twice."""
        return wait_until(lambda: len(set(found := peer.received())) >= count and found, f"{count} messages")

    def check_complete(self, lines, count):
        """Nothing missing; what is new comes in order, what is old is a repetition."""
        self.check_order(list(dict.fromkeys(map(seq_of, lines))), list(range(count)))

    def check_order(self, got, expected):
        self.assertEqual(got, expected)

    def test_messages_arrive_in_order_byte_for_byte_and_the_end_of_input_ends_it(self):
        peer = self.peer()
        given = [batch(seq, size=seq * 10) for seq in range(300)]
        tool = self.blesend(*peer.words())
        tool.write(b"\n".join(given) + b"\n")
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 300)
        self.check_order(peer.received(), given)

    def test_the_longest_line_arrives(self):
        peer = self.peer()
        line = batch(1)
        line = line[:-1] + b" " * (512_000 - len(line)) + b"}"
        tool = self.blesend(*peer.words())
        tool.write(line + b"\n")
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 1)
        self.assertEqual(peer.received(), [line])

    def test_a_peer_that_is_absent_at_start_is_waited_for(self):
        peer = self.peer(present=False)
        tool = self.blesend(*peer.words())
        self.feed(tool, range(50))
        tool.close_stdin()
        tool.wait_err("try")
        self.assertTrue(tool.running())
        peer.start()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 50)
        self.check_complete(peer.received(), 50)

    def test_a_peer_that_restarts_in_mid_stream_gets_all(self):
        peer = self.peer()
        tool = self.blesend(*peer.words(), "--buffer", 1000)
        sent = 0
        for _ in range(3):
            self.feed(tool, range(sent, sent + 200))
            sent += 200
            self.wait_received(peer, sent - 150)
            peer.stop()
            self.feed(tool, range(sent, sent + 50))
            sent += 50
            peer.start()
        self.feed(tool, range(sent, sent + 10))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, sent + 10)
        self.check_complete(peer.received(), sent + 10)

    def test_a_link_that_is_cut_loses_nothing(self):
        peer = self.peer()
        with Proxy(peer.port) as link:
            tool = self.blesend(*peer.words(link.port), "--buffer", 1000)  # on a slow machine 100 are full for long enough to be dropped
            sent = 0
            for _ in range(4):
                self.feed(tool, range(sent, sent + 100))
                sent += 100
                self.wait_received(peer, sent - 90)
                link.cut()
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertGreater(link.connections, 2)
        self.wait_received(peer, sent)
        self.check_complete(peer.received(), sent)

    def test_a_peer_that_takes_nothing_for_now_gets_all_later(self):
        peer = self.peer()
        tool = self.blesend(*peer.words())
        self.feed(tool, range(1))
        self.wait_received(peer, 1)
        peer.deny()
        self.feed(tool, range(1, 20))
        wait_until(lambda: "kept" in tool.err, "blesend to complain")
        self.assertEqual(len(peer.received()), 1)
        self.assertEqual(tool.stats()["queued"], 19)
        peer.allow()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 20)
        self.check_complete(peer.received(), 20)

    def test_a_peer_that_freezes_gets_all_when_it_thaws(self):
        peer = self.peer()
        tool = self.blesend(*peer.words())
        self.feed(tool, range(10))
        self.wait_received(peer, 10)
        peer.freeze()
        self.feed(tool, range(10, 40))
        wait_until(lambda: tool.stats()["oldest_ms"] > 500, "the queue to stand")
        peer.thaw()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 40)
        self.check_complete(peer.received(), 40)

    def test_a_full_spool_drops_the_oldest_and_a_gap_line_tells_of_them_before_later_batches(self):
        peer = self.peer(present=False)
        tool = self.blesend(*peer.words(), "--buffer", 10, "--drop-after", "0.1")
        self.feed(tool, range(10))
        wait_until(lambda: tool.stats()["oldest_ms"] > 200, "the queue to stand")
        self.feed(tool, range(10, 100))
        wait_until(lambda: tool.stats()["in"] == 100, "all to be taken in")
        stats = tool.stats()
        self.assertEqual((stats["dropped"], stats["queued"]), (90, 11))
        peer.start()
        self.wait_received(peer, 11)
        wait_until(lambda: tool.stats()["queued"] == 0, "the peer's word for all of them")  # else there is no room, again
        self.feed(tool, [100])
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 12)
        gap = {"format": 1, "device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813",
               "gap": {"from_seq": 0, "to_seq": 89, "reason": "buffer_full",
                       "from": "2026-11-22T06:30:10.000Z", "to": "2026-11-22T06:30:10.000Z"}}
        got = map(json.loads, dict.fromkeys(peer.received()))  # without repetitions
        self.check_order([line.get("seq", line) for line in got], [gap, *range(90, 101)])
        self.assertIn("90 batches were dropped", tool.err)

    def test_a_peer_that_never_comes_ends_it_with_75_after_the_drain_timeout(self):
        peer = self.peer(present=False)
        tool = self.blesend(*peer.words(), "--drain-timeout", "0.3")
        self.feed(tool, range(7))
        tool.close_stdin()
        self.assertEqual(tool.wait(), 75)
        self.assertIn("7 batches", tool.err)

    def test_sigterm_delivers_what_is_in_hand(self):
        peer = self.peer()
        tool = self.blesend(*peer.words())
        self.feed(tool, range(60))
        wait_until(lambda: tool.stats()["in"] == 60, "all to be taken in")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.wait_received(peer, 60)
        self.check_complete(peer.received(), 60)


class Http(Contract, unittest.TestCase):
    Peer = HttpPeer


class Mqtt(Contract, unittest.TestCase):
    Peer = MqttPeer


class Confirmed(Contract, unittest.TestCase):
    Peer = ConfirmingPeer


class WebSocket(Contract, unittest.TestCase):
    Peer = WebSocketPeer


class ConfirmedWebSocket(Contract, unittest.TestCase):
    Peer = ConfirmingWebSocketPeer


class HttpCoalesced(Http):
    words = ("--coalesce", 16)


class HttpSeveralAtOnce(Http):
    """Later ones may arrive first; nothing else differs."""

    words = ("--inflight", 16)

    def check_order(self, got, expected):
        self.assertCountEqual(got, expected)

    def test_messages_are_on_their_way_at_the_same_time(self):
        peer = self.peer()
        tool = self.blesend(*peer.words())
        self.feed(tool, [0])
        self.wait_received(peer, 1)
        peer.freeze()
        self.feed(tool, range(1, 30))
        wait_until(lambda: len(peer.server.posts) == 1 + 16, "sixteen requests")
        self.assertEqual(len({request.connection for request in peer.server.posts[1:]}), 16)
        peer.thaw()
        tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)
        self.check_complete(peer.received(), 30)
        self.assertEqual(len(peer.received()), 30)
        self.assertLessEqual(len({request.connection for request in peer.server.requests}), 16)
        self.assertEqual(len([request for request in peer.server.requests if request.method == "GET"]), 1)


class HttpSeveralAtOnceCoalesced(HttpSeveralAtOnce):
    words = ("--inflight", 16, "--coalesce", 16)

    test_messages_are_on_their_way_at_the_same_time = None  # fewer of them, with more in each


class MqttCoalesced(Mqtt):
    words = ("--coalesce", 16)
