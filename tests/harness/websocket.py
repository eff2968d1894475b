"""A WebSocket client and an SSE client for tests, in plain Python: RFC 6455 with enough rope to misbehave on purpose."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

from .process import DEADLINE_S

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """The server answered the handshake with something else than 101."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body[:200]!r}")
        self.status, self.headers, self.body = status, headers, body


class Closed(Exception):
    """The server closed the connection; code None: without a close frame."""

    def __init__(self, code=None, reason=""):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class HttpReply:
    """The status line and the headers of a reply; `rest` holds what was read beyond them."""

    def __init__(self, sock, timeout=DEADLINE_S):
        end = time.monotonic() + timeout
        data = b""
        while b"\r\n\r\n" not in data:
            sock.settimeout(max(0.01, end - time.monotonic()))
            chunk = sock.recv(65536)
            if not chunk:
                raise Closed(None, f"the connection ended within the headers: {data[:200]!r}")
            data += chunk
        head, self.rest = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}


def connect(port, host="127.0.0.1", tls=None, receive_buffer=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(DEADLINE_S)
    sock.connect((host, port))
    return tls.wrap_socket(sock, server_hostname="localhost") if tls else sock


class WebSocketClient:
    """Connects at once; raises Refused when the server does not upgrade. `tls`: an ssl.SSLContext."""

    def __init__(self, port, path="/ws", headers=None, subprotocol=None, host="127.0.0.1", tls=None,
                 receive_buffer=None):
        self.sock = connect(port, host, tls, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        request = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                   "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        if subprotocol:
            request["Sec-WebSocket-Protocol"] = subprotocol
        request.update(headers or {})
        lines = [f"GET {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in request.items() if v is not None]
        try:
            self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            reply = HttpReply(self.sock)
        except BaseException:
            self.sock.close()
            raise
        if reply.status != 101:
            self.sock.close()
            raise Refused(reply.status, reply.headers, reply.rest)
        expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert reply.headers.get("sec-websocket-accept") == expected, reply.headers
        self.subprotocol = reply.headers.get("sec-websocket-protocol")
        self.headers = reply.headers
        self._buffer = reply.rest
        self.pings = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def recv(self, timeout=DEADLINE_S):
        """The next text message. Answers pings. Raises Closed when the server closed, TimeoutError when nothing came."""
        end = time.monotonic() + timeout
        message, kind = b"", None
        while True:
            final, opcode, payload = self.frame(end)
            if opcode == PING:
                self.pings += 1
                self.send_frame(PONG, payload)
            elif opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode())
            elif opcode != PONG:
                kind = kind or opcode
                message += payload
                if final:
                    assert kind == TEXT, f"a message of kind {kind}"
                    return message.decode()

    def event(self, timeout=DEADLINE_S):
        """The next message as JSON."""
        return json.loads(self.recv(timeout))

    def until(self, kind, timeout=DEADLINE_S):
        """The next event of this type; others before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            event = self.event(max(0.01, end - time.monotonic()))
            if event["type"] == kind:
                return event

    def send(self, text):
        self.send_frame(TEXT, text if isinstance(text, bytes) else text.encode())

    def close(self, code=1000):
        """Closes politely and waits for the server's answer."""
        try:
            self.send_frame(CLOSE, struct.pack("!H", code))
            while True:
                self.recv()
        except (Closed, OSError):
            pass
        self.sock.close()

    def send_frame(self, opcode, payload, final=True, mask=True, reserved=0):
        first = (0x80 if final else 0) | (reserved << 4) | opcode
        head = bytes([first])
        bit = 0x80 if mask else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        elif len(payload) < 65536:
            head += bytes([bit | 126]) + struct.pack("!H", len(payload))
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
        if mask:
            key = os.urandom(4)
            repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
            masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
            payload = key + masked.to_bytes(len(payload), "big")
        self.sock.sendall(head + payload)

    def frame(self, end):
        """One frame: (final, opcode, payload)."""
        first, second = self._take(2, end)
        assert not second & 0x80, "a server must not mask"
        length = second & 0x7f
        if length == 126:
            length = struct.unpack("!H", self._take(2, end))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8, end))[0]
        return bool(first & 0x80), first & 0x0f, self._take(length, end)

    def _take(self, count, end):
        while len(self._buffer) < count:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                chunk = self.sock.recv(1 << 20)
            except ConnectionResetError as error:
                raise Closed(None, str(error)) from None
            if not chunk:
                raise Closed(None, "the connection ended")
            self._buffer += chunk
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


class EventStream:
    """Server-sent events: next() returns {"event","id","data"}; comments are counted."""

    def __init__(self, port, path="/events", headers=None, host="127.0.0.1", tls=None, receive_buffer=None):
        self.sock = connect(port, host, tls, receive_buffer)
        request = {"Host": f"{host}:{port}", "Accept": "text/event-stream"}
        request.update(headers or {})
        lines = [f"GET {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in request.items() if v is not None]
        try:
            self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            reply = HttpReply(self.sock)
        except BaseException:
            self.sock.close()
            raise
        self.headers = reply.headers
        if reply.status != 200:
            self.sock.close()
            raise Refused(reply.status, reply.headers, reply.rest)
        self._buffer = reply.rest
        self._chunked = self.headers.get("transfer-encoding") == "chunked"
        assert not self._chunked, "this client reads plain streams only"
        self.comments = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def next(self, timeout=DEADLINE_S):
        end = time.monotonic() + timeout
        while True:
            while b"\n\n" not in self._buffer:
                self.sock.settimeout(max(0.001, end - time.monotonic()))
                chunk = self.sock.recv(1 << 20)
                if not chunk:
                    raise Closed(None, "the stream ended")
                self._buffer += chunk
            block, self._buffer = self._buffer.split(b"\n\n", 1)
            fields = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                if name == "":
                    self.comments += 1
                else:
                    fields[name] = value.removeprefix(" ")
            if "data" in fields:
                return fields

    def event(self, timeout=DEADLINE_S):
        return json.loads(self.next(timeout)["data"])

    def until(self, kind, timeout=DEADLINE_S):
        end = time.monotonic() + timeout
        while True:
            event = self.event(max(0.01, end - time.monotonic()))
            if event["type"] == kind:
                return event


def http(port, method="GET", path="/", headers=None, body=b"", host="127.0.0.1", tls=None):
    """One HTTP request exactly as given (no normalisation of the path): (status, headers, body)."""
    with connect(port, host, tls) as sock:
        request = {"Host": f"{host}:{port}", "Connection": "close"}
        if body:
            request["Content-Length"] = str(len(body))
        request.update(headers or {})
        lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in request.items() if v is not None]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        reply = HttpReply(sock)
        data = reply.rest
        length = reply.headers.get("content-length")
        while method != "HEAD" and reply.status != 304 and (length is None or len(data) < int(length)):
            chunk = sock.recv(65536)
            if not chunk:
                break
            data += chunk
        return reply.status, reply.headers, data
