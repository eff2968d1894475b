"""A real HTTP server whose answers a test scripts."""
import http.server
import socket
import socketserver
import ssl
import threading
import time
from collections import namedtuple

from .process import DEADLINE_S, free_port, wait_port

Request = namedtuple("Request", "method path headers body connection")


class HttpServer:
    """Listens on a free loopback port; remembers every request.

    `answer(request)` gives (status, headers, body), or None to cut the connection without an answer. By default health
    checks get 200, and each POST the next status of `script`: a number, or what answer() may give; then 201. Without a
    Content-Type among its headers an answer is JSON, as a backend's.
    `certificate`: the files of (certificate, key), for HTTPS; with `clients_of`, the file of an authority, clients need a
    certificate as well. `tls` is the newest version spoken.
    """

    def __init__(self, answer=None, script=(), certificate=None, clock=0, clients_of=None, tls=ssl.TLSVersion.TLSv1_3):
        self.port = free_port()
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self.requests, self.script = [], list(script)
        self.health = 200
        self._answer = answer or self._scripted
        self._certificate, self._clients_of, self._tls = certificate, clients_of, tls
        self._clock = clock  # by how many seconds its clock is wrong
        self._lock = threading.Lock()
        self._sockets, self._connections = set(), 0
        self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def posts(self):
        with self._lock:
            return [r for r in self.requests if r.method == "POST"]

    @property
    def bodies(self):
        return [r.body for r in self.posts]

    def _scripted(self, request):
        with self._lock:
            found = self.health if request.method == "GET" else self.script.pop(0) if self.script else 201
        return (found, {}, b"") if isinstance(found, int) else found

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = DEADLINE_S
            disable_nagle_algorithm = True

            def setup(self):
                if outer._certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*outer._certificate)
                    context.maximum_version = outer._tls
                    if outer._clients_of:
                        context.verify_mode = ssl.CERT_REQUIRED
                        context.load_verify_locations(outer._clients_of)
                    self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()
                with outer._lock:
                    outer._connections += 1
                    self.number = outer._connections
                    outer._sockets.add(self.request)

            def finish(self):
                with outer._lock:
                    outer._sockets.discard(self.request)
                super().finish()

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body, self.number)
                with outer._lock:
                    outer.requests.append(request)
                answer = outer._answer(request)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = respond

            def date_time_string(self, timestamp=None):
                return super().date_time_string((timestamp or time.time()) + outer._clock)

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass  # clients that vanish are what the tests are about

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        if not self._certificate:
            wait_port(self.port)

    def stop(self):
        """Stops listening and cuts what is open."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()
        self._server = None
        self.cut()

    def cut(self):
        with self._lock:
            open_now = list(self._sockets)
        for s in open_now:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
