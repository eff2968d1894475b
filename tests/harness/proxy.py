"""A link that a test can cut: forwards TCP connections until told not to."""
import select
import socket
import struct
import threading

from .process import DEADLINE_S


class Proxy:
    """Forwards a loopback port of its own to `target_port`; cut() resets what is open, up and down switch the link."""

    def __init__(self, target_port):
        self.target_port = target_port
        self._lock = threading.Lock()
        self._pairs, self._up, self._ended = [], True, False
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._thread.join(DEADLINE_S)
        self.cut()
        self._listener.close()

    def _run(self):
        while not self._ended:
            with self._lock:
                sources = {s: other for pair in self._pairs for s, other in (pair, pair[::-1])}
            try:
                ready, _, _ = select.select([self._listener, *sources], [], [], 0.02)
            except (OSError, ValueError):  # cut() closed one meanwhile
                continue
            for s in ready:
                if s is self._listener:
                    self._accept()
                else:
                    self._forward(s, sources[s])

    def _accept(self):
        client, _ = self._listener.accept()
        try:
            if not self._up:
                raise ConnectionError
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            self._reset(client)
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.connections += 1
            self._pairs.append((client, server))

    def _forward(self, source, target):
        with self._lock:
            if source.fileno() < 0:
                return
        try:
            data = source.recv(65536)
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        with self._lock:
            self._pairs = [p for p in self._pairs if source not in p]
        for s in (source, target):
            s.close()

    @staticmethod
    def _reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def cut(self):
        """Resets all connections, in mid-message where that happens to be."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            for pair in pairs:
                for s in pair:
                    self._reset(s)

    def down(self):
        self._up = False
        self.cut()

    def up(self):
        self._up = True
