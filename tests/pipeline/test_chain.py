"""A capture goes in at one end; rows in SQLite and events in WebSocket and SSE clients come out at the other."""
import contextlib
import json
import pathlib
import tempfile
import unittest

from harness import (Broker, Database, EventStream, Tool, WebSocketClient, details, end_pipeline, flatten, free_port,
                     make_batches, pipeline, positions, source_path, wait_port, wait_until)


class Chain(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-chain-")))
        self.database = Database(self.folder / "ble.db")

    def backend(self, *receiver):
        """receiver | bleingest | blews, and a client of either kind."""
        port = free_port()
        tools = pipeline(self.stack, receiver, ["bleingest", "--db", self.database.path], ["blews", "--port", port],
                         cwd=self.folder)
        wait_port(port)
        clients = [self.stack.enter_context(WebSocketClient(port)), self.stack.enter_context(EventStream(port))]
        for client in clients:
            self.assertEqual(client.event()["type"], "connection_status")
        return tools, clients

    def scan(self, scan, sender, env=None):
        """blescan | tee | sender to its end; returns the lines that blescan wrote."""
        lines = self.folder / "lines"
        tools = pipeline(self.stack, ["blescan", "--device-id", "pi-chain", "--name", "Küche", "--replay", *scan],
                         ["tee", lines], sender, env=env)
        for tool in tools:
            self.assertEqual(tool.wait(), 0, tool.err)
        lines = lines.read_text(encoding="utf-8").splitlines()
        self.assertGreater(len(lines), 20)
        self.assertGreater(len(flatten(lines)), 100)
        return lines

    def check(self, lines, clients):
        self.database.wait_count(len(lines))
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.details(), details(lines))
        self.assertEqual(self.database.gaps(), [])
        self.assertEqual(self.database.rows("SELECT device_id, name FROM devices"), [("pi-chain", "Küche")])
        for client in clients:
            events = [client.until("detection_event") for _ in lines]
            self.assertEqual([event["data"] for event in events], [json.loads(line) for line in lines])

    def test_by_mqtt(self):
        broker = self.stack.enter_context(Broker())
        tools, clients = self.backend("blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend")
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        lines = self.scan([source_path("examples", "sample.btsnoop"), "--window", "1"], ["blesend"],
                          env={"COMMUNICATION_MODE": "mqtt", "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port)})
        self.check(lines, clients)
        end_pipeline(tools)

    def test_by_http(self):
        port = free_port()
        tools, clients = self.backend("blerecv", "--port", port)
        wait_port(port)
        lines = self.scan([source_path("examples", "sample.btsnoop"), "--window", "2", "--detail", "--names"],
                          ["blesend", "--mode", "http", "--url", f"http://127.0.0.1:{port}"])
        self.assertGreater(len(details(lines)), 100)
        # blesend is done when the last batch was answered with 201: all of it is stored already.
        self.assertEqual(self.database.count(), len(lines))
        self.check(lines, clients)
        end_pipeline(tools)

    def test_a_broker_that_restarts_in_between_loses_nothing(self):
        broker = self.stack.enter_context(Broker("persistence true\nautosave_interval 1"))
        lines = make_batches(2000)
        tools, _ = self.backend("blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend")
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        sender = self.stack.enter_context(Tool("blesend", "--host", "127.0.0.1", "--port", broker.port))
        sender.write("\n".join(lines[:1000]) + "\n")
        self.database.wait_count(300)
        broker.stop()
        sender.write("\n".join(lines[1000:1050]) + "\n")
        broker.start()
        sender.write("\n".join(lines[1050:]) + "\n")
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.database.wait_count(len(lines))
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        end_pipeline(tools)

    def test_the_same_batches_both_ways_at_once_into_one_database(self):
        broker, port, lines = self.stack.enter_context(Broker()), free_port(), make_batches(500)
        (self.folder / "input").write_text("\n".join(lines) + "\n", encoding="ascii")
        by_mqtt, _ = self.backend("blesub", "--host", "127.0.0.1", "--port", broker.port, "--client-id", "backend")
        wait_until(lambda: "SUBACK to backend" in broker.log_text(), "the subscription")
        by_http, _ = self.backend("blerecv", "--port", port)
        wait_port(port)
        senders = []
        for target in (["--host", "127.0.0.1", "--port", broker.port], ["--url", f"http://127.0.0.1:{port}"]):
            with open(self.folder / "input", "rb") as given:
                senders.append(self.stack.enter_context(Tool("blesend", *target, stdin=given)))
        for sender in senders:
            self.assertEqual(sender.wait(), 0, sender.err)
        wait_until(lambda: by_mqtt[1].stats()["in"] == len(lines), "all batches by MQTT")
        end_pipeline(by_mqtt)
        end_pipeline(by_http)
        known = [int(tools[1].err.split(" were known already")[0].split()[-1]) for tools in (by_mqtt, by_http)]
        self.assertEqual(sum(known), len(lines))
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.gaps(), [])

    def test_what_was_dropped_is_shown_as_a_gap_at_the_other_end(self):
        port = free_port()
        lines = make_batches(60)
        sender = self.stack.enter_context(Tool("blesend", "--mode", "http", "--url", f"http://127.0.0.1:{port}",
                                               "--buffer", "20", "--drop-after", "0"))
        sender.write("\n".join(lines) + "\n")
        sender.wait_err("next try in")
        wait_until(lambda: sender.stats()["dropped"] == 40, "40 batches to be dropped")
        sender.close_stdin()
        tools, clients = self.backend("blerecv", "--port", port)
        self.assertEqual(sender.wait(), 0, sender.err)
        self.assertEqual(self.database.batches(), positions(lines[40:]))
        self.assertEqual(self.database.gaps(), [(0, 39, "buffer_full")])
        for client in clients:
            gap = client.until("gap_event")["data"]
            self.assertEqual((gap["device_id"], gap["gap"]["from_seq"], gap["gap"]["to_seq"]), ("pi-test", 0, 39))
        end_pipeline(tools)


if __name__ == "__main__":
    unittest.main()
