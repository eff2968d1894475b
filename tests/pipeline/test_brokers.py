"""Several brokers of which any may die: a cluster of three nats-servers, and two mosquittos that know nothing of each other.

The seed is printed; BLEPIPE_SEED repeats it.
"""
import contextlib
import os
import pathlib
import signal
import tempfile
import unittest

from harness import (Broker, Database, NatsCluster, Tool, end_pipeline, flatten, make_batches, pipeline, positions,
                     random_source, wait_until)

CHUNK = 300  # batches between two kills
RECEIVED = "Received PUBLISH from"  # in mosquitto's log; it is acknowledged at once


class Brokers(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-brokers-")))
        self.database = Database(self.folder / "ble.db")
        self.random = random_source()

    def start_sender(self, addresses):
        read_end, write_end = os.pipe()
        sender = self.stack.enter_context(Tool("blesend", "--broker", addresses, "--spool", self.folder / "spool", "--confirm", "stored",
                                               "--confirm-timeout", "3", stdin=read_end))
        os.close(read_end)
        return sender, self.stack.enter_context(open(write_end, "w", encoding="ascii"))

    def start_backend(self, addresses):
        pair = pipeline(self.stack, ["blesub", "--broker", addresses, "--client-id", "backend", "--confirm"],
                        ["bleingest", "--db", self.database.path], stdout=None, cwd=self.folder)
        pair[0].wait_err("subscribed")
        return pair

    def feed_through_kills(self, feed, lines, nodes, heal, hold=lambda node: None):
        """A chunk before each kill, which comes at a moment of chance, and one after it; heal(node) when both are stored. hold(node)
        stops that node's backend, before the second half of the first chunk, until the node is dead."""
        for n, node in enumerate(nodes):
            chunk = lines[2 * CHUNK * n:2 * CHUNK * (n + 1)]
            self.feed(feed, chunk[:CHUNK // 2])
            self.database.wait_count(2 * CHUNK * n + self.random.randrange(CHUNK // 2))
            wake, before = hold(node), node.log_text().count(RECEIVED)
            self.feed(feed, chunk[CHUNK // 2:CHUNK])
            if wake:
                wait_until(lambda node=node, before=before: node.log_text().count(RECEIVED) >= before + CHUNK // 2, "it to have them")
            node.kill()
            if wake:
                wake()
            self.feed(feed, chunk[CHUNK:])
            self.database.wait_count(2 * CHUNK * (n + 1))
            node.start()
            heal(node)

    @staticmethod
    def feed(pipe, lines):
        pipe.writelines(line + "\n" for line in lines)
        pipe.flush()

    def check_exactly_once(self, lines):
        self.assertEqual(self.database.batches(), positions(lines))
        self.assertEqual(self.database.detections(), flatten(lines))
        self.assertEqual(self.database.gaps(), [])

    def test_each_node_of_a_cluster_is_killed(self):
        cluster = self.stack.enter_context(NatsCluster())
        pair = self.start_backend(cluster.addresses)
        sender, feed = self.start_sender(cluster.addresses)
        nodes = self.random.sample(cluster.nodes, len(cluster.nodes))
        lines = make_batches(2 * CHUNK * len(nodes))
        self.feed_through_kills(feed, lines, nodes, lambda node: cluster.wait_complete())
        feed.close()
        self.assertEqual(sender.wait(), 0, sender.err)
        end_pipeline(pair)
        self.check_exactly_once(lines)
        for tool in (sender, pair[0]):  # each of them was on one of the nodes
            self.assertIn("is lost", tool.err)

    def test_one_of_two_brokers_dies_with_what_it_has(self):
        """A backend at each. The one that dies comes back without a memory, with batches that it had acknowledged and not handed on."""
        brokers = [self.stack.enter_context(Broker("persistence false\n")) for _ in range(2)]
        pairs = [self.start_backend(f"127.0.0.1:{broker.port}") for broker in brokers]
        sender, feed = self.start_sender(",".join(f"127.0.0.1:{broker.port}" for broker in brokers))
        lines = make_batches(2 * CHUNK * 2)

        def heal(broker):
            sub = pairs[brokers.index(broker)][0]
            wait_until(lambda: sub.err.count("subscribed to") == 2, "the backend to be back")

        def hold(broker):
            ingest = pairs[brokers.index(broker)][1]
            ingest.signal(signal.SIGSTOP)
            return lambda: ingest.signal(signal.SIGCONT)

        def serving():
            port = next(line for line in reversed(sender.err.splitlines()) if "connected to the broker" in line)
            return next(broker for broker in brokers if f"127.0.0.1:{broker.port}" in port)

        sender.wait_err("connected to the broker")
        first = serving()
        order = [first, next(broker for broker in brokers if broker is not first)]
        self.feed_through_kills(feed, lines, order, heal, hold)
        feed.close()
        self.assertEqual(sender.wait(), 0, sender.err)
        for pair in pairs:
            end_pipeline(pair)
        self.check_exactly_once(lines)
        for broker in brokers:
            self.assertIn(f"connected to the broker 127.0.0.1:{broker.port}", sender.err)


if __name__ == "__main__":
    unittest.main()
