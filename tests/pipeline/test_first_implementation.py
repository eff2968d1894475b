"""Interoperation with the system's first implementation, in both directions: its agents feed our backend, our agents its.

Agent and backend are spoken here with what they were written in: python3-paho-mqtt and Python's own HTTP.
"""
import contextlib
import datetime
import hashlib
import http.server
import json
import pathlib
import queue
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

import paho.mqtt.client as paho

from harness import (DEADLINE_S, Broker, Database, Tool, WebSocketClient, free_port, make_batches, pipeline, wait_port,
                     wait_until)

TOPIC = "tfg/detections/raw"
API_KEY = "first-agent-2f6c1d"


def mqtt_client(name):
    versions = getattr(paho, "CallbackAPIVersion", None)  # paho 2 wants to be told
    return paho.Client(*([versions.VERSION2] if versions else []), client_id=name, protocol=paho.MQTTv311)


def agent_batch(zone="near", when=datetime.datetime(2026, 11, 22, 6, 30, 9, 123456)):
    """What the agent's scan loop builds: naive local times as datetime.isoformat() prints them."""
    def detection(address, rssi):
        return {"device_hash": hashlib.sha256(address.encode()).hexdigest(), "rssi": rssi, "zone": zone,
                "timestamp": when.isoformat()}
    return {"device_id": "raspberry-1", "timestamp": (when + datetime.timedelta(seconds=1)).isoformat(),
            "detections": [detection("AABBCCDDEEFF", -51), detection("112233445566", -87)],
            "name": "Aula 3", "location": "Edificio Ñ"}


class FromItsAgent(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-first-")))
        self.database = Database(self.folder / "ble.db")

    def backend(self, *receiver, env=None):
        port = free_port()
        pipeline(self.stack, receiver, ["bleingest", "--db", self.database.path], ["blews", "--port", port],
                 cwd=self.folder, env=env)
        wait_port(port)
        self.browser = self.stack.enter_context(WebSocketClient(port))

    def check_stored(self, batch):
        self.assertEqual(self.browser.until("detection_event")["data"], batch)
        self.assertEqual(self.database.batches(), [("raspberry-1", None, None)])
        stored = self.database.rows("SELECT device_id, name, location, device_hash, rssi, zone, timestamp "
                                    "FROM detection_log ORDER BY rssi DESC")
        self.assertEqual(stored, [("raspberry-1", "Aula 3", "Edificio Ñ", one["device_hash"], one["rssi"], one["zone"],
                                   "2026-11-22T06:30:09.123Z") for one in batch["detections"]])

    def test_by_mqtt(self):
        broker = self.stack.enter_context(Broker())
        self.backend("blesub", env={"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port)})
        wait_until(lambda: "Sending SUBACK" in broker.log_text(), "the subscription")
        agent = mqtt_client("raspberry-1")
        agent.connect("127.0.0.1", broker.port)
        agent.loop_start()
        self.addCleanup(agent.loop_stop)
        self.addCleanup(agent.disconnect)

        def publish(batch):
            agent.publish(TOPIC, json.dumps(batch), qos=1).wait_for_publish(DEADLINE_S)
        publish(agent_batch())
        self.check_stored(agent_batch())
        # The same batch once more, and then another: only the other is new.
        publish(agent_batch())
        publish(agent_batch("far", datetime.datetime(2026, 11, 22, 6, 31)))
        second = self.browser.until("detection_event")["data"]
        self.assertEqual(second["detections"][0]["zone"], "far")
        self.assertEqual(self.database.count(), 2)

    def post(self, port, batch, key=API_KEY):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/detections/bulk", json.dumps(batch).encode(),
                                         {"Content-Type": "application/json", "X-API-Key": key}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_by_http(self):
        port = free_port()
        self.backend("blerecv", "--port", port, env={"API_KEY": API_KEY})
        wait_port(port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=DEADLINE_S) as reply:
            self.assertEqual((reply.status, json.load(reply)["status"]), (200, "healthy"))

        status, body = self.post(port, agent_batch())
        self.assertEqual((status, body["device_id"], body["count"]), (201, "raspberry-1", 2))
        self.assertTrue(body["message"])
        self.check_stored(agent_batch())
        self.assertEqual(self.post(port, agent_batch())[0], 201)
        self.assertEqual(self.database.count(), 1)

        without_times_and_place = {k: v for k, v in agent_batch().items() if k in ("device_id", "detections")}
        self.assertEqual(self.post(port, without_times_and_place)[0], 201)
        self.assertEqual(self.database.count(), 2)
        status, body = self.post(port, agent_batch(), key="wrong")
        self.assertEqual((status, list(body)), (401, ["detail"]))
        status, body = self.post(port, {"device_id": "x", "detections": []})
        self.assertEqual((status, list(body)), (422, ["detail"]))
        self.assertEqual(self.database.count(), 2)


class OldBackend(http.server.ThreadingHTTPServer):
    """The first backend's HTTP side. `answers`: the next (status, headers), then always 201."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OldBackendRequest)
        self.answers = queue.Queue()
        self.requests = []  # (path, headers, body, status)
        self.healthy = True


class OldBackendRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/health" and self.server.healthy:
            self.reply(200, {"status": "healthy"})
        else:
            self.reply(503, {"detail": "unhealthy"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, headers = self.server.answers.get_nowait()
        except queue.Empty:
            status, headers = 201, ()
        self.server.requests.append((self.path, self.headers, body, status))
        self.reply(status, {"message": "ok", "device_id": "x", "count": 0} if status < 300 else {"detail": "no"}, headers)


def check_body(test, data, sent):
    """What the first backend's models ask of a batch."""
    batch = json.loads(data)
    test.assertEqual(batch, json.loads(sent))
    test.assertIsInstance(batch["device_id"], str)
    test.assertTrue(3 <= len(batch["device_id"]) <= 50)
    for text in [batch["timestamp"]] + [one["timestamp"] for one in batch["detections"]]:
        datetime.datetime.fromisoformat(text)
    test.assertTrue(batch["detections"])
    for one in batch["detections"]:
        test.assertRegex(one["device_hash"], "^[0-9a-f]{64}$")
        test.assertIs(type(one["rssi"]), int)
        test.assertIn(one["zone"], ("near", "medium", "far"))


class ToItsBackend(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def start_server(self):
        server = OldBackend()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def start_sender(self, server, *more):
        return self.stack.enter_context(Tool("blesend", *more, env={
            "COMMUNICATION_MODE": "http", "HTTP_BASE_URL": f"http://127.0.0.1:{server.server_port}",
            "HTTP_API_KEY": API_KEY}))

    def test_by_http(self):
        server, lines = self.start_server(), make_batches(3)
        server.answers.put((200, ()))
        sender = self.start_sender(server)
        sender.write("\n".join(lines) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual([status for *_, status in server.requests], [200, 201, 201])
        for (path, headers, body, _), line in zip(server.requests, lines, strict=True):
            self.assertEqual(path, "/api/v1/detections/bulk")
            self.assertEqual(headers["X-API-Key"], API_KEY)
            self.assertEqual(headers["Content-Type"], "application/json")
            check_body(self, body, line)

    def test_its_status_codes_are_understood(self):
        server, lines = self.start_server(), make_batches(4)
        for answer in ((503, (("Retry-After", "0"),)), (500, ()), (429, (("Retry-After", "1"),)), (201, ()), (422, ()), (422, ())):
            server.answers.put(answer)
        sender = self.start_sender(server)
        sender.write("\n".join(lines) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        # Busy or broken: the same batch again. Unprocessable: set aside, and so is the gap line that it knows nothing of.
        self.assertEqual([(json.loads(body).get("seq", "gap"), status) for _, _, body, status in server.requests],
                         [(0, 503), (0, 500), (0, 429), (0, 201), (1, 422), ("gap", 422), (2, 201), (3, 201)])
        rejected = (pathlib.Path(sender.cwd) / "blesend.rejected.ndjson").read_text(encoding="utf-8").splitlines()
        set_aside, gap = [json.loads(one)["line"] for one in rejected]
        self.assertEqual(set_aside, lines[1])
        self.assertEqual(json.loads(gap)["gap"], {"from_seq": 1, "to_seq": 1, "reason": "refused", "clock": "synced",
                                                  "from": "2026-11-22T00:00:00.900Z", "to": "2026-11-22T00:00:01.900Z"})

    def test_nothing_is_sent_to_a_backend_that_is_not_healthy(self):
        server, lines = self.start_server(), make_batches(1)
        server.healthy = False
        sender = self.start_sender(server)
        sender.write(lines[0] + "\n")
        sender.wait_err("status 503")
        wait_until(lambda: sender.stats()["queued"] == 1, "the batch to be queued")
        self.assertEqual(server.requests, [])
        server.healthy = True
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual([status for *_, status in server.requests], [201])

    def test_by_mqtt(self):
        broker = self.stack.enter_context(Broker())
        got, lines = queue.Queue(), make_batches(3)
        backend = mqtt_client("backend")
        subscribed = threading.Event()
        backend.on_subscribe = lambda *_: subscribed.set()
        backend.on_message = lambda _, __, message: got.put((message.topic, message.qos, message.payload))
        backend.connect("127.0.0.1", broker.port)
        backend.subscribe(TOPIC, qos=1)
        backend.loop_start()
        self.addCleanup(backend.loop_stop)
        self.addCleanup(backend.disconnect)
        self.assertTrue(subscribed.wait(DEADLINE_S))
        sender = self.stack.enter_context(Tool("blesend", env={"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port)}))
        sender.write("\n".join(lines) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        for line in lines:
            topic, qos, payload = got.get(timeout=DEADLINE_S)
            self.assertEqual((topic, qos), (TOPIC, 1))
            check_body(self, payload, line)


if __name__ == "__main__":
    unittest.main()
