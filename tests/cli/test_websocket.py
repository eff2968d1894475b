"""blesend and blesub over WebSocket, with TLS and through proxies: the delivery itself is in contract/test_transports.py and
contract/test_mqtt_subscriber.py."""
import json
import signal
import subprocess
import threading
import socket
import ssl
import unittest

from harness import Broker, ConnectProxy, TlsBrokers, Tool, WebSocketEnd, free_port, wait_port, wait_until
from harness.process import run

TOPIC = "tfg/detections/raw"
BATCH = json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": 1, "detections": []}).encode()


class WebSocketBrokers(TlsBrokers, unittest.TestCase):
    def web_broker(self, tls=False, server="server", more=""):
        port = free_port()
        keys = f"cafile {self.path('ca.pem')}\ncertfile {self.path(f'{server}.pem')}\nkeyfile {self.path(f'{server}.key')}\n" if tls else ""
        broker = Broker(f"listener {port} 127.0.0.1\nprotocol websockets\n{keys}{more}")
        broker.start()
        self.addCleanup(broker.__exit__)
        broker.web_port = port
        return broker.keep()


class WebSocket(WebSocketBrokers):
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
        for words, said in ((("--url", "ws://a", "--proxy", "http://me:secret@b"), "a password does not belong in --proxy"),
                            (("--host", "a", "--proxy", "http://b"), "--proxy is for --url ws://"),
                            (("--url", "ws://a/b", "--host", "c"), "--broker contradicts it")):
            with self.subTest(words=words):
                code, _, err = run("blesub", "--check", *words)
                self.assertEqual(code, 64, err)
                self.assertIn(said, err)
                self.assertNotIn("secret", err)


class Subscriber(WebSocketBrokers):
    def subscribe(self, *words, **options):
        tool = Tool("blesub", *words, "--topic", TOPIC, **options)
        self.addCleanup(tool.__exit__)
        return tool

    def received(self, broker, *words, sizes=(10, 20_000), **options):
        """What blesub says while it takes messages of these sizes. mosquitto's listener sends 4 kB each 100 ms, no more."""
        tool = self.subscribe(*words, **options)
        tool.wait_err("subscribed to")
        for size in sizes:
            line = json.dumps({**json.loads(BATCH), "x": "y" * size}).encode()
            subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", TOPIC, "-s"], input=line, check=True)
            self.assertEqual(tool.line(), line)
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        wait_until(lambda: "disconnected." in broker.log_text().rsplit("blesub-", 1)[-1], "a polite end")
        return tool.err

    def test_messages_of_all_sizes(self):
        broker = self.web_broker()
        for version in ("5", "3.1.1"):
            err = self.received(broker, "--url", f"ws://127.0.0.1:{broker.web_port}", "--mqtt-version", version, sizes=(10, 6_000, 20_000, 200_000))
            self.assertIn(f"(MQTT {version}, WebSocket)", err)

    def test_of_several_brokers_the_one_that_is_there(self):
        broker = self.web_broker()
        good = f"ws://127.0.0.1:{broker.web_port}"
        for _ in range(3):  # a random one is first
            self.received(broker, "--url", f"ws://127.0.0.1:{free_port()}", "--url", good, "--url", f"{good}/mqtt")
        self.received(broker, "--url", f"ws://127.0.0.1:{free_port()}", "--url", f"mqtt://127.0.0.1:{broker.port}")

    def test_tls_is_verified(self):
        broker = self.web_broker(tls=True)
        url = f"wss://localhost:{broker.web_port}/mqtt"
        for authority in (("--cafile", self.path("ca.pem")), ("--capath", self.path(".")), ("--insecure",)):
            self.assertIn("(MQTT 5, WebSocket, TLS)", self.received(broker, "--url", url, *authority))
        for authority in ((), ("--cafile", self.path("other.pem"))):
            self.subscribe("--url", url, *authority).wait_err("certificate is not trusted")
        elsewhere = self.web_broker(tls=True, server="elsewhere")
        self.subscribe("--url", f"wss://localhost:{elsewhere.web_port}", "--cafile", self.path("ca.pem")).wait_err(
            "its certificate is for another host name: for broker.example, not for localhost")

    def test_a_certificate_of_ours(self):
        broker = self.web_broker(tls=True, more="require_certificate true\n")
        words = ("--url", f"wss://localhost:{broker.web_port}", "--cafile", self.path("ca.pem"))
        self.received(broker, *words, "--cert", self.path("client.pem"), "--key", self.path("client.key"))
        self.subscribe(*words).wait_err("it asks for a certificate of ours")

    def test_a_proxy_of_the_option_or_the_environment(self):
        broker, secure = self.web_broker(), self.web_broker(tls=True)
        ws, wss = f"ws://localhost:{broker.web_port}", f"wss://localhost:{secure.web_port}"
        with ConnectProxy("me:s3cret@%") as proxy:
            url = f"http://me:s3cret%40%25@127.0.0.1:{proxy.port}"
            self.received(broker, "--url", ws, env={"http_proxy": url})
            self.received(secure, "--url", wss, "--cafile", self.path("ca.pem"), env={"https_proxy": url})
            self.assertEqual(proxy.targets, [ws[5:], wss[6:]])
            self.received(broker, "--url", ws, env={"http_proxy": url, "no_proxy": "localhost"})
            self.received(broker, "--url", ws, env={"all_proxy": url})
            self.assertEqual(len(proxy.targets), 2)
        with ConnectProxy() as proxy:
            self.received(broker, "--url", ws, "--proxy", f"http://127.0.0.1:{proxy.port}",
                          env={"http_proxy": "http://127.0.0.1:1", "no_proxy": "localhost"})
            self.assertEqual(proxy.targets, [ws[5:]])

    def test_what_is_wrong_with_a_proxy_is_said(self):
        broker = self.web_broker()
        url = f"ws://localhost:{broker.web_port}"
        with ConnectProxy("me:s3cret") as proxy:
            there = f"127.0.0.1:{proxy.port}"
            for target, words, env, said in (
                    (url, ("--proxy", f"127.0.0.1:{free_port()}"), {}, "no connection to the proxy 127.0.0.1: Connection refused"),
                    (url, ("--proxy", there), {}, "it answers 407; it wants a user name and a password: give them in http_proxy"),
                    (url, (), {"http_proxy": f"http://me:wrong@{there}"}, "it answers 407; it does not take this user name and password"),
                    (f"ws://localhost:{free_port()}", (), {"http_proxy": f"http://me:s3cret@{there}"}, "by the proxy 127.0.0.1: it answers 502")):
                with self.subTest(said=said):
                    tool = self.subscribe("--url", target, *words, env=env)
                    tool.wait_err(said)
                    self.assertNotIn("wrong", tool.err)
        secure = self.web_broker(tls=True)
        with ConnectProxy() as proxy:
            self.subscribe("--url", f"wss://localhost:{secure.web_port}", "--proxy", f"127.0.0.1:{proxy.port}").wait_err("SSL certificate problem: ")

    def test_what_is_wrong_at_the_other_end_is_said(self):
        for answer, said in ((b"HTTP/1.1 404 Not Found\r\n\r\n", "the server answers 404 Not Found at the path /mqtt: is the path right"),
                             (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "access is refused there"),
                             (b"HTTP/1.1 302 Found\r\nLocation: https://a.example/\r\n\r\n", "it sends us to https://a.example/"),
                             (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "is the broker behind it running"),
                             (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              b"Sec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", "does not speak WebSocket as the standard has it"),
                             (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000, "its answer has no end"),
                             (b"SSH-2.0-OpenSSH_9\r\n", "does not speak HTTP"),
                             (b"HTTP/1.1 2", "it hangs up in its answer"),
                             (b"", "it hangs up instead of answering (does it want TLS, is the path right?)")):
            with self.subTest(said=said), socket.create_server(("127.0.0.1", 0)) as listener:
                tool = self.subscribe("--url", f"ws://127.0.0.1:{listener.getsockname()[1]}")
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(answer)
                tool.wait_err(said)
        self.subscribe("--url", f"ws://127.0.0.1:{free_port()}").wait_err("Connection refused")

    def test_a_websocket_that_does_not_speak_mqtt(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            tool = self.subscribe("--url", f"ws://127.0.0.1:{listener.getsockname()[1]}/chat")
            with WebSocketEnd(listener.accept()[0], "chat"):
                tool.wait_err("the WebSocket at the path /chat does not speak MQTT, but chat: is the path right?")
        port = free_port()
        with Tool("blews", "--port", port):
            wait_port(port)
            self.subscribe("--url", f"ws://127.0.0.1:{port}/ws").wait_err("the server answers 400 Bad Request at the path /ws: is the path right")

    def test_tls_where_there_is_none_and_the_other_way_round(self):
        broker, secure = self.web_broker(), self.web_broker(tls=True)
        self.subscribe("--url", f"wss://localhost:{broker.web_port}").wait_err("unable to connect to the broker")
        self.subscribe("--url", f"ws://localhost:{secure.web_port}").wait_err("(does it want TLS, is the path right?)")
        self.subscribe("--url", f"ws://localhost:{broker.port}").wait_err("it hangs up instead of answering")

    def test_a_server_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.subscribe("--url", f"ws://127.0.0.1:{listener.getsockname()[1]}").wait_err("no answer within 10 s")

    def test_a_broker_that_falls_silent(self):
        broker = self.web_broker()
        tool = self.subscribe("--url", f"ws://127.0.0.1:{broker.web_port}", "--keepalive", "5")
        tool.wait_err("subscribed to")
        broker.pause()
        tool.wait_err("is lost: no sign of life within the keep-alive time")
        broker.resume()
        wait_until(lambda: tool.err.count("subscribed to") == 2, "the next link")

    def test_confirmations_go_the_same_way(self):
        broker = self.web_broker()
        tool = self.subscribe("--url", f"ws://127.0.0.1:{broker.web_port}", "--confirm", "--client-id", "backend")
        tool.wait_err("subscribed to")
        with subprocess.Popen(["mosquitto_sub", "-p", str(broker.port), "-t", TOPIC + "/stored/+", "-C", "1", "-W", "60"], stdout=subprocess.PIPE) as told:
            wait_until(lambda: broker.log_text().count("Sending SUBACK") >= 2, "the subscription to confirmations")
            subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", TOPIC, "-s"], input=BATCH, check=True)
            self.assertEqual(tool.line(), BATCH)
            self.assertIn(b'"9f2c41d07a6be813"', told.communicate()[0])


class Alpn(TlsBrokers, unittest.TestCase):
    def test_all_libraries_name_the_protocol(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        context.set_alpn_protocols(["mqtt"])
        for tool, scheme in (("blesend", "mqtts"), ("blesend", "wss"), ("blesub", "mqtts"), ("blesub", "wss")):
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
