"""blesend over WebSocket, with TLS and through proxies: the delivery itself is in contract/test_transports.py."""
import json
import subprocess
import threading
import socket
import ssl
import unittest

from harness import Broker, ConnectProxy, TlsBrokers, Tool, free_port
from harness.process import run

TOPIC = "tfg/detections/raw"
BATCH = json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": 1, "detections": []}).encode()


class WebSocket(TlsBrokers, unittest.TestCase):
    def web_broker(self, tls=False):
        port = free_port()
        keys = f"cafile {self.path('ca.pem')}\ncertfile {self.path('server.pem')}\nkeyfile {self.path('server.key')}\n" if tls else ""
        broker = Broker(f"listener {port} 127.0.0.1\nprotocol websockets\n{keys}")
        broker.start()
        self.addCleanup(broker.__exit__)
        broker.web_port = port
        return broker.keep()

    def sent(self, broker, *words, **options):
        code, _, err = run("blesend", *words, "--drain-timeout", "20", input=BATCH + b"\n", **options)
        self.assertEqual(code, 0, err)
        got = subprocess.run(["mosquitto_sub", "-p", str(broker.port), "-i", "keeper", "-c", "-q", "1", "-t", "#", "-C", "1", "-W", "60"],
                             check=True, stdout=subprocess.PIPE)
        self.assertEqual(got.stdout, BATCH + b"\n")
        return err

    def test_versions(self):
        broker = self.web_broker()
        for version in ("5", "3.1.1"):
            err = self.sent(broker, "--url", f"ws://127.0.0.1:{broker.web_port}", "--mqtt-version", version)
            self.assertIn(f"(MQTT {version}, WebSocket)", err)

    def test_the_path_and_the_port_unless_they_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for path, asked in (("", b"/mqtt"), ("/", b"/"), ("/other/path", b"/other/path")):
                with self.subTest(path=path), Tool("blesend", "--url", f"ws://127.0.0.1:{listener.getsockname()[1]}{path}"):
                    client, _ = listener.accept()
                    with client:
                        self.assertEqual(client.recv(4096).split(b" ")[:2], [b"GET", asked])
        for scheme, port in (("ws", 80), ("wss", 443)):
            with Tool("blesend", "--url", f"{scheme}://localhost", "--proxy", f"127.0.0.1:{free_port()}") as tool:
                tool.wait_err(f"localhost:{port}")

    def test_a_link_that_answers_nothing_is_made_anew(self):
        broker = self.web_broker()
        with Tool("blesend", "--url", f"ws://127.0.0.1:{broker.web_port}") as tool:
            tool.wait_err("connected to the broker")
            broker.pause()
            tool.write(BATCH + b"\n")
            tool.wait_err("is lost: no answer for 30 s")
            broker.resume()
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)

    def test_tls_is_verified(self):
        broker = self.web_broker(tls=True)
        err = self.sent(broker, "--url", f"wss://localhost:{broker.web_port}/mqtt", "--cafile", self.path("ca.pem"))
        self.assertIn("(MQTT 5, WebSocket, TLS)", err)
        for authority in ((), ("--cafile", self.path("other.pem"))):
            with Tool("blesend", "--url", f"wss://localhost:{broker.web_port}/mqtt", *authority) as tool:
                tool.wait_err("certificate is not trusted")

    def test_a_proxy_of_the_option_or_the_environment(self):
        broker, secure = self.web_broker(), self.web_broker(tls=True)
        with ConnectProxy("me:s3cret") as proxy:
            url = f"http://me:s3cret@127.0.0.1:{proxy.port}"
            self.sent(broker, "--url", f"ws://localhost:{broker.web_port}", env={"http_proxy": url})
            self.sent(secure, "--url", f"wss://localhost:{secure.web_port}", "--cafile", self.path("ca.pem"), env={"https_proxy": url})
            self.assertEqual(proxy.targets, [f"localhost:{broker.web_port}", f"localhost:{secure.web_port}"])
            self.sent(broker, "--url", f"ws://localhost:{broker.web_port}", env={"http_proxy": url, "no_proxy": "localhost"})
            self.assertEqual(len(proxy.targets), 2)
        with ConnectProxy() as proxy:
            self.sent(broker, "--url", f"ws://localhost:{broker.web_port}", "--proxy", f"http://127.0.0.1:{proxy.port}",
                      env={"http_proxy": "http://127.0.0.1:1"})
            self.assertEqual(proxy.targets, [f"localhost:{broker.web_port}"])

    def test_http_takes_the_same_option(self):
        with ConnectProxy() as proxy, Tool("blesend", "--url", "https://backend.invalid:4443", "--proxy", f"127.0.0.1:{proxy.port}") as tool:
            tool.write(BATCH + b"\n")
            tool.wait_err("kept")
            self.assertEqual(set(proxy.targets), {"backend.invalid:4443"})

    def test_a_proxy_that_is_not_there_or_refuses_is_said(self):
        broker = self.web_broker()
        with ConnectProxy("me:s3cret") as proxy:
            for port, said in ((free_port(), "unable to connect"), (proxy.port, "no connection by the proxy")):
                with Tool("blesend", "--url", f"ws://localhost:{broker.web_port}", "--proxy", f"127.0.0.1:{port}") as tool:
                    tool.wait_err(said)

    def test_what_is_wrong_on_the_command_line(self):
        for words, said in ((("--url", "ws://a", "--proxy", "http://me:secret@b"), "a password does not belong in --proxy"),
                            (("--url", "ws://a", "--proxy", "socks5://b"), "no HTTP proxy"),
                            (("--host", "a", "--proxy", "http://b"), "--proxy is for --url ws://"),
                            (("--url", "ws://a", "--tls"), "write wss://"),
                            (("--url", "http://a", "--alpn", "mqtt"), "--alpn is for brokers")):
            with self.subTest(words=words):
                code, _, err = run("blesend", "--check", *words)
                self.assertEqual(code, 64, err)
                self.assertIn(said, err)
                self.assertNotIn("secret", err)
        code, _, err = run("blesub", "--check", "--url", "ws://a/mqtt")
        self.assertEqual(code, 64)
        self.assertIn("are for blesend", err)


class Alpn(TlsBrokers, unittest.TestCase):
    def test_both_libraries_name_the_protocol(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        context.set_alpn_protocols(["mqtt"])
        for tool, scheme in (("blesend", "mqtts"), ("blesend", "wss"), ("blesub", "mqtts")):
            listener = socket.create_server(("127.0.0.1", 0))
            chosen = []

            def serve(listener=listener, chosen=chosen):
                client, _ = listener.accept()
                with context.wrap_socket(client, server_side=True) as s:
                    chosen.append(s.selected_alpn_protocol())
            thread = threading.Thread(target=serve)
            thread.start()
            with self.subTest(tool=tool, scheme=scheme), listener, \
                    Tool(tool, "--url", f"{scheme}://localhost:{listener.getsockname()[1]}", "--cafile", self.path("ca.pem"), "--alpn", "mqtt"):
                thread.join(60)
                self.assertEqual(chosen, ["mqtt"])


if __name__ == "__main__":
    unittest.main()
