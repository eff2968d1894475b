"""blesend --mode http with several requests at a time, and with several servers."""
import json
import signal
import threading
import unittest

from harness import HttpServer, Tool, free_port, wait_until
from harness.process import run


def batch(seq):
    return json.dumps({"format": 1, "device_id": "pi-lab-1", "timestamp": "2026-11-22T06:30:10.000Z", "run_id": "9f2c41d07a6be813",
                       "seq": seq, "detections": []})


def lines(count):
    return "".join(batch(seq) + "\n" for seq in range(count))


def told(*servers):
    """What servers were sent: the seq of batches, "gap" for gap lines; health checks are None."""
    return [json.loads(request.body).get("seq", "gap") if request.method == "POST" else None
            for server in servers for request in server.requests]


class Case(unittest.TestCase):
    def blesend(self, *words, **options):
        tool = Tool("blesend", "--mode", "http", *words, **options)
        self.addCleanup(tool.__exit__)
        tool.wait_err("spool")  # from here on it takes signals
        return tool

    def server(self, *args, **options):
        server = HttpServer(*args, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def finish(self, tool, code=0):
        tool.close_stdin()
        self.assertEqual(tool.wait(), code, tool.err)


class Gathering:
    """Answers a POST when so many are there; the first `count` of them as `answer` says."""

    def __init__(self, count, answer):
        self.count, self.answer = count, answer
        self.seen, self.all, self.lock = 0, threading.Event(), threading.Lock()

    def __call__(self, request):
        if request.method == "GET":
            return 200, {}, b"{}"
        with self.lock:
            self.seen += 1
            number = self.seen
            if number == self.count:
                self.all.set()
        self.all.wait(20)
        return self.answer(request, number) if number <= self.count else (201, {}, b"{}")


class AtATime(Case):
    def test_one_by_default(self):
        server = self.server()
        tool = self.blesend("--url", server.url)
        tool.write(lines(50))
        self.finish(tool)
        self.assertEqual(told(server), [None, *range(50)])
        self.assertEqual(len({request.connection for request in server.requests}), 1)

    def test_several_and_one_try_contradict_each_other(self):
        for words, env, code in ((["--buffer", "0", "--inflight", "2"], {}, 64), (["--inflight", "2"], {"MQTT_BUFFER_SIZE": "0"}, 64),
                                 ([], {"MQTT_BUFFER_SIZE": "0", "BLEPIPE_INFLIGHT": "2"}, 78)):
            with self.subTest(words=words, env=env):
                found, _, err = run("blesend", "--mode", "http", *words, env=env)
                self.assertEqual(found, code, err)
                self.assertIn("contradicts --inflight", err)
        self.assertEqual(run("blesend", "--mode", "http", "--buffer", "0", "--inflight", "1", "--check")[0], 0)

    def test_one_failure_of_several_closes_the_window_once_and_all_is_sent_again_that_has_no_answer(self):
        for answer in ((503, {}, b""), (429, {"Retry-After": "1"}, b""), (401, {}, b""), None):
            with self.subTest(answer):
                server = self.server(Gathering(8, lambda _, number, answer=answer: (201, {}, b"{}") if number % 2 else answer))
                tool = self.blesend("--url", server.url, "--inflight", "8")
                tool.write(lines(20))
                self.finish(tool)
                found = told(server)
                self.assertIsNone(found[0])
                self.assertCountEqual(found[1:9], range(8))
                self.assertEqual(found.count(None), 2)  # four have failed: one back-off, one check
                self.assertEqual(tool.err.count("; kept, next try in "), 1, tool.err)
                counts = [found.count(seq) for seq in range(20)]
                self.assertEqual((sum(counts), max(counts[:8]), max(counts[8:])), (24, 2, 1), counts)
                again = found.index(None, 1)
                self.assertIn(again, range(9, 14))  # one that was taken makes room for another, until a failure is known

    def test_requests_that_hang_are_given_up_and_sent_again(self):
        hang = threading.Event()
        self.addCleanup(hang.set)

        def stall(*_):
            hang.wait(20)
        server = self.server(Gathering(4, stall))
        tool = self.blesend("--url", server.url, "--inflight", "4", "--timeout", "0.3")
        tool.write(lines(10))
        self.finish(tool)
        self.assertCountEqual(told(server), [None, None, *range(4), *range(10)])

    def test_each_that_a_page_refuses_is_sent_once_more_after_one_check(self):
        page = 400, {"Content-Type": "text/html"}, b"<h1>Bad Request</h1>"
        bad = {1, 2, 5}

        def answer(request, _=0):
            return page if json.loads(request.body).get("seq") in bad else (201, {}, b"{}")
        gathering = Gathering(8, answer)

        def serve(request):
            gathered = gathering(request)
            return gathered if request.method == "GET" or gathering.seen <= 8 else answer(request)
        server = self.server(serve)
        tool = self.blesend("--url", server.url, "--inflight", "8", "--reject", "r")
        tool.write(lines(12))
        self.finish(tool)
        found = told(server)
        self.assertEqual([found.count(seq) for seq in range(12)], [1, 2, 2, 1, 1, 2, *[1] * 6])
        self.assertIn(found.count("gap"), (2, 3))  # 1 and 2 may share one
        self.assertEqual(found.count(None), 2)
        with open(f"{tool.cwd}/r", encoding="utf-8") as rejected:
            self.assertCountEqual([json.loads(line)["line"] for line in rejected], [batch(seq) for seq in bad])

    def test_one_of_several_that_is_refused_by_the_backend_holds_up_no_other(self):
        server = self.server(lambda request: (422 if request.method == "POST" and json.loads(request.body).get("seq") == 3 else 201,
                                              {}, b'{"detail":"no"}'))
        tool = self.blesend("--url", server.url, "--inflight", "8")
        tool.write(lines(30))
        self.finish(tool)
        self.assertCountEqual(told(server), [None, *range(30), "gap"])

    def test_sigterm_lets_what_is_on_its_way_end(self):
        server = self.server(Gathering(8, lambda *_: (201, {}, b"{}")))
        tool = self.blesend("--url", server.url, "--inflight", "8")
        tool.write(lines(7))
        wait_until(lambda: len(server.posts) == 7, "seven requests")
        tool.write(batch(7) + "\n")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)
        self.assertCountEqual(told(server), [None, *range(8)])


class Servers(Case):
    def start(self, *servers, words=(), **options):
        """With a batch each second or so, so that it is seen which server each went to."""
        urls = [word for server in servers for word in ("--url", server if isinstance(server, str) else server.url)]
        return self.blesend(*urls, *words, **options)

    def test_any_that_is_there_takes_all_and_the_log_says_which(self):
        nobody, server = f"http://127.0.0.1:{free_port()}", self.server()
        for _ in range(4):  # whichever is asked first
            with self.subTest():
                del server.requests[:]
                tool = self.start(nobody, server, nobody)
                tool.write(lines(5))
                self.finish(tool)
                self.assertEqual(told(server), [None, *range(5)])
                self.assertIn(f"connected to {server.url}", tool.err)
                if nobody in tool.err:
                    self.assertIn("; kept, next try now, at ", tool.err)

    def test_both_names_may_stand_in_the_environment(self):
        nobody, server = f"http://127.0.0.1:{free_port()}", self.server()
        for separator in ",", ", ", " ":
            with self.subTest(separator):
                del server.requests[:]
                code, _, err = run("blesend", "--mode", "http", input=lines(3), env={"HTTP_BASE_URL": nobody + separator + server.url})
                self.assertEqual(code, 0, err)
                self.assertEqual(told(server), [None, *range(3)])

    def test_the_one_that_answers_is_kept_and_the_other_takes_its_place(self):
        servers = [self.server(), self.server()]
        tool = self.start(*servers)
        tool.write(lines(3))
        wait_until(lambda: len(told(*servers)) == 4, "three batches")
        used, other = servers if servers[0].requests else reversed(servers)
        self.assertEqual(told(used), [None, 0, 1, 2])
        self.assertEqual(told(other), [])
        used.stop()
        tool.write(batch(3) + "\n")
        wait_until(lambda: told(other) == [None, 3], "the other")
        used.start()
        tool.write(batch(4) + "\n")
        wait_until(lambda: told(other) == [None, 3, 4], "the other")
        self.assertEqual(len(told(used)), 4)
        self.assertIn(f"connected to {other.url}", tool.err)
        self.finish(tool)

    def test_one_that_fails_is_left_for_the_other_whatever_it_answers(self):
        for answer in (503, 429, 408, 401, 403, 404, 302, (200, {"Content-Type": "text/html"}, b"<html>"),
                       (429, {"Retry-After": "3600"}, b"{}"), (503, {"Retry-After": "3600"}, b"{}")):
            for asked in True, False:  # when it is asked whether it is well, or when it is given a batch
                with self.subTest(answer, asked=asked):
                    whole = (answer, {}, b"") if isinstance(answer, int) else answer
                    bad = self.server(lambda request, whole=whole, asked=asked:
                                      whole if request.method == "POST" or asked else (200, {}, b"{}"))
                    good = self.server()
                    tool = self.start(bad, good, words=("--drain-timeout", "20"))
                    tool.write(lines(4))
                    self.finish(tool)
                    self.assertEqual(told(good), [None, *range(4)])
                    self.assertLessEqual(len(bad.requests), 1 if asked else 2)

    def test_the_back_off_begins_when_all_have_failed(self):
        servers = [self.server(script=[503]), self.server(script=[503]), self.server(script=[503])]
        tool = self.start(*servers)
        tool.write(lines(1))
        self.finish(tool)
        self.assertEqual(sorted(map(told, servers), key=len), [[None, 0], [None, 0], [None, 0, None, 0]])
        self.assertEqual(tool.err.count("next try now, at "), 2, tool.err)
        self.assertEqual(tool.err.count("next try in "), 1, tool.err)
        self.assertEqual(tool.err.count("takes batches again"), 1, tool.err)

    def test_several_on_their_way_to_one_that_dies_go_to_the_other(self):
        gathering = Gathering(8, lambda _, number: (201, {}, b"{}") if number % 2 else None)
        servers = [self.server(gathering), self.server(gathering)]
        tool = self.start(*servers, words=("--inflight", "8"))
        tool.write(lines(8))
        wait_until(lambda: len(told(*servers)) >= 9, "eight requests")
        other, used = sorted(servers, key=lambda server: len(server.posts))
        wait_until(lambda: tool.stats()["out"] == 8, "all to be delivered")
        tool.write("".join(batch(seq) + "\n" for seq in range(8, 12)))
        self.finish(tool)
        first, *given = told(other)
        self.assertIsNone(first)
        self.assertEqual(len(told(used)) + len(given), 1 + 8 + 4 + 4)
        self.assertIn(len(told(used)), (9, 10))  # what is cut off on a connection that was used before, libcurl sends again by itself
        self.assertLessEqual(set(given[:-4]), set(range(8)))
        self.assertCountEqual(given[-4:], range(8, 12))

    def test_without_a_spool_each_is_asked_once_whether_it_is_well(self):
        ill, well, nobody = self.server(), self.server(), f"http://127.0.0.1:{free_port()}"
        ill.health = 503
        tool = self.start(ill, well, nobody, words=("--buffer", "0"))
        for seq in range(6):
            tool.write(batch(seq) + "\n")
            wait_until(lambda seq=seq: told(well).count(seq) == 1, f"batch {seq}")
        self.assertEqual(ill.posts, [])
        well.health = 503
        tool.write(batch(6) + "\n")
        tool.wait_err("dropped after one try (1 so far)")
        self.finish(tool)


if __name__ == "__main__":
    unittest.main()
