"""blews and blerecv behind a real nginx, in its usual configurations: every step of a browser stays where nginx serves us."""
import json
import os
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading
import unittest
from urllib.parse import urljoin, urlsplit

from harness import DEADLINE_S, Nginx, Refused, Tool, WebSocketClient, self_signed, source_path, tool_path

TOKEN = "0123456789abcdef0123456789abcdef"
UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
HOST = "proxy_set_header Host $http_host;"
PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
BATCH = '{"device_id":"pi-1","detections":[]}'


class Server(Tool):
    """A tool that listens, by default blews."""

    def __init__(self, *options, tool="blews", **more):
        super().__init__(tool, "--port", "0", *options, **more)
        self.wait_err("listening on ")
        self.port = int(self.err.split("listening on ", 1)[1].split()[0].rsplit(":", 1)[1])


class Browser:
    """The real curl with a cookie jar, which follows redirects; `ca`: the certificate that it trusts."""

    def __init__(self, folder, ca=None):
        self._words = ["curl", "-sS", "--max-time", str(DEADLINE_S), "-H", "Accept: text/html"]
        self._words += ["--cacert", ca] if ca else []
        self.jar = os.path.join(folder, "cookies")
        self.tls = ssl.create_default_context(cafile=ca) if ca else None

    def open(self, url, *words):
        """(status, the address that it came to, headers of all answers, body)."""
        if "-d" in words:
            at = urlsplit(url)
            words = [*words, "-H", f"Origin: {at.scheme}://{at.netloc}"]  # as browsers do with what they post
        done = subprocess.run([*self._words, "-L", "-i", "-b", self.jar, "-c", self.jar, "-w", "\n%{http_code} %{url_effective}", *words, url],
                              capture_output=True, check=True, timeout=DEADLINE_S + 10)
        text, _, last = done.stdout.decode().rpartition("\n")
        *heads, body = text.split("\r\n\r\n", text.count("HTTP/1.1 "))
        return int(last.split()[0]), last.split()[1], "\r\n".join(heads).lower(), body

    def cookie(self):
        """(name=value, path, is it for https alone) of the only one."""
        with open(self.jar, encoding="ascii") as f:
            lines = [line.removeprefix("#HttpOnly_").rstrip("\n").split("\t") for line in f if "\t" in line]
        (_, _, path, secure, _, name, value), = lines
        return f"{name}={value}", path, secure == "TRUE"

    def websocket(self, page, **more):
        """The WebSocket that a page at that address opens."""
        at = urlsplit(urljoin(page, "ws"))
        headers = {"Host": at.netloc, "Origin": f"{at.scheme}://{at.netloc}"}
        if os.path.exists(self.jar):
            headers["Cookie"] = self.cookie()[0]
        return WebSocketClient(at.port, at.path, headers=headers, tls=self.tls, subprotocol="blepipe.ndjson", **more)


class BehindNginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-nginx-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.tls = self_signed(cls.folder)
        cls.token_file = os.path.join(cls.folder, "token")
        pathlib.Path(cls.token_file).write_text(TOKEN + "\n", encoding="ascii")

    def start(self, server):
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def blews(self, *options):
        return self.start(Server(*options))

    def browser(self, tls):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-browser-")
        self.addCleanup(folder.cleanup)
        return Browser(folder.name, self.tls[0] if tls else None)

    def hears(self, client):
        """That client gets what is broadcast."""
        with client:
            self.assertIn('"connected"', client.recv())


class Login(BehindNginx):
    def check(self, tls, location, target, *options, prefix="/ble/", path=""):
        """A browser logs in under `prefix` at `path`, and sees the page and its events. `target`: the end of proxy_pass."""
        blews = self.blews("--token-file", self.token_file, "--trusted-proxy", "127.0.0.1", *options)
        nginx = self.start(Nginx(f"location {location} {{ proxy_pass http://127.0.0.1:{blews.port}{target}; {UPGRADE}{HOST}{PROTO} }}",
                                 self.tls if tls else None))
        root, browser = nginx.url + prefix, self.browser(tls)

        status, at, _, body = browser.open(nginx.url + (path or prefix))
        self.assertEqual((status, at), (200, root + "login"))
        form = urljoin(at, re.search(r'<form method="post" action="([^"]*)"', body)[1])
        self.assertEqual(browser.open(form, "-d", "token=wrong")[:2], (401, root + "login"))
        status, at, _, body = browser.open(form, "-d", f"token={TOKEN}")
        self.assertEqual((status, at), (200, root))
        for name in re.findall(r'(?:href|src)="([^":]+)"', body):
            status, at, _, _ = browser.open(urljoin(root, name))
            self.assertEqual((status, at), (200, root + name))
        _, cookie_path, secure = browser.cookie()
        self.assertEqual((cookie_path.rstrip("/"), secure), (prefix.rstrip("/"), tls))
        self.hears(browser.websocket(root))
        # Another browser, at a page that is deeper.
        self.assertEqual(self.browser(tls).open(root + "sub/page.html?x=1")[:2], (200, root + "login"))

    def test_at_the_root(self):
        for tls in (False, True):
            for target in ("", "/"):
                self.check(tls, "/", target, prefix="/")

    def test_under_a_path_that_nginx_takes_off(self):
        for tls in (False, True):
            self.check(tls, "/ble/", "/")
        self.check(False, "/ble/", "/", path="/ble")  # nginx adds the slash
        self.check(False, "/a/b/", "/", prefix="/a/b/")

    def test_under_a_path_that_is_passed_on(self):
        for tls in (False, True):
            self.check(tls, "/ble/", "", "--prefix", "/ble")
        self.check(False, "/ble", "", "--prefix", "/ble/", path="/ble")  # blews adds the slash
        self.check(False, "/a/b", "", "--prefix", "/a/b", prefix="/a/b/", path="/a/b")


class Https(BehindNginx):
    def cookie(self, *options, proto=PROTO, address="127.0.0.1"):
        blews = self.blews("--token-file", self.token_file, *options)
        nginx = self.start(Nginx(f"location / {{ proxy_pass http://{address}:{blews.port}; {HOST}{proto} }}", self.tls))
        browser = self.browser(True)
        for _ in range(2):
            self.assertEqual(browser.open(nginx.url + "/login", "-d", f"token={TOKEN}")[0], 200)
        return browser.cookie(), blews

    def test_a_proxy_is_believed_only_when_it_is_named(self):
        for options in ([], ["--trusted-proxy", "127.0.0.2"], ["--trusted-proxy", "::1"]):
            (_, _, secure), blews = self.cookie(*options)
            self.assertFalse(secure, options)
            blews.wait_err("say --trusted-proxy 127.0.0.1")
            self.assertEqual(blews.err.count("say --trusted-proxy 127.0.0.1"), 1)
        for options in (["--trusted-proxy", "127.0.0.1"], ["--trusted-proxy", "::1", "--trusted-proxy", "127.0.0.1"]):
            (_, _, secure), blews = self.cookie(*options)
            self.assertTrue(secure, options)
            self.assertNotIn("say --trusted-proxy", blews.err)

    def test_ipv6_and_both_families(self):
        for bind, address, proxy in (("::1", "[::1]", "::1"), ("::", "[::1]", "::1"), ("::", "127.0.0.1", "127.0.0.1")):
            self.assertTrue(self.cookie("--bind", bind, "--trusted-proxy", proxy, address=address)[0][2], (bind, proxy))
            (_, _, secure), blews = self.cookie("--bind", bind, address=address)
            self.assertFalse(secure)
            blews.wait_err("say --trusted-proxy ")
            told = blews.err.split("say --trusted-proxy ")[1].split()[0]
            self.assertTrue(self.cookie("--bind", bind, "--trusted-proxy", told, address=address)[0][2], told)

    def test_it_says_https_and_nothing_else(self):
        for proto in ("", "proxy_set_header X-Forwarded-Proto http;", 'proxy_set_header X-Forwarded-Proto "http, https";'):
            self.assertFalse(self.cookie("--trusted-proxy", "127.0.0.1", proto=proto)[0][2], proto)


class Websockets(BehindNginx):
    def refused(self, headers, *options):
        """The status that a page's WebSocket gets behind nginx with these directives, and what blews says."""
        blews = self.blews(*options)
        nginx = self.start(Nginx(f"location / {{ proxy_pass http://127.0.0.1:{blews.port}; {headers} }}"))
        with self.assertRaises(Refused) as refused:
            self.browser(False).websocket(nginx.url + "/")
        return refused.exception.status, blews, nginx

    def test_without_the_name_it_was_called_by_the_log_says_which_option_helps(self):
        # As without any proxy_set_header Host, and as with $host, which has no port.
        for headers in (UPGRADE, UPGRADE + "proxy_set_header Host $host;"):
            status, blews, nginx = self.refused(headers)
            self.assertEqual(status, 403)
            blews.wait_err("Host $http_host")
            option = f"--origin {nginx.url}"
            self.assertIn(option + ";", blews.err)
            _, _, _, body = self.browser(False).open(nginx.url + "/health")
            self.assertEqual(json.loads(body)["refused"]["origin"], 1)
            again = self.blews(*option.split())
            nginx = self.start(Nginx(f"location / {{ proxy_pass http://127.0.0.1:{again.port}; {headers} }}"))
            self.hears(WebSocketClient(nginx.port, headers={"Origin": option.split()[1]}))

    def test_a_name_passed_on_that_is_not_this_machines(self):
        blews = self.blews()
        nginx = self.start(Nginx(f"location / {{ proxy_pass http://127.0.0.1:{blews.port}; {UPGRADE}{HOST}{PROTO} }}", self.tls))
        browser, there = self.browser(True), ["-k", "--resolve", f"board.example:{nginx.port}:127.0.0.1"]
        page = f"https://board.example:{nginx.port}"
        self.assertEqual(browser.open(page, *there)[0], 403)
        blews.wait_err(f"--origin {page}")
        blews = self.blews("--origin", page)
        nginx = self.start(Nginx(f"location / {{ proxy_pass http://127.0.0.1:{blews.port}; {UPGRADE}{HOST}{PROTO} }}", self.tls))
        there[-1] = f"board.example:{nginx.port}:127.0.0.1"
        self.assertEqual(browser.open(f"https://board.example:{nginx.port}", *there)[0], 200)

    def test_without_the_headers_of_an_upgrade_the_log_says_which(self):
        status, blews, _ = self.refused(HOST)
        self.assertEqual(status, 426)
        blews.wait_err("proxy_set_header Upgrade $http_upgrade")
        status, blews, _ = self.refused(HOST + "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;")
        self.assertEqual(status, 400)
        blews.wait_err("proxy_set_header Connection upgrade")

    def test_an_unknown_subprotocol_is_answered_through_nginx(self):
        blews = self.blews()
        nginx = self.start(Nginx(f"location / {{ proxy_pass http://127.0.0.1:{blews.port}; {UPGRADE}{HOST} }}"))
        with self.assertRaises(Refused) as refused:
            WebSocketClient(nginx.port, subprotocol="chess")
        self.assertEqual(refused.exception.status, 400)


class Example(BehindNginx):
    """examples/nginx.conf, with other ports and certificates."""

    def nginx(self, blews=1, blerecv=1):
        text = pathlib.Path(source_path("examples", "nginx.conf")).read_text(encoding="ascii")
        for old, new in (("listen 443 ssl", "listen 127.0.0.1:@PORT@ ssl"), ("127.0.0.1:8765", f"127.0.0.1:{blews}"),
                         ("127.0.0.1:8000", f"127.0.0.1:{blerecv}"), ("/etc/nginx/certs/board.pem", self.tls[0]),
                         ("/etc/nginx/certs/board.key", self.tls[1])):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return self.start(Nginx(text, whole=True))

    def test_a_browser_logs_in_and_listens(self):
        blews = self.blews("--token-file", self.token_file, "--trusted-proxy", "127.0.0.1")
        root = self.nginx(blews=blews.port).url + "/ble/"
        browser = self.browser(True)
        self.assertEqual(browser.open(root)[1], root + "login")
        self.assertEqual(browser.open(root + "login", "-d", f"token={TOKEN}")[:2], (200, root))
        self.assertTrue(browser.cookie()[2])
        self.hears(browser.websocket(root))
        with Tool("curl", "-sN", "--cacert", self.tls[0], "-H", "Authorization: Bearer " + TOKEN, root + "events", stdin=None) as curl:
            self.assertIn(b'"connected"', curl.line())

    def test_batches_of_blesend_arrive(self):
        keys = os.path.join(self.folder, "keys")
        made = subprocess.run([tool_path("blerecv"), "--make-key", "*"], capture_output=True, check=True)
        pathlib.Path(keys).write_bytes(made.stdout)
        key = made.stderr.decode().splitlines()[-1]
        with Server("--api-keys-file", keys, tool="blerecv") as blerecv:
            url = self.nginx(blerecv=blerecv.port).url + "/ble-in"
            lines = [BATCH.replace("pi-1", f"pi-{n:02}") for n in range(20)]
            long_line = BATCH[:-1] + ',"pad":"' + "x" * (512_000 - len(BATCH) - 9) + '"}'
            with Tool("blesend", "--mode", "http", "--url", url, "--cafile", self.tls[0], env={"HTTP_API_KEY": key}) as blesend:
                blesend.write("".join(line + "\n" for line in [*lines, long_line]))
                blesend.close_stdin()
                self.assertEqual([blerecv.line().decode() for _ in range(21)],
                                 [line[:-1] + ',"sender":"key *"}' for line in (*lines, long_line)])
                self.assertEqual(blesend.wait(), 0, blesend.err)

    def test_the_log_names_whom_nginx_names_if_it_is_trusted(self):
        for trust, told in ((["--trusted-proxy", "127.0.0.1"], "127.0.0.5"), ([], "127.0.0.1")):
            with Server(*trust, tool="blerecv", env={"API_KEY": TOKEN}) as blerecv, Server(*trust, env={"BLEPIPE_TOKEN": TOKEN}) as blews:
                url = self.nginx(blews.port, blerecv.port).url
                for path in ("/ble-in/api/v1/detections/bulk", "/ble/events"):
                    words = ["--interface", "127.0.0.5", "-H", "X-Forwarded-For: 192.0.2.7", "-H", "Accept: */*"]
                    self.assertEqual(self.browser(True).open(url + path, *words)[0], 401)
                blerecv.wait_err(f"answering 401 to {told},")
                blews.wait_err(f"refusing (401) a client at {told} ")

    def test_the_log_names_the_client_also_when_its_body_has_come(self):
        with Server("--trusted-proxy", "127.0.0.1", tool="blerecv") as blerecv:
            url = self.nginx(blerecv=blerecv.port).url + "/ble-in/api/v1/detections/bulk"

            def post(body):
                with tempfile.NamedTemporaryFile() as f:
                    f.write(body.encode())
                    f.flush()
                    words = ["--interface", "127.0.0.5", "-H", "Content-Type: application/json", "--data-binary", f"@{f.name}"]
                    return self.browser(True).open(url, *words)[0]
            self.assertEqual(post("x" * 400_000), 400)
            blerecv.wait_err("answering 400 to 127.0.0.5:")
            self.assertEqual(post(BATCH), 503)  # nobody reads
            blerecv.wait_err("answering 503 to 127.0.0.5: ")

    def test_the_longest_body_is_not_refused_by_nginx(self):
        with Server(tool="blerecv") as blerecv:
            url = self.nginx(blerecv=blerecv.port).url + "/ble-in/api/v1/detections/bulk"
            with tempfile.NamedTemporaryFile() as f:
                f.write((BATCH + "\n").encode() * (2_048_000 // (len(BATCH) + 1)))
                f.flush()
                threading.Thread(target=blerecv.lines, daemon=True).start()
                status, _, _, body = self.browser(True).open(url, "-H", "Content-Type: application/x-ndjson", "--data-binary", f"@{f.name}")
            self.assertEqual(status, 201, body)

    def test_without_blerecv_batches_wait(self):
        url = self.nginx().url + "/ble-in"
        with Tool("blesend", "--mode", "http", "--url", url, "--cafile", self.tls[0]) as blesend:
            blesend.write(BATCH + "\n")
            blesend.wait_err("502")
            self.assertEqual(blesend.stats()["rejected"], 0)


class Prefix(BehindNginx):
    def test_blerecv_under_a_path_that_is_passed_on(self):
        with Server("--prefix", "/in", tool="blerecv") as blerecv:
            nginx = self.start(Nginx(f"location /in/ {{ proxy_pass http://127.0.0.1:{blerecv.port}; }}"))
            with Tool("blesend", "--mode", "http", "--url", nginx.url + "/in") as blesend:
                blesend.write(BATCH + "\n")
                blesend.close_stdin()
                self.assertEqual(blerecv.line().decode(), BATCH)
                self.assertEqual(blesend.wait(), 0, blesend.err)

    def test_what_is_no_prefix_and_no_address_is_78(self):
        for tool, option in (("blews", "--prefix"), ("blerecv", "--prefix"), ("blews", "--trusted-proxy")):
            with Tool(tool, option, "x y", "--check") as ended:
                self.assertEqual(ended.wait(), 78, ended.err)
                self.assertIn(option, ended.err)


if __name__ == "__main__":
    unittest.main()
