"""What blesend does with a broker's answers that a real one gives only now and then."""
import json
import os
import signal
import socket
import unittest

from harness import Broker, MqttServer, Tool, wait_until

TOPIC = "tfg/detections/raw"


def batch(number):
    return json.dumps({"device_id": "pi-lab-1", "run_id": "9f2c41d07a6be813", "seq": number, "detections": []}).encode()


def lines(*numbers):
    return b"".join(batch(n) + b"\n" for n in numbers)


def send(server, *words, **options):
    return Tool("blesend", "--host", "127.0.0.1", "--port", server.port, *words, **options)


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
        left_as_it_is = {"ASAN_OPTIONS": "detect_leaks=0"}  # what libmosquitto held where it failed
        with MqttServer() as server, send(server, env=left_as_it_is) as tool:
            server.connack = lambda level: unknown_property
            tool.write(lines(1))
            wait_until(lambda: len(server.levels) >= 3, "further attempts")
            server.connack = lambda level: 0
            tool.close_stdin()
            self.assertEqual(tool.wait(), 0, tool.err)
            self.assertEqual(self.seqs(server), [1])

    def test_what_ends_two_links_alone_is_set_aside(self):
        """So do brokers that know no other answer to what is too large; an answer that is none for libmosquitto does, too."""
        for answer in (0x82, 0x95):
            with self.subTest(answer=answer), MqttServer() as server, send(server) as tool:
                server.disconnect_at = lambda payload, answer=answer: answer if b'"seq": 7' in payload else None
                tool.write(lines(*range(10)))
                tool.close_stdin()
                self.assertEqual(tool.wait(), 0, tool.err)
                self.assertEqual([batch(7).decode()], self.rejected(tool))
                self.assertEqual({*range(10), "gap"}, set(self.seqs(server)))

    def test_a_broker_that_hangs_up_is_tried_again(self):
        with MqttServer() as server, send(server) as tool:
            server.connack = lambda level: b""  # and the connection closed; the next one is let in
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
            self.assertIn("not authorised", tool.err)
            server.connack = lambda level: 0
            self.assertEqual(tool.wait(), 0)


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
