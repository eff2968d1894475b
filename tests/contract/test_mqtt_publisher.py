"""What blesend does with a broker's answers that a real one gives only now and then."""
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Broker, MqttServer, Tool, confirmation, wait_until

TOPIC = "tfg/detections/raw"
# Libmosquitto forgets a packet that it was writing when a DISCONNECT comes, and what it held where it fails.
LEFT_BEHIND = {"ASAN_OPTIONS": "detect_leaks=0"}


def batch(number):
    return json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": number, "detections": []}).encode()


def lines(*numbers):
    return b"".join(batch(n) + b"\n" for n in numbers)


def send(server, *words, **options):
    return Tool("blesend", "--host", "127.0.0.1", "--port", server.port, *words, **options)


def variable(number):
    """MQTT 5, 1.5.5."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


class Answers(unittest.TestCase):
    def seqs(self, server):
        return [json.loads(p).get("seq", "gap") for p in server.payloads]

    def test_no_more_outstanding_than_the_broker_allows(self):
        for words, limit in [([], 5), (["--inflight", "3"], 3)]:
            with MqttServer(receive_maximum=5) as server, send(server, *words) as tool:
                server.puback = lambda level, payload: None
                tool.write(lines(*range(40)))
                tool.close_stdin()
                while tool.running():
                    wait_until(lambda: server.unanswered == limit or not tool.running() or len(server.payloads) == 40, "a full window")
                    server.answer()
                self.assertEqual(tool.wait(), 0)
                self.assertEqual(server.most_unanswered, limit)
                self.assertEqual(self.seqs(server), list(range(40)))

    def test_a_random_client_id_is_of_one_link(self):
        """With a status it is kept: the second link takes the place of the first, whose last will is not told later."""
        for words, kept in (((), False), (("--status-topic", "status"), True), (("--client-id", "pi-lab-1"), True)):
            with self.subTest(words=words), MqttServer() as server, send(server, *words) as tool:
                tool.write(lines(1))
                wait_until(lambda: server.payloads.count(batch(1)) == 1, "the batch")  # pylint: disable=cell-var-from-loop
                server.hang_up()
                wait_until(lambda: len(server.connects) > 1, "the second link")  # pylint: disable=cell-var-from-loop
                ids = list(server.client_ids)
                self.assertRegex(ids[0], "^(blesend-[0-9a-f]{12}|pi-lab-1)$")
                self.assertRegex(ids[1], "^(blesend-[0-9a-f]{12}|pi-lab-1)$")
                self.assertEqual(ids[0] == ids[1], kept)

    def test_without_a_receive_maximum_inflight_counts(self):
        with MqttServer() as server, send(server, "--inflight", "30") as tool:
            server.puback = lambda level, payload: None
            tool.write(lines(*range(40)))
            wait_until(lambda: server.unanswered == 30, "a full window")
            server.puback = lambda level, payload: 0
            server.answer()
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(self.seqs(server), list(range(40)))

    def test_messages_that_leave_together_are_one_packet(self):
        come_in = threading.Event()
        with MqttServer() as server:
            server.connack = lambda level: 0 if come_in.wait(20) else None
            server.puback = lambda level, payload: None
            with send(server) as tool:
                tool.wait_err("spool")  # from here on it takes signals
                tool.write(lines(*range(60)))
                wait_until(lambda: tool.stats()["queued"] == 60, "all in the spool")
                come_in.set()
                wait_until(lambda: server.unanswered == 60, "all of them")
                self.assertEqual(server.segments, 2)  # CONNECT, and all of them
                server.answer()
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0)
                self.assertEqual(self.seqs(server), list(range(60)))

    def test_denied_batches_are_kept_and_asked_about_one_at_a_time(self):
        for reason, said in [(0x87, "not authorised"), (0x97, "quota exceeded")]:
            with MqttServer() as server, send(server) as tool:
                server.puback = lambda level, payload, reason=reason: reason
                tool.write(lines(*range(10)))
                wait_until(lambda: len(server.payloads) >= 12, "further attempts")
                self.assertIn(f"does not take messages on {TOPIC}: {said}", tool.err)
                self.assertEqual(tool.err.count("does not take"), 1)
                self.assertLessEqual(len(server.payloads), 20)
                server.puback = lambda level, payload: 0
                before = len(server.payloads)
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0)
                taken = self.seqs(server)[before:]
                self.assertEqual(sorted(set(taken)), list(range(10)))
                self.assertIn("again", tool.err)

    def test_one_that_is_denied_for_ever_is_kept_and_stops_no_other(self):
        with MqttServer() as server, send(server, "--policy", "block", "--inflight", "1") as tool:
            server.puback = lambda level, payload: 0x83 if payload == batch(3) else 0
            tool.write(lines(*range(200)))
            wait_until(lambda: set(range(200)) <= set(self.seqs(server)), "the others")
            wait_until(lambda: tool.stats()["out"] == 199, "the others")
            self.assertEqual(tool.stats()["queued"], 1)
            self.assertEqual(tool.err.count("does not take"), 1)
            server.puback = lambda level, payload: 0
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(os.listdir(tool.cwd), [])

    def test_however_many_are_denied_for_ever_the_others_arrive(self):
        denied = {batch(seq) for seq in range(0, 16, 2)}
        with MqttServer() as server, send(server, "--policy", "block", "--inflight", "1") as tool:
            server.puback = lambda level, payload: 0x83 if payload in denied else 0
            tool.write(lines(*range(100)))
            wait_until(lambda: set(range(100)) <= set(self.seqs(server)), "the others")
            wait_until(lambda: tool.stats()["out"] == 92, "the others")
            self.assertEqual(tool.stats()["queued"], 8)
            tried = len(server.payloads)
            wait_until(lambda: len(server.payloads) > tried + 1, "further attempts")
            server.puback = lambda level, payload: 0
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(set(range(100)), set(self.seqs(server)))
            self.assertEqual(os.listdir(tool.cwd), [])

    def test_a_lost_link_sends_all_that_was_outstanding_again_in_order(self):
        with MqttServer() as server, send(server) as tool:
            server.puback = lambda level, payload: None
            tool.write(lines(*range(20)))
            for round_ in range(1, 4):
                wait_until(lambda: len(server.payloads) == 20 * round_, "all of them")
                server.hang_up()
            server.puback = lambda level, payload: 0
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(self.seqs(server), list(range(20)) * 4)
            self.assertEqual(tool.err.count("is lost"), 1)

    def test_an_answer_of_the_old_link_is_not_taken_for_one_of_the_new(self):
        with MqttServer() as server, send(server) as tool:
            server.puback = lambda level, payload: None
            tool.write(lines(0))
            wait_until(lambda: len(server.payloads) == 1, "the batch")
            server.hang_up()
            wait_until(lambda: len(server.payloads) == 2, "the batch again")
            self.assertEqual(tool.stats()["queued"], 1)
            server._held = server._held[1:]  # of the new link only
            server.answer()
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)

    def test_a_batch_that_alone_is_never_acknowledged_is_sent_again(self):
        """The 65535th message after it would have its packet identifier."""
        with MqttServer() as server, send(server, "--policy", "block") as tool:
            server.puback = lambda level, payload: None if payload == batch(0) and server.payloads.count(payload) == 1 else 0
            tool.write(lines(*range(65_600)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(server.payloads.count(batch(0)), 2)
            self.assertIn("not acknowledged while all later ones were", tool.err)

    def test_a_link_that_is_given_up_is_closed_at_once(self):
        """For example when the broker takes nothing but QoS 0."""
        with socket.create_server(("127.0.0.1", 0)) as listener, \
                Tool("blesend", "--host", "127.0.0.1", "--port", listener.getsockname()[1]) as tool:
            tool.write(lines(0))
            link, _ = listener.accept()
            link.recv(1000)
            link.sendall(b"\x20\x05\0\0\x02\x24\0")
            tool.wait_err("QoS")
            tool.signal(signal.SIGSTOP)  # before it connects again
            link.setblocking(False)
            self.assertEqual(link.recv(1000), b"")
            link.close()

    def test_a_batch_that_is_too_large_for_the_broker_is_set_aside(self):
        large = batch(1)[:-1] + b',"x":"' + b"y" * 2000 + b'"}'
        given = batch(0) + b"\n" + large + b"\n" + batch(2) + b"\n"
        with MqttServer() as server, send(server) as tool:  # it says so when it sees the message
            server.puback = lambda level, payload: 0x95 if len(payload) > 1000 else 0
            tool.write(given)
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertIn(0, self.seqs(server))
            self.assertIn(2, self.seqs(server))
            self.assertIn("gap", self.seqs(server))
            self.assertEqual(self.rejected(tool), [large.decode()])
        with Broker("max_packet_size 1000\n") as broker, send(broker.keep()) as tool:  # it says so when we connect
            tool.write(given)
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)
            self.assertEqual(self.rejected(tool), [large.decode()])
            self.assertEqual(broker.log_text().count("Received PUBLISH"), 3)  # and a gap line

    def test_of_several_in_a_message_only_what_is_too_large_by_itself_is_set_aside(self):
        large = batch(5)[:-1] + b',"x":"' + b"y" * 2000 + b'"}'
        given = lines(*range(5)) + large + b"\n" + lines(*range(6, 20))
        for config in ("max_packet_size 1000\n", "message_size_limit 900\n"):  # told when we connect; only when it sees it
            with self.subTest(config), Broker(config) as broker:
                watch = Tool("mosquitto_sub", "-p", broker.port, "-t", TOPIC, "-q", "1")
                self.addCleanup(watch.__exit__)
                wait_until(lambda: "SUBACK" in broker.log_text(), "the subscription")
                with send(broker, "--coalesce", "4") as tool:
                    tool.write(given)
                    tool.close_stdin()
                    self.assertEqual(tool.wait(), 0)
                    self.assertEqual(self.rejected(tool), [large.decode()])
                    self.assertIn("one by one", tool.err)
                expected = {*(lines(*range(5)) + lines(*range(6, 20))).splitlines()}
                gaps = []
                # After a refusal mosquitto hangs up, so that others may come twice.
                while expected or not gaps:
                    line = watch.line()
                    expected.discard(line)
                    self.assertNotIn(b"yyy", line)
                    if b'"gap"' in line and line not in gaps:
                        gaps.append(line)
                self.assertEqual([json.loads(line)["gap"] for line in gaps],
                                 [{"from_seq": 5, "to_seq": 5, "reason": "refused"}])

    def rejected(self, tool):
        with open(os.path.join(tool.cwd, "blesend.rejected.ndjson"), encoding="utf-8") as f:
            return [json.loads(line)["line"] for line in f]

    def reasons(self, tool):
        with open(os.path.join(tool.cwd, "blesend.rejected.ndjson"), encoding="utf-8") as f:
            return [json.loads(line)["reason"] for line in f]

    def test_an_old_broker_gets_3_1_1_with_a_warning(self):
        for answer in (b"\x20\x02\x00\x01", 0x84, None, "reset"):
            with self.subTest(answer=answer), MqttServer() as server:
                server.connack = lambda level, answer=answer: answer if level == 5 else 0
                with send(server) as tool:
                    tool.write(lines(1))
                    tool.close_stdin()
                    self.assertEqual(tool.wait(), 0)
                    self.assertEqual(server.levels, [5, 4])
                    self.assertIn("refuses MQTT 5", tool.err)
                    self.assertEqual(self.seqs(server), [1])

    def test_an_answer_that_fails_an_assertion_of_libmosquitto_ends_a_link_and_nothing_else(self):
        unknown_property = bytes.fromhex("2d0d00002f00000000000000000000")
        with MqttServer() as server, send(server, env=LEFT_BEHIND) as tool:
            server.connack = lambda level: unknown_property
            tool.write(lines(1))
            wait_until(lambda: len(server.levels) >= 3, "further attempts")
            server.connack = lambda level: 0
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.seqs(server), [1])

    def test_what_the_broker_will_not_take_is_set_aside_and_stops_nothing(self):
        """By a reason of its own, by one that may mean anything, without a word. And no other client is blamed for it."""
        for answer, reason in ((0x95, "larger than the broker allows"), (0x99, "form that the broker does not take"),
                               (0x97, "quota exceeded"), (0x82, "protocol error"), ("close", "")):
            for version in ("5", "3.1.1") if answer == "close" else ("5",):
                with self.subTest(answer=answer, version=version), MqttServer() as server, \
                        send(server, "--mqtt-version", version, "--policy", "block", "--client-id", "pi-1", env=LEFT_BEHIND) as tool:
                    server.disconnect_at = lambda payload, answer=answer: answer if b'"seq": 70' in payload else None
                    tool.write(lines(*range(200)))
                    tool.close_stdin()
                    self.assertEqual(tool.wait(), 0, tool.err)
                    self.assertEqual(self.rejected(tool), [batch(70).decode()])
                    self.assertIn(reason, self.reasons(tool)[0])
                    self.assertNotIn("client id", tool.err)
                    self.assertEqual({*range(200), "gap"}, set(self.seqs(server)))
                    # All others before it is tried a third time by itself.
                    tries = [at for at, seq in enumerate(self.seqs(server)) if seq == 70]
                    self.assertLessEqual(len(tries), 5 if answer in (0x95, 0x99) else 40)
                    self.assertLess(len(server.levels), 40)

    def test_what_the_broker_refuses_late_is_set_aside_too(self):
        """After it has read the whole of it, over a slow uplink."""
        with MqttServer() as server, send(server) as tool:
            def late(payload):
                if payload != batch(3):
                    return None
                time.sleep(1.2)
                return "close"
            server.disconnect_at = late
            tool.write(lines(*range(10)))
            wait_until(lambda: set(range(10)) <= set(self.seqs(server)), "all others")
            wait_until(lambda: tool.stats()["rejected"] == 1, "the verdict", deadline_s=300)
            self.assertLess(len(server.levels), 40)
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.rejected(tool), [batch(3).decode()])

    def test_what_is_denied_for_its_form_is_set_aside_at_once(self):
        with MqttServer() as server, send(server) as tool:
            server.puback = lambda level, payload: 0x99 if b'"seq": 3' in payload else 0
            tool.write(lines(*range(10)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.rejected(tool), [batch(3).decode()])
            self.assertEqual(self.seqs(server).count(3), 1)

    def test_several_that_the_broker_will_not_take_are_all_set_aside(self):
        bad = (0, 40, 41, 99)
        with MqttServer() as server, send(server) as tool:
            server.disconnect_at = lambda payload: "close" if json.loads(payload).get("seq") in bad else None
            tool.write(lines(*range(100)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(sorted(self.rejected(tool)), sorted(batch(seq).decode() for seq in bad))
            self.assertGreater(len(server.levels), 32)
            self.assertLess(tool.err.count("connected to the broker"), 16, tool.err)
            self.assertEqual({*range(100), "gap"}, set(self.seqs(server)))

    def test_a_broker_that_dies_at_whatever_it_gets_costs_nothing(self):
        """At the first publish on each link, at the second, at any; then it is well."""
        for place in (1, 2, None):
            seed = random.randrange(1 << 32)
            with self.subTest(place=place, seed=seed), MqttServer() as server, send(server) as tool:
                chance, dead = random.Random(seed), []

                def dies(payload, place=place, chance=chance, dead=dead, server=server, seen={}):
                    link = len(server.levels)
                    seen[link] = seen.get(link, 0) + 1
                    if len(dead) >= 7 or (chance.random() > 0.3 if place is None else seen[link] != place):
                        return None
                    dead.append(payload)
                    return "close"
                server.disconnect_at = dies
                tool.write(lines(*range(100)))
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(os.listdir(tool.cwd), [], tool.err)
                self.assertEqual(len(dead), 7)
                self.assertEqual(set(self.seqs(server)), set(range(100)))

    def test_a_message_alone_that_ends_links_waits_for_others_to_compare_with(self):
        with MqttServer() as server, send(server) as tool:
            server.disconnect_at = lambda payload: "close" if payload == batch(0) else None
            tool.write(lines(0))
            tool.wait_err("tried again behind the others")
            self.assertEqual(tool.stats()["rejected"], 0)
            tool.write(lines(1))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.rejected(tool), [batch(0).decode()])

    def test_with_confirmation_too(self):
        stored = f"{TOPIC}/stored/pi-lab-1"
        with MqttServer() as server, send(server, "--confirm", "stored", "--mqtt-version", "3.1.1") as tool:
            def close_at(payload):
                if b'"seq": 7,' in payload:
                    return "close"
                server.send(stored, confirmation([payload]))
                return None
            server.disconnect_at = close_at
            tool.write(lines(*range(20)))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.rejected(tool), [batch(7).decode()])

    def test_a_broker_that_takes_qos_0_only_is_told_from_others(self):
        with Broker("max_qos 0\n") as broker, send(broker) as tool:
            tool.wait_err("QoS 1 not supported; QoS 0 acknowledges nothing: allow QoS 1 at the broker, or name another one")

    def test_a_broker_that_moves_says_where_to(self):
        where = b"\x1c\0\x0bother:18830"
        for reason, text in ((0x9C, "use another server"), (0x9D, "server moved")):
            answer = bytes([reason, len(where)]) + where
            with self.subTest(reason=reason), MqttServer() as server, send(server) as tool:
                server.connack = lambda level, answer=answer: bytes([0x20, 1 + len(answer), 0]) + answer
                tool.wait_err("sends us to other:18830")
                server.connack = lambda level: 0
                server.disconnect_at = lambda payload, answer=answer: bytes([0xE0, len(answer)]) + answer
                tool.write(lines(0))
                tool.wait_err(f"is lost: {text}: other:18830")
                self.assertEqual(tool.stats()["queued"], 1)
            with self.subTest(reason=reason, where=None), MqttServer() as server, send(server) as tool:
                server.connack = lambda level, reason=reason: reason
                tool.wait_err(f"{text}; ask whoever runs it for the new name, and set --broker to it")

    def test_a_broker_that_goes_says_where_to_after_its_acknowledgements(self):
        """All of it in one piece, and with many words."""
        for words in (0, 20_000):
            with self.subTest(words=words), MqttServer() as first, MqttServer() as second, send(first) as tool:
                name = f"127.0.0.1:{second.port}".encode()
                properties = b"\x1c" + struct.pack(">H", len(name)) + name + b"\x1f" + struct.pack(">H", words) + b"w" * words
                size = variable(len(properties))
                body = b"\x9c" + size + properties
                farewell = b"\x40\x02\0\x01\x40\x02\0\x02\xe0" + variable(len(body)) + body
                first.puback = lambda level, payload: None
                first.disconnect_at = lambda payload, farewell=farewell: farewell if json.loads(payload)["seq"] == 2 else None
                tool.write(lines(0, 1, 2))
                tool.wait_err(f"connected to the broker {name.decode()}")
                wait_until(lambda second=second: self.seqs(second) == [2], "the third batch")

    def test_of_many_subscriptions_of_which_some_are_refused_all_are_asked_for_again_now_and_then(self):
        refused = f"{TOPIC}/stored/pi-3"
        with MqttServer() as server, send(server, "--confirm", "stored") as tool:
            server.suback = lambda level, topic: 0x80 if topic == refused else 1
            tool.write("".join(json.dumps({"device_id": f"pi-{n}", "detections": []}) + "\n" for n in range(20)).encode())
            wait_until(lambda: server.topics.count(refused) == 3, "it to be asked for twice more")
            self.assertLessEqual(len(server.topics), 3 * 20 + 20)
            server.suback = lambda level, topic: 1
            wait_until(lambda: server.topics.count(refused) == 4, "it to be asked for again")

    def test_a_quota_says_what_to_do(self):
        said = "quota exceeded; raise this account's limit at the broker, or send fewer messages"
        with MqttServer() as server, send(server) as tool:
            server.puback = lambda level, payload: 0x97
            tool.write(lines(0))
            tool.wait_err("they are kept and tried again; raise this account's limit at the broker")
        with MqttServer() as server, send(server) as tool:
            server.connack = lambda level: 0x97
            tool.wait_err(said)
        with MqttServer() as server, send(server) as tool:
            server.disconnect_at = lambda payload: 0x97  # whatever it gets: no batch is to blame
            tool.write(lines(*range(10)))
            tool.wait_err("is lost: " + said)
            wait_until(lambda: len(server.levels) > 5, "further links")
            self.assertEqual(tool.stats()["rejected"], 0)

    def test_a_broker_that_hangs_up_is_tried_again(self):
        with MqttServer() as server:
            server.connack = lambda level: b""  # and the connection closed
            with send(server) as tool:
                wait_until(lambda: len(server.levels) >= 3, "further attempts")
                server.connack = lambda level: 0
                tool.write(lines(1))
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0)

    def test_a_broker_that_refuses_us_is_waited_for(self):
        with MqttServer() as server, send(server) as tool:
            server.connack = lambda level: 0x87
            tool.write(lines(1))
            tool.close_stdin()
            wait_until(lambda: len(server.levels) >= 2, "further attempts")
            self.assertIn("not authorised; correct the user name or the password (SIGHUP reads it again)", tool.err)
            server.connack = lambda level: 0
            self.assertEqual(tool.wait(), 0)

    def test_sighup_reads_the_password_again(self):
        with tempfile.TemporaryDirectory(prefix="blepipe-password-") as folder:
            accounts, password = f"{folder}/accounts", f"{folder}/password"
            subprocess.run(["mosquitto_passwd", "-b", "-c", accounts, "pi", "of today"], check=True)
            pathlib.Path(password).write_text("of yesterday\n", encoding="ascii")
            with Broker(f"allow_anonymous false\npassword_file {accounts}\n") as broker, \
                    send(broker, "--mqtt-version", "3.1.1", "--username", "pi", "--password-file", password) as tool:
                tool.write(lines(1))
                tool.close_stdin()
                tool.wait_err("not authorised")
                pathlib.Path(password).write_text("of today\n", encoding="ascii")
                tool.signal(signal.SIGHUP)
                self.assertEqual(tool.wait(), 0, tool.err)


class RealBroker(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.broker.start()
        self.addCleanup(self.broker.__exit__)
        self.broker.keep("tfg/#")

    def test_a_broker_that_does_not_answer_is_given_up_and_tried_again(self):
        self.broker.pause()  # its kernel still accepts connections
        with send(self.broker) as tool:
            tool.write(lines(1))
            tool.close_stdin()
            tool.wait_err("unable to connect")
            self.broker.resume()
            self.assertEqual(tool.wait(), 0)

    def check_arrives(self, config, given, expected, missing_seqs, *words):
        """Through a broker of that configuration, over MQTT 3.1.1; returns what was set aside."""
        with Broker(config) as broker:
            reject = os.path.join(broker.folder.name, "rejected")
            with Tool("mosquitto_sub", "-p", broker.port, "-t", TOPIC, "-q", "1") as watch:
                wait_until(lambda: "SUBACK" in broker.log_text(), "the subscription")
                with send(broker, "--mqtt-version", "3.1.1", "--policy", "block", "--reject", reject, *words) as tool:
                    tool.write(given)
                    tool.close_stdin()
                    self.assertEqual(tool.wait(), 0, tool.err)
                missing, told = set(expected), set()
                while missing or len(told) < len(missing_seqs):
                    for line in watch.line().split(b"\n"):
                        missing.discard(line)
                        if b'"gap"' in line:
                            gap = json.loads(line)["gap"]
                            told.update(range(gap["from_seq"], gap["to_seq"] + 1))
                self.assertEqual(sorted(told), missing_seqs)
            if not os.path.exists(reject):
                return []
            with open(reject, encoding="utf-8") as f:
                return [json.loads(line) for line in f]

    def test_batches_too_large_for_it_are_set_aside_and_stop_nothing(self):
        """Over MQTT 3.1.1 mosquitto closes the link at them, and says nothing."""
        large = {seq: batch(seq)[:-1] + b',"x":"' + b"y" * 2000 + b'"}' for seq in (5, 100, 199)}
        given = [large.get(seq, batch(seq)) for seq in range(200)]
        found = self.check_arrives("max_packet_size 1000\n", b"".join(line + b"\n" for line in given),
                                   [line for line in given if line not in large.values()], [5, 100, 199])
        self.assertEqual({line["line"].encode() for line in found}, set(large.values()))
        self.assertIn("too large for it?", found[0]["reason"])

    def test_however_many_too_large_ones_are_at_the_head_the_others_arrive(self):
        large = [batch(seq)[:-1] + b',"x":"' + b"y" * 4000 + b'"}' for seq in range(9)]
        small = [batch(seq) for seq in range(9, 59)]
        found = self.check_arrives("max_packet_size 3000\n", b"".join(line + b"\n" for line in large + small), small, [*range(9)])
        self.assertEqual({line["line"].encode() for line in found}, set(large))

    def test_messages_of_several_that_are_too_large_for_it_are_made_smaller(self):
        given = [batch(seq) for seq in range(300)]
        found = self.check_arrives("max_packet_size 1000\n", b"".join(line + b"\n" for line in given), given, [], "--coalesce", "64")
        self.assertEqual(found, [])

    def test_a_broker_that_is_killed_at_any_moment_costs_no_batch(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        with self.subTest(seed=seed), contextlib.ExitStack() as stack:
            senders = [stack.enter_context(send(self.broker, "--mqtt-version", "3.1.1", "--policy", "block", *words))
                       for words in ([], ["--inflight", "1"], ["--coalesce", "8"], ["--inflight", "8"])]
            padded = [batch(seq)[:-1] + b',"x":"' + b"y" * 4000 + b'"}\n' for seq in range(900)]
            for round_ in range(9):
                before = [tool.err.count("connected to the broker") for tool in senders]
                for tool in senders:
                    tool.write(b"".join(padded[100 * round_:100 * round_ + 100]))
                if round_ > 0:
                    wait_until(lambda: any(tool.err.count("connected to the broker") > links for tool, links in zip(senders, before)),
                               "a new link")
                time.sleep(chance.uniform(0, 0.03))
                self.broker.kill()
                self.broker.start()
            for tool in senders:
                tool.close_stdin()
            for tool in senders:
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual(os.listdir(tool.cwd), [], tool.err)

    def test_batches_for_nobody_are_kept_until_somebody_is_subscribed(self):
        with send(self.broker, "--topic", "elsewhere") as tool:
            tool.write(lines(*range(20)))
            tool.close_stdin()
            tool.wait_err("does not take messages on elsewhere: nobody is subscribed; they are kept and tried again; start blesub")
            wait_until(lambda: self.broker.log_text().count("rc16") >= 3, "further attempts")
            self.assertEqual(tool.stats()["queued"], 20)
            with Tool("mosquitto_sub", "-p", self.broker.port, "-q", "1", "-t", "elsewhere") as late:
                self.assertEqual([json.loads(late.line())["seq"] for _ in range(20)], list(range(20)))
                self.assertEqual(tool.wait(), 0)
            self.assertEqual(tool.err.count("does not take"), 1)

    def test_with_3_1_1_it_says_what_that_cannot_tell(self):
        with send(self.broker, "--mqtt-version", "3.1.1", "--topic", "elsewhere") as tool:
            tool.wait_err("(MQTT 3.1.1): it cannot say when a batch is denied or nobody is subscribed")
            tool.write(lines(1))
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0)  # it is believed

    def test_online_while_connected_and_offline_otherwise(self):
        watch = ["mosquitto_sub", "-p", self.broker.port, "-q", "1", "-t", "pi/status", "-F", "%p"]
        for number in (signal.SIGTERM, signal.SIGKILL):
            with Tool(*watch) as status, send(self.broker, "--status-topic", "pi/status") as tool:
                lines_ = []

                def said(text):
                    lines_.append(status.line())
                    return lines_[-1] == text
                wait_until(lambda: said(b"online"), "online")
                tool.write(lines(1))
                tool.signal(number)
                wait_until(lambda: said(b"offline"), "offline")
        with Tool(*watch) as late:
            self.assertEqual(late.line(), b"offline")  # it is retained


if __name__ == "__main__":
    unittest.main()
