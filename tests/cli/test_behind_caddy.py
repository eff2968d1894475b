"""blews and blerecv behind a real Caddy, with examples/Caddyfile: login, WebSocket, events as they come, batches, addresses in the logs."""
import os
import pathlib
import ssl
import subprocess
import tempfile
import unittest
from urllib.parse import urlsplit

from harness import DEADLINE_S, Caddy, Tool, WebSocketClient, self_signed, source_path, tool_path

TOKEN = "0123456789abcdef0123456789abcdef"
BATCH = '{"device_id":"pi-1","detections":[]}'
CLIENT = "127.0.0.5"  # an address that the proxy sees, and the servers behind it do not


class Server(Tool):
    def __init__(self, name, *options, **more):
        super().__init__(name, "--port", "0", *options, **more)
        self.wait_err("listening on ")
        self.port = int(self.err.split("listening on ", 1)[1].split()[0].rsplit(":", 1)[1])


class BehindCaddy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-caddy-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.cert, cls.key = self_signed(cls.folder)
        cls.token_file = os.path.join(cls.folder, "token")
        pathlib.Path(cls.token_file).write_text(TOKEN + "\n", encoding="ascii")

    def start(self, server):
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def caddy(self, blews=1, blerecv=1, change=None):
        """The example, with other ports and a certificate; `change`: further (old, new)."""
        text = pathlib.Path(source_path("examples", "Caddyfile")).read_text(encoding="ascii")
        for old, new in (("board.example.org {\n", f"https://localhost:@PORT@ {{\n\tbind 127.0.0.1\n\ttls {self.cert} {self.key}\n"),
                         ("127.0.0.1:8765", f"127.0.0.1:{blews}"), ("127.0.0.1:8000", f"127.0.0.1:{blerecv}"), *(change or [])):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return self.start(Caddy(text))

    def curl(self, *words):
        """(status, body) of the real curl, from the client's address."""
        done = subprocess.run(["curl", "-sS", "--max-time", str(DEADLINE_S), "--cacert", self.cert, "--interface", CLIENT, "-w", "\n%{http_code}", *words],
                              capture_output=True, check=True, timeout=DEADLINE_S + 10)
        body, _, status = done.stdout.decode().rpartition("\n")
        return int(status), body

    def hears(self, root, **headers):
        at = urlsplit(root)
        own = {"Host": at.netloc, "Origin": f"https://{at.netloc}", **headers}
        with WebSocketClient(at.port, at.path + "ws", headers=own, tls=ssl.create_default_context(cafile=self.cert)) as client:
            self.assertIn('"connected"', client.recv())

    def test_a_browser_logs_in_and_listens_under_a_path(self):
        for change, prefix in ((None, []), ([("handle_path /ble/*", "handle /ble/*")], ["--prefix", "/ble"])):
            blews = self.start(Server("blews", "--token-file", self.token_file, "--trusted-proxy", "127.0.0.1", *prefix))
            root = self.caddy(blews=blews.port, change=change).url + "/ble/"
            jar = os.path.join(self.folder, f"cookies{len(prefix)}")
            browser = ["-L", "-b", jar, "-c", jar, "-H", "Accept: text/html"]
            self.assertIn("<form", self.curl(*browser, root[:-1])[1])
            self.assertEqual(self.curl(*browser, "-d", "token=wrong", root + "login")[0], 401)
            blews.wait_err(f"a login with a wrong token from {CLIENT}")
            status, body = self.curl(*browser, "-d", f"token={TOKEN}", root + "login")
            self.assertEqual(status, 200, body)
            cookie = next(line.split("\t") for line in pathlib.Path(jar).read_text(encoding="ascii").splitlines() if "\t" in line)
            self.assertEqual((cookie[2].rstrip("/"), cookie[3]), ("/ble", "TRUE"))
            self.hears(root, Cookie=f"{cookie[5]}={cookie[6]}")

    def test_events_come_as_they_happen(self):
        blews = self.start(Server("blews", "--token-file", self.token_file))
        url = self.caddy(blews=blews.port).url + "/ble/events"
        with Tool("curl", "-sN", "--cacert", self.cert, "-H", f"Authorization: Bearer {TOKEN}", url, stdin=None) as curl:
            self.assertIn(b'"connected"', curl.line())
            for number in range(3):  # each is seen before the next is there
                blews.write(f'{{"type":"x","data":{{"n":{number}}}}}\n')
                while f'"n":{number}' not in curl.line().decode():
                    pass

    def test_batches_arrive_and_strangers_are_named_if_the_proxy_is_trusted(self):
        made = subprocess.run([tool_path("blerecv"), "--make-key", "pi-1"], capture_output=True, check=True)
        keys = os.path.join(self.folder, "keys")
        pathlib.Path(keys).write_bytes(made.stdout)
        key = made.stderr.decode().splitlines()[-1]
        for trust, told in ((["--trusted-proxy", "127.0.0.1"], CLIENT), ([], "127.0.0.1")):
            blerecv = self.start(Server("blerecv", "--api-keys-file", keys, *trust))
            url = self.caddy(blerecv=blerecv.port).url + "/ble-in"
            forged = ["-H", "X-Forwarded-For: 192.0.2.7"]
            self.assertEqual(self.curl(*forged, "-d", "x", url + "/api/v1/detections/bulk")[0], 401)
            blerecv.wait_err(f"answering 401 to {told},")
            long_line = BATCH[:-1] + ',"pad":"' + "x" * (512_000 - len(BATCH) - 9) + '"}'
            with Tool("blesend", "--mode", "http", "--url", url, "--cafile", self.cert, env={"HTTP_API_KEY": key}) as blesend:
                blesend.write(BATCH + "\n" + long_line + "\n")
                blesend.close_stdin()
                for line in (BATCH, long_line):
                    self.assertEqual(blerecv.line().decode(), line[:-1] + ',"sender":"key pi-1"}')
                self.assertEqual(blesend.wait(), 0, blesend.err)


if __name__ == "__main__":
    unittest.main()
