"""A broker that answers as a test tells it to: what a real one does only when it is old, misconfigured or denies things."""
import socket
import struct
import threading

from .process import DEADLINE_S
from .websocket_server import WebSocketEnd


class MqttServer:
    """Speaks enough MQTT 3.1.1 and 5 on a loopback port of its own.

    connack(level) gives the CONNACK's code or reason (0: come in; None: hang up; "reset": without a farewell;
    bytes: sent as they are); suback(level, topic) the SUBACK's
    (bytes: sent as they are); puback(level, payload) the PUBACK's (None: no answer);
    disconnect_at(payload) the reason of a DISCONNECT in its place (None: none; "close": the link is closed without a word;
    bytes: sent as they are). Each may be replaced at any time. `websocket`: it speaks through WebSocketEnd; `ends` has them, `wild` is that of the next.
    """

    def __init__(self, receive_maximum=None, websocket=False):
        self.connack = lambda level: 0
        self.suback = lambda level, topic: 1
        self.puback = lambda level, payload: 0
        self.disconnect_at = lambda payload: None
        self.receive_maximum = receive_maximum
        self.connack_properties = b""  # further ones, of MQTT 5
        self.levels, self.topics, self.published = [], [], []  # published: (topic, payload)
        self.unanswered = self.most_unanswered = 0  # publishes that wait for answer(), now and at most
        self.acknowledged, self.pings, self.connects = [], 0, []  # message ids of PUBACKs; PINGREQs; bodies of CONNECTs
        self.on_puback = lambda: None  # called in a thread of the server, at once
        self.waiting = []  # payloads of what a session holds: sent with the CONNACK, as messages 1, 2, … on the topic "t"
        self.websocket, self.wild, self.ends = websocket, True, []
        self._sockets, self._held, self._ended = [], [], False
        self._level = {}  # of each socket that has connected
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def payloads(self):
        return [payload for _, payload in self.published]

    @property
    def client_ids(self):
        """Of all CONNECTs, in turn."""
        for body in list(self.connects):
            at = 10 + (1 + body[10] if body[6] == 5 else 0)
            yield body[at + 2:at + 2 + int.from_bytes(body[at:at + 2], "big")].decode()

    @property
    def segments(self):
        """How many TCP segments with data have come: tcpi_data_segs_in of Linux's struct tcp_info."""
        infos = (s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160) for s in self._sockets if s.fileno() >= 0)
        return sum(struct.unpack_from("I", info, 152)[0] for info in infos)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._thread.join(DEADLINE_S)
        self.hang_up()
        self._listener.close()

    def hang_up(self):
        for s in self._sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def send(self, topic, payload, message_id=1, properties=b""):
        """A QoS 1 message to every client; properties of MQTT 5."""
        self.send_all(topic, [payload], message_id, properties)

    def send_all(self, topic, payloads, message_id=1, properties=b""):
        """Several of them at once, with message ids from that one on."""
        for s, level in list(self._level.items()):
            if s.fileno() < 0:
                continue
            middle = bytes([len(properties)]) + properties if level == 5 else b""
            name = len(topic).to_bytes(2, "big") + topic.encode()
            s.sendall(b"".join(self._packet(0x32, name + number.to_bytes(2, "big") + middle + payload)
                               for number, payload in enumerate(payloads, message_id)))

    def send_raw(self, data):
        for s in self._sockets:
            if s.fileno() >= 0:
                s.sendall(data)

    def answer(self):
        """Acknowledges what puback() gave None for."""
        held, self._held = self._held, []
        self.unanswered -= len(held)
        for s, level, message_id in held:
            self._send_puback(s, level, message_id, 0)

    def _run(self):
        while not self._ended:
            try:
                s, _ = self._listener.accept()
            except TimeoutError:
                continue
            s.settimeout(None)
            self._sockets.append(s)
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    @staticmethod
    def _packet(head, body):
        length, size = b"", len(body)
        while True:
            length += bytes([size % 128 | (128 if size > 127 else 0)])
            size //= 128
            if size == 0:
                return bytes([head]) + length + body

    @staticmethod
    def _read(stream):
        head = stream.read(1)
        if not head:
            return 0, b""
        size = shift = 0
        while True:
            byte = stream.read(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return head[0], stream.read(size)

    def _serve(self, s):
        if self.websocket:
            s = self._shake_hands(s)
            if s is None:
                return
        level = 0
        with s, s.makefile("rb") as stream:
            try:
                while True:
                    head, body = self._read(stream)
                    kind = head >> 4
                    if kind == 1:
                        level = body[6]
                        self.connects.append(body)
                        self.levels.append(level)
                        self._level[s] = level
                        if not self._send_connack(s, level):
                            return
                    elif kind == 3:
                        if not self._take_publish(s, level, head, body):
                            return
                    elif kind == 8:
                        self._answer_subscribe(s, level, body)
                    elif kind == 4:
                        self.acknowledged.append(int.from_bytes(body[:2], "big"))
                        self.on_puback()
                    elif kind == 12:
                        self.pings += 1
                        s.sendall(b"\xd0\0")
                    elif kind in (0, 14):
                        return
            except OSError:
                return

    def _answer_subscribe(self, s, level, body):
        at, answers = 2 if level < 5 else 3 + body[2], []
        while at < len(body):
            size = int.from_bytes(body[at:at + 2], "big")
            self.topics.append(body[at + 2:at + 2 + size].decode())
            answers.append(self.suback(level, self.topics[-1]))
            at += 3 + size
        said = next((answer for answer in answers if isinstance(answer, bytes)), None)
        s.sendall(said or self._packet(0x90, body[:2] + (b"\0" if level == 5 else b"") + bytes(answers)))

    def _shake_hands(self, s):
        try:
            end = WebSocketEnd(s)
        except (OSError, ValueError, LookupError):  # who asks for something else
            s.close()
            return None
        self._sockets[self._sockets.index(s)] = end
        end.wild = self.wild
        self.ends.append(end)
        return end

    def _send_connack(self, s, level):
        code = self.connack(level)
        if code == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if code in (None, "reset"):
            return False
        if isinstance(code, bytes):
            s.sendall(code)
            return False
        properties = b""
        if level == 5:
            limit = b"" if self.receive_maximum is None else b"\x21" + self.receive_maximum.to_bytes(2, "big")
            limit += self.connack_properties
            properties = bytes([len(limit)]) + limit
        middle = b"\0" if level == 5 else b""
        s.sendall(self._packet(0x20, bytes([0, code]) + properties) + b"".join(
            self._packet(0x32, b"\0\x01t" + number.to_bytes(2, "big") + middle + payload) for number, payload in enumerate(self.waiting, 1)))
        return code == 0

    def _take_publish(self, s, level, head, body):
        size = int.from_bytes(body[:2], "big")
        message_id = body[2 + size:4 + size] if head & 6 else None
        rest = body[2 + size + (2 if head & 6 else 0):]
        payload = rest[1 + rest[0]:] if level == 5 else rest
        self.published.append((body[2:2 + size].decode(), payload))
        farewell = self.disconnect_at(payload)
        if farewell is not None:
            if farewell != "close":
                s.sendall(farewell if isinstance(farewell, bytes) else bytes([0xE0, 1, farewell]))
            return False
        if message_id is None:
            return True
        code = self.puback(level, payload)
        if code is None:
            self._held.append((s, level, message_id))
            self.unanswered += 1
            self.most_unanswered = max(self.most_unanswered, self.unanswered)
        else:
            self._send_puback(s, level, message_id, code)
        return True

    def _send_puback(self, s, level, message_id, code):
        s.sendall(self._packet(0x40, message_id + (bytes([code, 0]) if level == 5 and code else b"")))
