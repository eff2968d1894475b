"""The server's end of a WebSocket that carries a stream of bytes, as MQTT's: it cuts what it sends as badly as the standard allows."""
import base64
import hashlib
import io
import random
import socket
import struct
import threading

from .websocket import BINARY, CLOSE, GUID, PING, PONG

CONTINUATION = 0


class WebSocketEnd(io.RawIOBase):
    """Wraps a socket that a client has connected to: shakes hands, and then sends and reads the payload as a socket would.

    `request`: the headers of the client, and "path". `pings`: those that were sent; `pongs`: those that came back; `closed_with`: the code of
    the client's close frame; `fault`: what rule the client has broken. `wild` may be set to False: each message is then one frame.
    """

    def __init__(self, sock, subprotocol="mqtt"):
        super().__init__()
        self._sock, self._random, self._rest = sock, random.Random(), b""
        self._lock = threading.Lock()  # of sending
        self.wild, self.fault = True, None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pings, self.pongs, self.closed_with = [], [], None
        self._stream = sock.makefile("rb")
        lines = [self._stream.readline().decode().rstrip("\r\n")]
        while lines[-1]:
            lines.append(self._stream.readline().decode().rstrip("\r\n"))
        self.request = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:-1])}
        self.request["path"] = lines[0].split(" ")[1]
        accept = base64.b64encode(hashlib.sha1((self.request["sec-websocket-key"] + GUID).encode()).digest()).decode()
        self._trickle((f"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n"
                       f"SEC-WebSocket-Accept:{accept}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n").encode())

    def fileno(self):
        return self._sock.fileno()

    def setsockopt(self, *words):
        self._sock.setsockopt(*words)

    def shutdown(self, how):
        self._sock.shutdown(how)

    def close(self):
        self._stream.close()
        self._sock.close()
        super().close()

    def makefile(self, _):
        return io.BufferedReader(self)

    def sendall(self, data):
        """As one message, in frames of all kinds of length, with pings between them, in segments that end anywhere."""
        if not self.wild:
            self.send_raw(self.frame(BINARY, data))
            return
        sizes = (0, 1, 125, 126, 4096, 65535, 65536) if len(data) > 2000 else (0, 1, 2, 7, 126, 300)
        wire, opcode = b"", BINARY
        while opcode == BINARY or data:
            size = self._random.choice(sizes)
            wire += self.frame(opcode, data[:size], final=size >= len(data))
            data, opcode = data[size:], CONTINUATION
            if self._random.random() < 0.2:
                self.pings.append(self._random.randbytes(self._random.choice((0, 5, 125))))
                wire += self.frame(PING, self.pings[-1])
        self._trickle(wire)

    def _trickle(self, wire):
        singly = self._random.choice((0, 10, 300))
        with self._lock:
            for at in range(min(singly, len(wire))):
                self._sock.sendall(wire[at:at + 1])
            self._sock.sendall(wire[singly:])

    def send_raw(self, wire):
        with self._lock:
            self._sock.sendall(wire)

    @staticmethod
    def frame(opcode, payload, final=True):
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
        return bytes([(0x80 if final else 0) | opcode]) + length + payload

    def readable(self):
        return True

    def readinto(self, room):
        while not self._rest:
            opcode, payload = self._read_frame()
            if opcode is None:
                return 0
            if opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.closed_with = int.from_bytes(payload[:2], "big")
                self.send_raw(self.frame(CLOSE, payload[:2]))
                return 0
            elif opcode == BINARY:
                self._rest = payload
            else:
                return self._break(f"a frame of the kind {opcode}")
        size = min(len(room), len(self._rest))
        room[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _break(self, fault):
        self.fault = fault
        return 0

    def _read_frame(self):
        head = self._stream.read(2)
        if len(head) < 2:
            return None, b""
        if head[0] & 0xf0 != 0x80 or not head[1] & 0x80:
            self._break("a frame that is not final, or not masked")
            return None, b""
        size = head[1] & 0x7f
        if size > 125:
            size = int.from_bytes(self._stream.read(2 if size == 126 else 8), "big")
        mask, payload = self._stream.read(4), self._stream.read(size)
        if len(mask) < 4 or len(payload) < size:
            return None, b""
        return head[0] & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
