import gzip
import json
import os
import resource
import signal
import socket
import ssl
import struct
import tempfile
import threading
import time
import unittest

from harness import (Closed, DEADLINE_S, EventStream, Notify, Refused, Tool, WebSocketClient, as_other_user, http, run_past_pipe_quota,
                     self_signed, tool_path, wait_until)
from harness.process import run

HASH_A, HASH_B = "a" * 64, "b" * 64
TOKEN = "0123456789abcdef0123456789abcdef"
MEMORY_SHOWS = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}  # else freed memory is kept


def batch(device="pi-1", seq=0, rssi=-50, device_hash=HASH_A, pad=0):
    line = {"format": 1, "device_id": device, "timestamp": "2026-11-22T06:30:10.000Z", "run_id": "r1", "seq": seq,
            "detections": [{"device_hash": device_hash, "rssi": rssi, "zone": "near",
                            "timestamp": "2026-11-22T06:30:09.000Z"}]}
    if pad:
        line["pad"] = "x" * pad
    return json.dumps(line, separators=(",", ":"))


def event(*args, **kwargs):
    return '{"type":"detection_event","data":' + batch(*args, **kwargs) + "}"


def gap(device="pi-1"):
    return '{"format":1,"device_id":"%s","run_id":"r1","gap":{"from_seq":1,"to_seq":2,"reason":"buffer_full"}}' % device


class Server(Tool):
    """blews, listening; further options as given. Only those that ask for its counters are sent them in between."""

    def __init__(self, *options, env=None, **kwargs):
        super().__init__("blews", "--port", "0", *options, env={"BLEPIPE_STATS_UPDATE": "0", **(env or {})}, **kwargs)
        self.wait_err("listening on ")
        self.port = int(self.err.split("listening on ", 1)[1].split()[0].rsplit(":", 1)[1])

    def events(self, *lines):
        self.write("".join(line + "\n" for line in lines))

    def health(self, **kwargs):
        status, _, body = http(self.port, path="/health", **kwargs)
        assert status == 200, (status, body)
        return json.loads(body)

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))


def live(client):
    """Passes over the greeting and the snapshot; the snapshot's events."""
    first = client.event()
    assert first["type"] == "connection_status" and first["data"]["status"] in ("connected", "subscribed"), first
    seen = []
    while True:
        got = client.event()
        if got["type"] == "connection_status" and got["data"]["status"] == "live":
            return seen
        seen.append(got)


class Broadcast(unittest.TestCase):
    def test_every_client_gets_every_event_byte_for_byte(self):
        with Server() as server, WebSocketClient(server.port) as one, WebSocketClient(server.port) as two, \
                EventStream(server.port) as three:
            for client in (one, two, three):
                self.assertEqual(live(client), [])
            odd = '{"type":"x-mine", "data": {"z":1.50,"a":"\\u00e4 ü"} }'
            sent = [event(seq=1), odd, event(seq=2, pad=100_000), event(seq=3)]
            server.events(*sent)
            for client in (one, two):
                self.assertEqual([client.recv() for _ in sent], sent)
            self.assertEqual([three.next()["data"] for _ in sent], sent)

    def test_a_newcomer_gets_what_is_current(self):
        with Server() as server:
            server.events(event("pi-1", 1), event("pi-2", 1), gap("pi-2"), event("pi-1", 2))
            wait_until(lambda: server.health()["events"] == 4, "the events to be taken")
            for client in (WebSocketClient(server.port), EventStream(server.port),
                           WebSocketClient(server.port, subprotocol="blepipe.ndjson")):
                with client:
                    if getattr(client, "subprotocol", None):
                        lines = client.recv().split("\n")
                        self.assertEqual(len(lines), 5)
                        seen = [json.loads(line) for line in lines[1:-1]]
                    else:
                        seen = live(client)
                    self.assertEqual([e["type"] for e in seen], ["gap_event", "detection_event", "detection_event"])
                    self.assertEqual([(e["data"]["device_id"], e["data"]["seq"]) for e in seen[1:]],
                                     [("pi-2", 1), ("pi-1", 2)])

    def test_a_short_state_of_each_device_without_its_detections(self):
        with Server("--stay") as server:
            server.events(batch("pi-1"), gap(), batch("pi-2"), batch("pi-1", 1))
            wait_until(lambda: server.health()["events"] == 4, "all events")
            status, headers, body = http(server.port, path="/state")
            self.assertEqual((status, headers["content-type"]), (200, "application/x-ndjson"))
            told, *events = [json.loads(line) for line in body.splitlines()]
            self.assertEqual((told["type"], told["data"]["status"]), ("connection_status", "state"))
            self.assertEqual([(one["data"]["device_id"], one["data"]["seq"]) for one in events], [("pi-2", 0), ("pi-1", 1)])
            self.assertEqual(events[1]["data"]["occupancy"], {"near": 1, "medium": 0, "far": 0})
            self.assertNotIn(HASH_A.encode(), body)
            server.events(batch("pi-3"))
            _, headers, packed = wait_until(lambda: next((found for found in [http(server.port, path="/state", headers={
                "Accept-Encoding": "gzip"})] if b"pi-3" in gzip.decompress(found[2])), None), "the newer state")
            self.assertEqual(headers["content-encoding"], "gzip")

    def test_bare_batches_and_gaps_become_events(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            server.events(batch(seq=7), gap())
            self.assertEqual(client.recv(), event(seq=7))
            self.assertEqual(client.recv(), '{"type":"gap_event","data":' + gap() + "}")

    def test_what_is_no_event_is_counted_and_logged_once(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            server.events("nonsense", "{}", '{"type":5}', "x" * 600_000, event(seq=1))
            server.write(b'{"type":"\xff"}\n')
            server.events(event(seq=2))
            self.assertEqual(client.event()["data"]["seq"], 1)
            self.assertEqual(client.event()["data"]["seq"], 2)
            self.assertEqual(server.stats()["rejected"], 5)
            self.assertEqual(server.err.count("left out"), 1)

    def test_the_longest_batch_passes(self):
        longest = batch(seq=1)
        longest = longest[:-1] + ',"pad":"' + "x" * (512_000 - len(longest) - 9) + '"}'
        self.assertEqual(len(longest), 512_000)
        wrapped = '{"type":"detection_event","data":' + longest + "}"
        with Server() as server, WebSocketClient(server.port) as client, EventStream(server.port) as stream:
            live(client)
            live(stream)
            server.events(wrapped, longest)
            for _ in range(2):
                self.assertEqual(client.recv(), wrapped)
                self.assertEqual(stream.next()["data"], wrapped)

    def test_waiting_events_travel_together_with_the_subprotocol(self):
        count = 5000
        with Server("--queue", "65536") as server, \
                WebSocketClient(server.port, subprotocol="blepipe.ndjson") as client:
            self.assertEqual(client.subprotocol, "blepipe.ndjson")
            server.events(*(event(seq=i) for i in range(count)))
            messages, seqs = 0, []
            while len(seqs) < count:
                messages += 1
                for line in client.recv().split("\n"):
                    got = json.loads(line)
                    if got["type"] == "detection_event":
                        seqs.append(got["data"]["seq"])
            self.assertEqual(seqs[-1], count - 1)
            self.assertEqual(sorted(set(seqs)), list(range(count)))
            self.assertLess(messages, count / 2)

    def test_an_unknown_subprotocol_is_not_promised(self):
        with Server() as server:
            unknown = ("chess", "chess,go", "blepipe", "BLEPIPE.NDJSON", "blepipe.ndjson.x", "x" * 70, "x" * 5000, "\x7f", "a b",
                       '"blepipe.ndjson"', "blepipe.ndjson;q=1", ", ".join(["chess"] * 30 + ["blepipe.ndjson"]), ",",
                       "7, blepipe.ndjson", "1.5, blepipe.ndjson", "x" * 63 + ",blepipe.ndjson",
                       *(f"a{sign}b, blepipe.ndjson" for sign in '"()/:;<=>?@[\\]{}\t'))
            for names in unknown:
                with self.assertRaises(Refused, msg=names) as refused:
                    WebSocketClient(server.port, subprotocol=names)
                self.assertEqual(refused.exception.status, 400, names)
                self.assertIn(b"subprotocols", refused.exception.body)
            for names in ("chess, blepipe.ndjson", "blepipe.ndjson,chess", "a!b,x_y , blepipe.ndjson", "x" * 62 + ",blepipe.ndjson",
                          "7a, -1, v1.5, blepipe.ndjson", "blepipe.ndjson, ((("):
                with WebSocketClient(server.port, subprotocol=names) as client:
                    self.assertEqual(client.subprotocol, "blepipe.ndjson", names)
            server.wait_err("refusing (400) a WebSocket")
            self.assertEqual(server.err.count("refusing (400) a WebSocket"), 1)
            self.assertEqual(server.health()["refused"]["handshake"], len(unknown))
            self.assertNotIn("libwebsockets", server.err)

    def test_a_broken_handshake_is_answered(self):
        with Server() as server:
            for headers in ({"Connection": "close"}, {"Connection": None}, {"Connection": "7, Upgrade"}, {"Connection": "x" * 200 + ", Upgrade"},
                            {"Sec-WebSocket-Key": None}, {"Sec-WebSocket-Key": "x" * 128}, {"Host": None}):
                with self.assertRaises(Refused, msg=headers) as refused:
                    WebSocketClient(server.port, headers=headers)
                self.assertEqual(refused.exception.status, 400, headers)
                self.assertIn(next(iter(headers)).encode(), refused.exception.body)
            with WebSocketClient(server.port, headers={"Connection": "keep-alive, Upgrade"}) as client:
                live(client)

    def test_stats_are_told_to_those_who_listen(self):
        with Server("--stats-update", "50ms") as server, WebSocketClient(server.port) as client:
            live(client)
            server.events(event(seq=1))
            got = client.until("stats_update")["data"]
            self.assertEqual(got["clients"], 1)
            self.assertEqual(got["websockets"], 1)
            wait_until(lambda: client.until("stats_update")["data"]["events"] == 1, "the counters to move")

    def test_counters(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            server.events(event(seq=1), event(seq=2), "bad")
            client.recv()
            client.recv()
            stats = server.stats()
            self.assertEqual((stats["tool"], stats["in"], stats["out"], stats["dropped"], stats["rejected"]),
                             ("blews", 2, 2, 0, 1))


class Filters(unittest.TestCase):
    def test_a_client_gets_what_it_asked_for(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            client.send('{"subscribe":{"device_id":["pi-2"],"rssi_min":-60}}')
            self.assertEqual(live(client), [])
            server.events(event("pi-1", 1), event("pi-2", 2, -70), event("pi-2", 3, -60))
            self.assertEqual(client.event()["data"]["seq"], 3)
            client.send('{"subscribe":{}}')
            seen = live(client)
            self.assertEqual({e["data"]["device_id"] for e in seen}, {"pi-1", "pi-2"})
            server.events(event("pi-1", 4))
            self.assertEqual(client.event()["data"]["seq"], 4)

    def test_a_filter_in_the_address(self):
        with Server() as server:
            server.events(event("pi-1", 1), event("pi-2", 2))
            wait_until(lambda: server.health()["events"] == 2, "the events to be taken")
            query = f"?device_id=pi-2&device_id=pi%203&device_hash={HASH_A}&rssi_min=-60"
            with WebSocketClient(server.port, "/ws" + query) as one, EventStream(server.port, "/events" + query) as two:
                for client in (one, two):
                    self.assertEqual([e["data"]["seq"] for e in live(client)], [2])
                server.events(event("pi-1", 3), event("pi-2", 4, device_hash=HASH_B), event("pi 3", 5))
                for client in (one, two):
                    self.assertEqual(client.event()["data"]["seq"], 5)
            for path in ("/ws?rssi_min=loud", "/ws?colour=red", "/ws?device_hash=abc"):
                with self.assertRaises(Refused) as refused:
                    WebSocketClient(server.port, path)
                self.assertEqual(refused.exception.status, 400)
                self.assertEqual(http(server.port, path=path.replace("/ws", "/events"))[0], 400)

    def test_a_bad_message_is_answered_and_changes_nothing(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            for bad in ("", "hello", "[]", '{"subscribe":5}', '{"subscribe":{"device_id":"pi-1"}}', "[" * 1000,
                        '{"subscribe":{"device_id":[' + ",".join(['"x"'] * 1001) + "]}}"):
                client.send(bad)
                got = client.event()
                self.assertEqual(got["type"], "error", bad)
                self.assertTrue(got["data"]["reason"])
            server.events(event(seq=1))
            self.assertEqual(client.event()["data"]["seq"], 1)

    def test_a_message_in_fragments_with_a_ping_between(self):
        with Server() as server, WebSocketClient(server.port) as client:
            live(client)
            text = b'{"subscribe":{"device_id":["pi-2"]}}'
            client.send_frame(1, text[:10], final=False)
            client.send_frame(0, text[10:20], final=False)
            client.send_frame(9, b"are you there")
            client.send_frame(0, text[20:])
            final, opcode, payload = client.frame(time.monotonic() + DEADLINE_S)
            self.assertEqual((opcode, payload), (10, b"are you there"))
            self.assertEqual(client.event()["data"]["status"], "subscribed")


class SlowClients(unittest.TestCase):
    def test_a_client_that_never_reads_moves_nothing(self):
        count, size = 3000, 2000
        with Server("--queue", "64", env=MEMORY_SHOWS) as server, WebSocketClient(server.port, receive_buffer=4096) as stuck, \
                EventStream(server.port, receive_buffer=4096) as stuck_stream, WebSocketClient(server.port) as good:
            live(good)
            wait_until(lambda: server.health()["clients"] == 3, "three clients")
            got = []

            def read():
                while len(got) < count:
                    got.append(good.event())

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            before = None
            for i in range(count):
                server.events(event(seq=i, pad=size))
                wait_until(lambda: len(got) > i - 32 or not reader.is_alive(), "the good client to keep up")
                if i == count // 2:
                    before = server.rss_kb()
            reader.join(DEADLINE_S)
            self.assertEqual([e["data"]["seq"] for e in got], list(range(count)))
            self.assertLess(server.rss_kb() - before, 2000)
            # Now the stuck one reads: what it was sent, how much it missed, and the newest.
            for client in (stuck, stuck_stream):
                live(client)
                self.check_late(client, count)

    def check_late(self, client, count):
        """What it gets and what it is told that it missed are all events, in order, to the newest."""
        received, missed = 0, 0
        while received + missed < count:
            late = client.event()
            if late["type"] == "lagged":
                missed += late["data"]["missed"]
            else:
                self.assertEqual(late["data"]["seq"], received + missed)
                received += 1
        self.assertEqual((late["type"], missed > 0), ("detection_event", True), "the newest is always sent")

    def test_clients_that_never_read_their_snapshot_keep_none_in_memory(self):
        devices, rounds = 100, 40
        with Server("--queue", "64", env=MEMORY_SHOWS) as server:
            stuck, before = [], 0
            for number in range(rounds):
                server.events(*(event(f"pi-{d}", number, pad=10_000) for d in range(devices)))
                wait_until(lambda n=number: server.health()["events"] == devices * (n + 1), "the events to be taken")
                stuck.append(WebSocketClient(server.port, receive_buffer=4096))
                self.addCleanup(stuck[-1].sock.close)
                wait_until(lambda n=number: server.health()["clients"] == n + 1, "the client")
                if number == rounds // 2:
                    before = server.rss_kb()
            self.assertLess(server.rss_kb() - before, 5000, "kB more for 19 clients: a snapshot has 1000 kB")

    def test_a_client_that_falls_behind_can_be_closed_instead(self):
        with Server("--queue", "16", "--slow", "close") as server, \
                WebSocketClient(server.port, receive_buffer=4096) as stuck:
            live(stuck)
            for i in range(600):
                server.events(event(seq=i, pad=2000))
            wait_until(lambda: server.health()["events"] == 600, "the events to be taken")
            with self.assertRaises(Closed) as closed:
                while True:
                    stuck.event()
            self.assertEqual(closed.exception.code, 1013)
            self.assertIn("slow", closed.exception.reason)

    def test_a_thousand_clients_of_which_half_never_read(self):
        count = 1000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        kinds = (WebSocketClient, EventStream, lambda port, **more: WebSocketClient(port, subprotocol="blepipe.ndjson", **more))
        with Server("--queue", "64", "--ping", "0", "--max-clients-per-address", "1024", env=MEMORY_SHOWS) as server:
            clients = []
            self.addCleanup(lambda: [client.sock.close() for client in clients])
            before = server.rss_kb()
            for number in range(count):
                clients.append(kinds[number % 3](server.port, receive_buffer=4096 if number % 2 else None))
            reading = [client for number, client in enumerate(clients) if number % 6 == 0]  # plain WebSockets
            for client in reading:
                live(client)
            for seq in range(200):
                server.events(event(seq=seq, pad=2000))
                for client in reading:
                    self.assertEqual(client.event()["data"]["seq"], seq)
            self.assertEqual(server.health()["clients"], count)
            self.assertLess((server.rss_kb() - before) / count, 20 if "asan" not in tool_path("") else 200, "kB a client")

    def test_nobody_listening_holds_nothing_up(self):
        with Server() as server:
            for i in range(200):
                server.events(*(event(seq=i * 100 + j) for j in range(100)))
            wait_until(lambda: server.health()["events"] == 20_000, "the events to be taken")

    def test_a_burst_longer_than_the_queue_reaches_clients_whole(self):
        # The input waits while sockets take data: what fits into them is not missed.
        sent = [event(seq=i) for i in range(300)]
        with Server("--queue", "16") as server, WebSocketClient(server.port) as one, \
                WebSocketClient(server.port, subprotocol="blepipe.ndjson") as two:
            live(one)
            while '"live"' not in two.recv():
                pass
            server.events(*sent)
            self.assertEqual([one.recv() for _ in sent], sent)
            got = []
            while len(got) < len(sent):
                got += two.recv().split("\n")
            self.assertEqual(got, sent)

    def test_a_dead_client_is_found_by_ping(self):
        with Server("--ping", "500ms") as server, WebSocketClient(server.port) as dead, \
                WebSocketClient(server.port) as alive, EventStream(server.port) as stream:
            live(dead)  # and never answers again
            got = []
            reader = threading.Thread(target=lambda: got.append(alive.until("x-end")), daemon=True)
            reader.start()
            wait_until(lambda: server.health()["websockets"] == 1, "the dead client to be closed")
            self.assertGreater(alive.pings, 0)
            server.events('{"type":"x-end"}')
            reader.join(DEADLINE_S)
            self.assertEqual(got, [{"type": "x-end"}])
            live(stream)
            self.assertEqual(stream.event(), {"type": "x-end"})
            self.assertGreater(stream.comments, 0)


class Streams(unittest.TestCase):
    def test_curl_shows_events_as_they_come(self):
        with Server() as server:
            with Tool("curl", "-sN", f"http://127.0.0.1:{server.port}/events", stdin=None) as curl:
                self.assertIn(b'"connected"', curl.line())
                server.events(event(seq=1))
                while True:
                    line = curl.line()
                    self.assertIsNotNone(line)
                    if line == b"data: " + event(seq=1).encode():
                        break

    def test_a_stream_goes_on_where_it_was_cut(self):
        with Server() as server:
            with EventStream(server.port) as stream:
                live(stream)
                server.events(event(seq=1))
                last = stream.next()["id"]
            server.events(event(seq=2), event(seq=3))
            wait_until(lambda: server.health()["events"] == 3, "the events to be taken")
            with EventStream(server.port, headers={"Last-Event-ID": last}) as stream:
                self.assertEqual(stream.event()["data"]["status"], "connected")
                self.assertEqual([stream.event()["data"]["seq"] for _ in range(2)], [2, 3])
            with EventStream(server.port, headers={"Last-Event-ID": "another-1"}) as stream:
                self.assertEqual(len(live(stream)), 1)

    def test_a_client_that_goes_is_forgotten(self):
        with Server() as server:
            for kind in (EventStream, WebSocketClient):
                with kind(server.port) as client:
                    live(client)
                    self.assertEqual(server.health()["clients"], 1)
                wait_until(lambda: server.health()["clients"] == 0, f"{kind.__name__} to be forgotten")
            with WebSocketClient(server.port) as client:
                live(client)
                client.close()
            wait_until(lambda: server.health()["clients"] == 0, "a polite client to be forgotten")


class Pages(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        root = self.folder.name
        os.makedirs(f"{root}/www/sub")
        for name, text in (("secret", "secret"), ("www/index.html", "<p>hi"), ("www/app.js", "1;"), ("www/.env", "x"),
                           ("www/sub/a b.txt", "blank"), ("www/big.bin", "0123456789" * 100_000)):
            with open(f"{root}/{name}", "w", encoding="ascii") as f:
                f.write(text)
        os.symlink("../secret", f"{root}/www/link")

    def test_files_are_served_with_their_type(self):
        with Server("--www", f"{self.folder.name}/www") as server:
            status, headers, body = http(server.port)
            self.assertEqual((status, headers["content-type"], body), (200, "text/html; charset=utf-8", b"<p>hi"))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            status, again, body = http(server.port, headers={"If-None-Match": headers["etag"]})
            self.assertEqual((status, body), (304, b""))
            status, headers, body = http(server.port, "HEAD", "/big.bin")
            self.assertEqual((status, headers["content-length"], body), (200, "1000000", b""))
            status, headers, body = http(server.port, path="/big.bin?x=1")
            self.assertEqual((status, len(body)), (200, 1_000_000))
            self.assertEqual(http(server.port, path="/sub/a%20b.txt")[2], b"blank")
            self.assertEqual(http(server.port, path="/app.js")[1]["content-type"], "text/javascript; charset=utf-8")

    def test_text_is_packed_for_who_takes_that(self):
        path, text = f"{self.folder.name}/www/long.js", "const word = 1;\n" * 5000
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        packing = {"Accept-Encoding": "br, gzip"}
        with Server("--www", f"{self.folder.name}/www") as server:
            status, plain, body = http(server.port, path="/long.js")
            self.assertEqual((status, body.decode(), plain.get("content-encoding")), (200, text, None))
            status, packed, body = http(server.port, path="/long.js", headers=packing)
            self.assertEqual((status, packed["content-encoding"], packed["vary"]), (200, "gzip", "accept-encoding"))
            self.assertEqual((gzip.decompress(body).decode(), int(packed["content-length"])), (text, len(body)))
            self.assertLess(len(body), 1000)
            self.assertNotEqual(packed["etag"], plain["etag"])
            self.assertEqual(http(server.port, path="/long.js", headers=packing | {"If-None-Match": packed["etag"]})[0], 304)
            for other in ("/app.js", "/big.bin"):  # too small, and no text
                self.assertNotIn("content-encoding", http(server.port, path=other, headers=packing)[1])
            with open(path, "w", encoding="ascii") as f:
                f.write(text.replace("1", "23"))
            _, _, body = http(server.port, path="/long.js", headers=packing)
            self.assertEqual(gzip.decompress(body).decode(), text.replace("1", "23"))

    def test_the_library_of_charts_is_served_where_it_is_installed(self):
        library = "/usr/share/javascript/chart.js/chart.min.js"
        with Server("--www", f"{self.folder.name}/www") as server:
            status, headers, body = http(server.port, path="/chart.min.js")
            if os.path.exists(library):
                with open(library, "rb") as f:
                    self.assertEqual((status, headers["content-type"], body), (200, "text/javascript; charset=utf-8", f.read()))
            else:
                self.assertEqual(status, 404)
            for other in ("/chart.js", "/helpers.mjs", "/chunks/helpers.segment.js"):
                self.assertEqual(http(server.port, path=other)[0], 404)

    def test_nothing_outside_the_folder_is_served(self):
        with Server("--www", f"{self.folder.name}/www") as server:
            for path in ("/../secret", "/%2e%2e/secret", "/sub/../../secret", "/sub/%2e%2e/%2e%2e/secret", "/..%2fsecret",
                         "/.%2e/secret", "//secret", "/link", "/.env", "/%00", "/sub", "/missing", "/..\\secret",
                         "/%c0%ae%c0%ae/secret", "/../../../../../../etc/passwd", "/....//secret", "/sub/..%00/secret"):
                try:
                    status, _, body = http(server.port, path=path)
                except (Closed, ConnectionError):
                    continue
                self.assertIn(status, (400, 403, 404) if "%00" not in path else (200, 400, 403, 404), path)
                self.assertNotIn(b"secret\n", body + b"\n", path)
                self.assertNotIn(b"root:", body, path)
            self.assertEqual(server.health()["status"], "healthy")

    def test_only_get_and_head(self):
        with Server("--www", f"{self.folder.name}/www") as server:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                status, headers, _ = http(server.port, method, "/", body=b"x=1")
                self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"), method)
            self.assertEqual(http(server.port, "POST", "/events", body=b"x")[0], 405)
            with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as sock:
                sock.sendall(b"HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b"".join(iter(lambda: sock.recv(4096), b""))
            self.assertTrue(answer.startswith(b"HTTP/1.1 405 ") and answer.endswith(b"\r\n\r\n"), answer)

    def test_one_connection_serves_many_requests(self):
        with Server("--www", f"{self.folder.name}/www") as server, \
                socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.settimeout(DEADLINE_S)
            for path, text in (("/", b"<p>hi"), ("/app.js", b"1;"), ("/health", b"healthy"), ("/none", b"no such"), ("/", b"<p>hi")):
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                data = b""
                while text not in data:
                    chunk = sock.recv(65536)
                    self.assertTrue(chunk, path)
                    data += chunk

    def test_without_a_folder_the_page_that_comes_with_it(self):
        with Server() as server:
            status, headers, body = http(server.port)
            self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
            self.assertIn(b"blepipe", body)
            for name in ("/main.js", "/style.css"):
                self.assertEqual(http(server.port, path=name)[0], 200)
                self.assertIn(name[1:].encode(), body)

    def test_a_question_mark_alone_asks_for_nothing(self):
        with Server() as server, EventStream(server.port, "/events?") as one, WebSocketClient(server.port, "/ws?") as two:
            for client in (one, two):
                self.assertEqual(live(client), [])
            server.events(event("pi-1", 7))
            for client in (one, two):
                self.assertEqual(client.event()["data"]["seq"], 7)

    def test_a_websocket_elsewhere_and_http_at_its_place(self):
        with Server() as server:
            with self.assertRaises(Refused) as refused:
                WebSocketClient(server.port, "/other")
            self.assertEqual(refused.exception.status, 404)
            self.assertEqual(http(server.port, path="/ws")[0], 426)


MAY_GUESS = ("--trusted-proxy", "127.0.0.1")  # without being slowed


class Rights(unittest.TestCase):
    def token_file(self, text=TOKEN + "\n"):
        f = tempfile.NamedTemporaryFile("w", suffix=".token")
        self.addCleanup(f.close)
        f.write(text)
        f.flush()
        return f.name

    def test_a_token_guards_everything_but_health(self):
        with Server("--token-file", self.token_file(), *MAY_GUESS) as server:
            for wrong in (None, "Bearer wrong", "Bearer " + TOKEN[:-1], "Basic " + TOKEN, "Bearer"):
                headers = {"Authorization": wrong} if wrong else {}
                for kind in (WebSocketClient, EventStream):
                    with self.assertRaises(Refused) as refused:
                        kind(server.port, headers=headers)
                    self.assertEqual(refused.exception.status, 401)
                    self.assertIn("Bearer", refused.exception.headers["www-authenticate"])
                for path in ("/", "/state"):
                    self.assertEqual(http(server.port, path=path, headers=headers)[0], 401)
            self.assertEqual(server.health()["clients"], 0)
            right = {"Authorization": "Bearer " + TOKEN}
            with WebSocketClient(server.port, headers=right) as one, EventStream(server.port, headers=right) as two:
                live(one)
                live(two)
            self.assertEqual(http(server.port, headers=right)[0], 200)
            self.assertNotIn(TOKEN, server.err)

    def test_sighup_reads_the_token_again(self):
        path, other = self.token_file(), "another-token-of-32-characters--"
        with Server("--token-file", path, *MAY_GUESS) as server:
            def status(token):
                return http(server.port, headers={"Authorization": "Bearer " + token})[0]

            def put(text):
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                server.signal(signal.SIGHUP)
            self.assertEqual((status(TOKEN), status(other)), (200, 401))
            put("short\n")
            server.wait_err("the token and its cookie stay as they were: the token is shorter than 16 characters")
            self.assertEqual((status(TOKEN), status(other)), (200, 401))
            put(other + "\n")
            server.wait_err("the token and its cookie are read again")
            self.assertEqual((status(TOKEN), status(other)), (401, 200))
            self.assertNotIn(other, server.err)

    def test_a_browser_logs_in_and_has_a_cookie(self):
        with Server("--token-file", self.token_file(), *MAY_GUESS) as server:
            status, headers, _ = http(server.port, headers={"Accept": "text/html,*/*"})
            self.assertEqual((status, headers["location"]), (303, "login"))
            status, headers, _ = http(server.port, path="/sub/page.html?x=/y", headers={"Accept": "text/html"})
            self.assertEqual((status, headers["location"]), (303, "../login"))
            status, headers, body = http(server.port, path="/login")
            self.assertEqual((status, headers["cache-control"]), (200, "no-store"))
            self.assertIn(b"<form", body)
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            for wrong in (b"token=wrong", b"x", b"token=", b"token=%30%31", b"tokens=" + TOKEN.encode()):
                status, headers, _ = http(server.port, "POST", "/login", form, wrong)
                self.assertEqual(status, 401)
                self.assertNotIn("set-cookie", headers)
            for far_too_long in (b"token=" + b"x" * 5000, b"token=" + b"x" * 100_000):
                self.assertEqual(http(server.port, "POST", "/login", form, far_too_long)[0], 413)
            for odd in ("abc", "+5", "5x", "-5"):
                with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as sock:
                    sock.sendall(f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {odd}\r\n\r\n".encode())
                    self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 400 "), odd)
            self.assertEqual(http(server.port, "POST", "/login", form)[0], 411)
            self.assertEqual(http(server.port, "PUT", "/login", form, b"x")[0], 405)
            escaped = b"a=b&token=%30" + TOKEN[1:].encode()
            status, headers, _ = http(server.port, "POST", "/login", form, escaped)
            self.assertEqual((status, headers["location"]), (303, "./"))
            cookie = headers["set-cookie"]
            for word in ("HttpOnly", "SameSite=Strict"):
                self.assertIn(word, cookie)
            self.assertNotIn("Path", cookie, "it would not fit what a proxy serves us under")
            self.assertNotIn("Secure", cookie)
            self.assertNotIn(TOKEN, cookie)
            with_cookie = {"Cookie": "a=b; " + cookie.split(";")[0]}
            with WebSocketClient(server.port, headers=with_cookie) as client:
                live(client)
            with EventStream(server.port, headers=with_cookie) as client:
                live(client)
            self.assertEqual(http(server.port, headers=with_cookie)[0], 200)

    def test_a_token_is_in_no_core_dump(self):
        words = as_other_user("blews", "--port", "0")
        with Tool(*words, cwd="/") as open_to_all, Tool(*words, cwd="/", env={"BLEPIPE_TOKEN": TOKEN}) as with_token:
            for server, hidden in ((open_to_all, False), (with_token, True)):
                server.wait_err("listening on")
                self.assertEqual(os.stat(f"/proc/{server.pid}/environ").st_uid == 0, hidden)

    def test_the_token_may_come_from_the_environment(self):
        for env in ({"BLEPIPE_TOKEN": TOKEN}, {"BLEPIPE_TOKEN_FILE": self.token_file()}):
            with Server(env=env) as server:
                self.assertEqual(http(server.port)[0], 401)

    def test_pages_of_other_sites_may_not_listen(self):
        with Server("--origin", "https://board.example") as server:
            own = f"http://127.0.0.1:{server.port}"
            for origin in (own, "https://board.example"):
                with WebSocketClient(server.port, headers={"Origin": origin}) as client:
                    live(client)
                with EventStream(server.port, headers={"Origin": origin}) as stream:
                    live(stream)
                    self.assertEqual(stream.headers.get("access-control-allow-origin"),
                                     None if origin == own else origin)
            strange = ("https://evil.example", "null", f"http://127.0.0.1:{server.port + 1}", "https://board.example.evil")
            for origin in strange:
                for kind in (WebSocketClient, EventStream):
                    with self.assertRaises(Refused) as refused:
                        kind(server.port, headers={"Origin": origin})
                    self.assertEqual(refused.exception.status, 403)
            self.assertEqual(server.health()["refused"]["origin"], 2 * len(strange))
            server.wait_err("refusing (403)")
            self.assertEqual(server.err.count("refusing (403)"), 1)  # once a minute
            self.assertIn("'https://evil.example'", server.err)

    def test_what_the_log_says_of_a_strange_page_lets_it_in(self):
        for page in ("https://board.example", "http://board.example:3000", "https://BOARD.example:443", "http://[fd00::1]:80"):
            headers = {"Origin": page}
            with Server() as server:
                with self.assertRaises(Refused):
                    WebSocketClient(server.port, headers=headers)
                server.wait_err("--origin ")
                option = server.err.split("--origin ")[1].split(";")[0]
            with Server("--origin", option) as server, WebSocketClient(server.port, headers=headers) as client:
                live(client)

    def test_hostile_bytes_in_an_origin_are_harmless_in_the_log(self):
        for hostile in ("https://x;rm -rf ~", "https://$(reboot)", "https://`id`", "https://a'b", "https://\x1b[2J", "https://x\x9b1m",
                        "https://" + "x" * 8000, "x" * 8000, "https://a b --insecure", "javascript:1", "https://a/b", "https://",
                        "https://x&y", "https://-\"", "\xff\xfe"):
            with Server() as server:
                status, _, _ = http(server.port, path="/events", headers={"Origin": hostile})
                self.assertEqual(status, 403)
                server.wait_err("refusing (403)")
                line = next(line for line in server.err.splitlines() if "refusing" in line)
            self.assertNotIn("allow it", line)
            self.assertRegex(line, r"^[\x20-\x7e]{1,600}$")

    def test_refusals_are_counted_and_said(self):
        with Server("--token-file", self.token_file()) as server:
            for _ in range(3):
                with self.assertRaises(Refused):
                    WebSocketClient(server.port)
            self.assertEqual(http(server.port, headers={"Accept": "text/html"})[0], 303)  # led to the login: not refused
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            self.assertEqual(http(server.port, "POST", "/login", form, b"token=wrong")[0], 401)
            self.assertEqual(server.health()["refused"], {"host": 0, "origin": 0, "token": 4, "handshake": 0, "rate": 0, "clients": 0})
            server.wait_err("refusing (401) a client at 127.0.0.1")
            self.assertEqual(server.err.count("refusing (401)"), 1)

    def test_a_foreign_name_for_loopback_is_refused(self):
        with Server() as server:
            for host in ("evil.example", f"evil.example:{server.port}"):
                headers = {"Host": host, "Origin": f"http://{host}"}
                for kind in (WebSocketClient, EventStream):
                    with self.assertRaises(Refused) as refused:
                        kind(server.port, headers=headers)
                    self.assertEqual(refused.exception.status, 403)
                self.assertEqual(http(server.port, headers={"Host": host})[0], 403)
            self.assertEqual(server.health()["refused"]["host"], 6)
            server.wait_err("--origin http://evil.example")
            self.assertEqual(server.err.count("--origin http://evil.example"), 1)
            for host in ("localhost", f"localhost:{server.port}", "[::1]:80"):
                self.assertEqual(http(server.port, headers={"Host": host})[0], 200)
        with Server("--origin", "http://evil.example") as server:
            self.assertEqual(http(server.port, headers={"Host": "evil.example"})[0], 200)
        with Server() as server:
            self.assertEqual(http(server.port, headers={"Host": "x;\x1b[2J" + "y" * 5000})[0], 403)
            server.wait_err("refusing (403)")
            self.assertRegex(server.err.splitlines()[-1], r"^[\x20-\x7e]{1,600}$")
            self.assertNotIn("--origin", server.err)

    def test_so_many_clients_and_no_more(self):
        with Server("--max-clients", "2") as server, WebSocketClient(server.port) as one:
            live(one)
            with WebSocketClient(server.port) as two:
                live(two)
                status, headers, _ = http(server.port)
                self.assertEqual(status, 503)
                self.assertEqual(server.health()["clients"], 2)
                self.assertIn("retry-after", headers)
                server.wait_err("--max-clients")

            def room_again():
                return http(server.port)[0] == 200
            wait_until(room_again, "room for another client")
            self.assertGreaterEqual(server.health()["refused"]["clients"], 1)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = self_signed(folder)
            context = ssl.create_default_context(cafile=cert)
            with Server("--cert", cert, "--key", key, env={"BLEPIPE_TOKEN": TOKEN}) as server:
                self.assertIn("https://127.0.0.1:", server.err)
                right = {"Authorization": "Bearer " + TOKEN}
                with WebSocketClient(server.port, tls=context, headers=right) as one, \
                        EventStream(server.port, tls=context, headers=right) as two:
                    live(one)
                    live(two)
                    sent = [event(seq=i, pad=100_000) for i in range(5)]
                    server.events(*sent)
                    self.assertEqual([one.recv() for _ in sent], sent)
                    self.assertEqual([two.next()["data"] for _ in sent], sent)
                _, headers, _ = http(server.port, "POST", "/login", body=b"token=" + TOKEN.encode(), tls=context)
                self.assertIn("; Secure", headers["set-cookie"])
                self.assertEqual(server.health(tls=context)["status"], "healthy")


class Hostile(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)
        self.good = WebSocketClient(self.server.port)
        self.addCleanup(self.good.sock.close)
        live(self.good)

    def still_serves(self):
        self.server.events(event(seq=99))
        self.assertEqual(self.good.event()["data"]["seq"], 99)
        wait_until(lambda: self.server.health()["clients"] == 1, "the bad client to be gone")

    def closed(self, misbehave):
        """How the server closes a client that did this; None: without a close frame."""
        with WebSocketClient(self.server.port) as client:
            live(client)
            with self.assertRaises((Closed, ConnectionError)) as closed:
                misbehave(client)
                while True:
                    client.recv()
        self.still_serves()
        return getattr(closed.exception, "code", None)

    def test_an_oversize_message(self):
        self.assertEqual(self.closed(lambda c: c.send("x" * 70_000)), 1009)

    def test_an_oversize_message_in_fragments(self):
        def many(client):
            client.send_frame(1, b"x" * 60_000, final=False)
            client.send_frame(0, b"x" * 6000)
        self.assertEqual(self.closed(many), 1009)

    def test_a_frame_that_promises_too_much(self):
        self.closed(lambda c: c.sock.sendall(b"\x81\xff" + struct.pack("!Q", 1 << 62) + b"abcd" + b"x" * 70_000))

    def test_bytes_that_are_no_utf8(self):
        self.assertEqual(self.closed(lambda c: c.send(b'{"subscribe":"\xc0\xaf"}')), 1007)

    def test_a_binary_message(self):
        self.assertEqual(self.closed(lambda c: c.send_frame(2, b"{}")), 1003)

    def test_frames_that_do_not_exist(self):
        for opcode, kwargs in ((3, {}), (7, {}), (11, {}), (15, {}), (1, {"reserved": 1}), (1, {"reserved": 7})):
            with self.subTest(opcode=opcode, **kwargs):
                self.closed(lambda c, o=opcode, k=kwargs: c.send_frame(o, b"{}", **k))

    def test_a_continuation_of_nothing_and_a_long_ping(self):
        self.closed(lambda c: c.send_frame(0, b"{}"))
        self.closed(lambda c: c.send_frame(9, b"x" * 200))

    def test_a_frame_without_a_mask_does_no_harm(self):
        with WebSocketClient(self.server.port) as client:
            live(client)
            client.send_frame(1, b'{"subscribe":{}}', mask=False)
            try:
                live(client)
            except (Closed, ConnectionError):
                pass
        self.still_serves()

    def test_a_client_that_talks_and_never_reads(self):
        with Server(env=MEMORY_SHOWS) as server, WebSocketClient(server.port, receive_buffer=4096) as client:
            before = server.rss_kb()
            client.sock.settimeout(1)
            try:
                for _ in range(200_000):
                    client.send("nonsense")
            except OSError:
                pass
            self.assertLess(server.rss_kb() - before, 4000)
            with WebSocketClient(server.port) as good:
                live(good)

    def test_garbage_instead_of_http(self):
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 5000,
                        b"GET / HTTP/9.9\r\n\r\n", b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
                        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 1\r\n\r\n",
                        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nabc",
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)):
            with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
                sock.settimeout(DEADLINE_S)
                try:
                    sock.sendall(garbage)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass
            self.assertEqual(self.server.health()["status"], "healthy", garbage[:40])
        self.still_serves()

    def test_a_stream_client_that_sends_more(self):
        with EventStream(self.server.port) as stream:
            live(stream)
            try:
                stream.sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3 + b"\x00" * 1000)
            except ConnectionError:
                pass
        self.still_serves()


class Ends(unittest.TestCase):
    def test_end_of_input_delivers_and_ends_with_0(self):
        with Server() as server, WebSocketClient(server.port) as client, EventStream(server.port) as stream:
            live(client)
            live(stream)
            sent = [event(seq=i, pad=1000) for i in range(500)]
            server.events(*sent)
            server.close_stdin()
            self.assertEqual([client.recv() for _ in sent], sent)
            with self.assertRaises(Closed) as closed:
                client.recv()
            self.assertEqual(closed.exception.code, 1001)
            self.assertEqual([stream.next()["data"] for _ in sent], sent)
            with self.assertRaises(Closed):
                stream.next()
            self.assertEqual(server.wait(), 0)

    def test_a_client_that_never_reads_does_not_hold_the_end_up(self):
        with Server("--linger", "0.2") as server, WebSocketClient(server.port, receive_buffer=4096) as stuck:
            live(stuck)
            server.events(*(event(seq=i, pad=2000) for i in range(600)))
            server.close_stdin()
            self.assertEqual(server.wait(), 0)

    def test_counters_told_at_the_end_do_not_prolong_it(self):
        with Server("--linger", "1", "--stats", "0.2") as server, \
                WebSocketClient(server.port, receive_buffer=4096) as stuck:
            live(stuck)
            server.events(*(event(seq=i, pad=2000) for i in range(600)))
            wait_until(lambda: server.health()["events"] == 600, "the events to be taken")
            server.signal(15)
            self.assertEqual(server.wait(), 0)

    def test_the_watchdog_is_fed_while_nothing_comes(self):
        with Notify(watchdog_us=100_000) as notify, Server(env=notify.env):
            notify.fed(3)

    def test_an_unterminated_event_counts_and_a_torn_one_is_torn(self):
        for tail, expected in ((event(seq=2), 2), (event(seq=2)[:-5], 1)):
            with tempfile.TemporaryDirectory() as folder:
                code, _, err = run("blews", "--port", "0", "--metrics", f"{folder}/metrics",
                                   input=event(seq=1) + "\n" + tail)
                self.assertEqual(code, 0, err)
                with open(f"{folder}/metrics", encoding="utf-8") as f:
                    metrics = f.read()
            self.assertIn(f'blepipe_in_total{{tool="blews",instance="metrics"}} {expected}', metrics)
            self.assertIn(f'blepipe_torn_total{{tool="blews",instance="metrics"}} {2 - expected}', metrics)

    def test_stay_serves_on(self):
        with Server("--stay") as server:
            server.events(event(seq=5))
            server.close_stdin()
            server.wait_err("the input has ended")
            with WebSocketClient(server.port) as client:
                self.assertEqual([e["data"]["seq"] for e in live(client)], [5])
            server.signal(15)
            self.assertEqual(server.wait(), 0)

    def test_signals_end_it_politely(self):
        for number in (15, 2):
            with Server() as server, WebSocketClient(server.port) as client:
                live(client)
                server.signal(number)
                with self.assertRaises(Closed) as closed:
                    client.recv()
                self.assertEqual(closed.exception.code, 1001)
                self.assertEqual(server.wait(), 0)

    def test_count_and_run_for(self):
        with Server("--count", "3") as server, WebSocketClient(server.port) as client:
            live(client)
            server.events(*(event(seq=i) for i in range(5)))
            self.assertEqual([client.event()["data"]["seq"] for _ in range(3)], [0, 1, 2])
            with self.assertRaises(Closed):
                client.recv()
            self.assertEqual(server.wait(), 0)
        with Server("--run-for", "0.1") as server:
            self.assertEqual(server.wait(), 0)
        with Server("--run-for", "0.1", "--count", "3") as server:
            self.assertEqual(server.wait(), 75)

    def test_a_file_and_dev_null_as_input(self):
        code, _, err = run("blews", "--port", "0", input=event() + "\n")
        self.assertEqual(code, 0, err)
        with Tool("blews", "--port", "0", stdin=None) as server:
            self.assertEqual(server.wait(), 0)

    def test_help_and_version(self):
        code, out, _ = run("blews", "--help")
        self.assertEqual(code, 0)
        self.assertIn(b"blesub | bleingest | blews", out)
        self.assertEqual(run("blews", "--version")[0], 0)

    def test_usage_is_64(self):
        for words in (["--bogus"], ["--port", "70000"], ["--port", "x"], ["--slow", "maybe"], ["--queue", "0"],
                      ["--cert", "/dev/null"], ["stray"]):
            self.assertEqual(run("blews", *words)[0], 64, words)

    def test_a_port_that_is_taken_is_69(self):
        with Server() as server:
            code, _, err = run("blews", "--port", server.port)
            self.assertEqual(code, 69)
            self.assertIn(str(server.port), err)

    def test_a_pipe_with_another_reader_is_69(self):
        with Server() as server:
            code = Tool("blews", "--port", "0", stdin=os.open(f"/proc/{server.pid}/fd/0", os.O_RDONLY))
            with code:
                self.assertEqual(code.wait(), 69)

    def test_a_port_that_only_root_may_take_is_77(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as f:
            self.assertGreater(int(f.read()), 1, "this machine gives every port to everybody")
        code, _, err = run(*as_other_user("blews", "--port", "1"), cwd="/")
        self.assertEqual(code, 77, err)

    def test_a_pipe_too_small_for_the_longest_line_is_71(self):
        code, err = run_past_pipe_quota("blews", "--port", "0")
        self.assertEqual(code, 71, err)
        self.assertIn("pipe-user-pages-soft", err)

    def test_an_input_that_cannot_be_read_is_74(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        with Tool("blews", "--port", "0", stdin=folder) as server:
            self.assertEqual(server.wait(), 74)

    def test_bad_configuration_is_78(self):
        with tempfile.TemporaryDirectory() as folder:
            short = f"{folder}/short"
            with open(short, "w", encoding="ascii") as f:
                f.write("short\n")
            for words in (["--bind", "0.0.0.0"], ["--bind", "::"], ["--www", f"{folder}/none"], ["--www", short],
                          ["--token-file", f"{folder}/none"], ["--token-file", short], ["--origin", "board.example"],
                          ["--cert", short, "--key", f"{folder}/none"], ["--cert", short, "--key", short],
                          ["--bind", "192.0.2.1", "--insecure"]):
                code, _, err = run("blews", "--port", "0", *words)
                self.assertEqual(code, 78, (words, err))
            self.assertEqual(run("blews", env={"BLEPIPE_PORT": "many"})[0], 78)

    def test_other_addresses_with_a_token_or_by_will(self):
        for options, env in ((["--insecure"], {}), ([], {"BLEPIPE_TOKEN": TOKEN})):
            with Server("--bind", "0.0.0.0", *options, env=env) as server:
                self.assertEqual(server.health()["status"], "healthy")

    def test_ipv6(self):
        with Server("--bind", "::1") as server:
            self.assertIn("http://[::1]:", server.err)
            with WebSocketClient(server.port, host="::1", headers={"Host": f"[::1]:{server.port}"}) as client:
                live(client)

    def test_check_opens_nothing(self):
        with Server() as server:
            self.assertEqual(run("blews", "--check", "--port", server.port)[0], 0)
        self.assertEqual(run("blews", "--check", "--bind", "0.0.0.0")[0], 78)


if __name__ == "__main__":
    unittest.main()
