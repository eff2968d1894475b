"""A link that a test can cut, slow down or silence: forwards TCP connections until told not to."""
import select
import socket
import struct
import threading
import time

from .process import DEADLINE_S

_PIECE = 65536  # bytes on their way in each direction of a connection, at most
_TICK_S = 0.02
_LOGIN = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 49\r\nConnection: close\r\n\r\n"
          b"<html><body>Please accept our terms</body></html>")


class _Connection:
    """The client's socket and the server's (None: never made), and what each of them is still to get."""

    def __init__(self, client, server):
        self.others = {client: server}
        if server:
            self.others[server] = client
        self.waiting = {s: b"" for s in self.others}
        self.due = dict.fromkeys(self.others, 0.0)
        self.ended = set()    # sockets that sent their end
        self.dead = server is None
        self.portal = False


class Proxy:
    """Forwards a loopback port of its own to `target_port`.

    cut() resets what is open, down() and up() switch the link. forget() makes what is open half-open: bytes vanish, nothing
    is closed, new connections work. silence() makes bytes of all connections vanish, new ones too, until up() resets these.
    slow(RATE) lets so many bytes a second pass in each direction of a connection, slow(None) all. portal(True) resets what
    is open and answers whatever comes on a new connection with a login page, as the access points of hotels do, until
    portal(False). redirect(PORT) resets what is open and leads new connections to another port, redirect(None) to its own again.
    """

    def __init__(self, target_port):
        self.target_port = target_port
        self._lock = threading.Lock()
        self._connections, self._up, self._silent, self._rate, self._ended = [], True, False, None, False
        self._portal, self._elsewhere = False, None
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
                owners = {s: c for c in self._connections for s in c.others}
                now = time.monotonic()
                wanted = [s for s, c in owners.items() if self._may_read(c, s, now)]
                owed = [s for s, c in owners.items() if c.waiting[s] and not c.dead]
            try:
                ready, free, _ = select.select([self._listener, *wanted], owed, [], _TICK_S)
            except (OSError, ValueError):  # cut() closed one meanwhile
                continue
            if self._listener in ready:
                self._accept()
                ready.remove(self._listener)
            with self._lock:
                for s in ready:
                    self._read(owners[s], s)
                for s in free:
                    self._write(owners[s], s)

    @staticmethod
    def _may_read(connection, source, now):
        if source in connection.ended:
            return False
        return connection.dead or (now >= connection.due[source] and not connection.waiting[connection.others[source]])

    def _accept(self):
        client, _ = self._listener.accept()
        server = None
        try:
            if not self._up:
                raise ConnectionError
            if not self._silent and not self._portal:
                server = socket.create_connection(("127.0.0.1", self._elsewhere or self.target_port))
        except OSError:
            self._reset(client)
            return
        for s in (client, server):
            if s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                s.setblocking(False)
        with self._lock:
            self.connections += 1
            self._connections.append(_Connection(client, server))
            self._connections[-1].portal = self._portal

    def _read(self, connection, source):
        if connection not in self._connections:
            return
        rate = self._rate
        try:
            data = source.recv(_PIECE if rate is None or connection.dead else max(1, int(rate * _TICK_S)))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if rate is not None:
            connection.due[source] = time.monotonic() + len(data) / rate
        if connection.portal:
            if data:
                source.send(_LOGIN)
            self._close(connection)
        elif not data:
            self._end(connection, source)
        elif not connection.dead:
            target = connection.others[source]
            connection.waiting[target] = data
            self._write(connection, target)

    def _write(self, connection, target):
        if connection not in self._connections or connection.dead:
            return
        try:
            sent = target.send(connection.waiting[target])
            connection.waiting[target] = connection.waiting[target][sent:]
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)
            return
        if not connection.waiting[target] and connection.others[target] in connection.ended:
            self._close(connection)

    def _end(self, connection, source):
        """The other side gets what is on its way first; through a dead link it never hears of the end."""
        connection.ended.add(source)
        if connection.dead:
            if connection.ended.issuperset(connection.others):
                self._close(connection)
        elif not connection.waiting[connection.others[source]]:
            self._close(connection)

    def _close(self, connection):
        self._connections.remove(connection)
        for s in connection.others:
            s.close()

    @staticmethod
    def _reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def cut(self):
        """Resets all connections, in mid-message where that happens to be."""
        with self._lock:
            connections, self._connections = self._connections, []
            for connection in connections:
                for s in connection.others:
                    self._reset(s)

    def down(self):
        self._up = False
        self.cut()

    def up(self):
        if self._silent:
            self._silent = False
            self.cut()
        self._up = True

    def forget(self):
        with self._lock:
            for connection in self._connections:
                connection.dead = True

    def silence(self):
        self._silent = True
        self.forget()

    def portal(self, on):
        self._portal = on
        self.cut()

    def redirect(self, port):
        self._elsewhere = port
        self.cut()

    def slow(self, rate):
        self._rate = rate
