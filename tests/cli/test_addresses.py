"""Names with several addresses, some of which swallow every connection: on a network of the test's own, with its own hosts file."""
import contextlib
import pathlib
import signal
import socket
import tempfile
import unittest

from harness import DEADLINE_S, Broker, TlsBrokers, Tool, free_port, make_batches, tool_path, wait_until
from harness.mounts import with_hosts
from harness.network import ANSWERING, SWALLOWING, private_network

DEAD_4, DEAD_4_TOO, DEAD_6 = SWALLOWING
ALIVE_4, ALIVE_4_TOO, ALIVE_6 = ANSWERING
# The addresses of a name, and what is said of them.
NAMES = {
    "no-ipv6.test": (DEAD_6, ALIVE_4), "no-ipv4.test": (DEAD_4, ALIVE_6), "one-of-two.test": (DEAD_4, ALIVE_4),
    "one-of-four.test": (DEAD_6, DEAD_4, DEAD_4_TOO, ALIVE_4),
}


def setUpModule():
    private_network()


class OnNetwork(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-names-")))
        self.hosts = self.folder / "hosts"
        self.know(NAMES)

    def know(self, names):
        self.hosts.write_text("".join(f"{a} {name}\n" for name, addresses in names.items() for a in addresses), encoding="ascii")

    def tool(self, name, *words, **options):
        return self.stack.enter_context(Tool(*with_hosts(self.hosts, tool_path(name), *map(str, words)), **options))

    def everywhere(self):
        """A broker on all addresses of this machine."""
        return self.stack.enter_context(Broker("listener @PORT@\nallow_anonymous true\n", whole=True))

    def end(self, *tools):
        for tool in tools:
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)


class EveryAddress(OnNetwork):
    def test_the_network_is_what_the_tests_need(self):
        broker = self.everywhere()
        for address in {address for addresses in NAMES.values() for address in addresses}:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as s:
                s.settimeout(1 if address in SWALLOWING else DEADLINE_S)
                if address in SWALLOWING:
                    self.assertRaises(TimeoutError, s.connect, (address, broker.port))
                else:
                    s.connect((address, broker.port))

    def test_publisher_and_subscriber_find_the_one_that_answers(self):
        broker = self.everywhere()
        for name in NAMES:
            with self.subTest(name=name):
                where = ("--host", name, "--port", broker.port)
                subscriber = self.tool("blesub", *where)
                subscriber.wait_err("subscribed to")
                sender = self.tool("blesend", *where)
                line = make_batches(1)[0]
                sender.write(line + "\n")
                self.assertEqual(subscriber.line(), line.encode())
                self.end(sender, subscriber)
                for tool in (sender, subscriber):
                    self.assertNotIn("unable to connect", tool.err)

    def test_a_subscriber_by_websocket_finds_it(self):
        port = free_port()
        self.stack.enter_context(Broker(f"listener @PORT@\nallow_anonymous true\nlistener {port}\nprotocol websockets\n", whole=True))
        for name in NAMES:
            with self.subTest(name=name):
                subscriber = self.tool("blesub", "--url", f"ws://{name}:{port}")
                subscriber.wait_err("subscribed to")
                self.end(subscriber)
                self.assertNotIn("unable to connect", subscriber.err)

    def test_confirmations_find_it_at_both_ends(self):
        where = ("--host", "one-of-four.test", "--port", self.everywhere().port)
        subscriber = self.tool("blesub", *where, "--client-id", "backend", "--confirm", stdout=None)
        subscriber.wait_err("subscribed to")
        sender = self.tool("blesend", *where, "--confirm", "stored")
        sender.write("".join(line + "\n" for line in make_batches(3)))
        sender.close_stdin()
        self.assertEqual(sender.wait(), 0, sender.err)
        self.end(subscriber)

    def test_posts_find_it(self):
        port = free_port()
        self.stack.enter_context(Tool("blerecv", "--bind", "0.0.0.0", "--port", port, "--insecure", stdout=None)).wait_err("listening")
        self.stack.enter_context(Tool("blerecv", "--bind", ALIVE_6, "--port", port, "--insecure", stdout=None)).wait_err("listening")
        for name in NAMES:
            with self.subTest(name=name):
                sender = self.tool("blesend", "--url", f"http://{name}:{port}")
                sender.write(make_batches(1)[0] + "\n")
                sender.close_stdin()
                self.assertEqual(sender.wait(), 0, sender.err)
                self.assertNotIn("next try", sender.err)

    def test_when_none_answers_each_is_named(self):
        self.know({"none.test": (DEAD_6, DEAD_4, ALIVE_4)})
        for name in ("blesend", "blesub"):
            tool = self.tool(name, "--host", "none.test", "--port", free_port())
            tool.wait_err("unable to connect")
            for said in (f"{DEAD_6}: no answer", f"{DEAD_4}: no answer", f"{ALIVE_4}: Connection refused"):
                self.assertIn(said, tool.err)
            self.end(tool)

    def both(self, name, port):
        tools = [self.tool(tool, "--host", name, "--port", port) for tool in ("blesend", "blesub")]
        self.wait_linked(tools, 1)
        return tools

    def wait_linked(self, tools, times):
        for tool, said in zip(tools, ("connected to", "subscribed to")):
            wait_until(lambda tool=tool, said=said: tool.err.count(said) == times, lambda tool=tool: tool.err)

    def test_a_name_is_asked_again_at_each_attempt(self):
        self.know({"moves.test": (DEAD_6, ALIVE_4)})
        with Broker(host=ALIVE_4) as old:
            tools = self.both("moves.test", old.port)
            self.know({"moves.test": (DEAD_4, ALIVE_4_TOO)})
            old.stop()
            with Broker(host=ALIVE_4_TOO, port=old.port):
                self.wait_linked(tools, 2)
                self.end(*tools)

    def test_the_one_that_worked_goes_first_until_it_takes_connections_and_says_nothing(self):
        self.know({"two.test": (ALIVE_4, ALIVE_4_TOO)})
        with Broker(host=ALIVE_4) as first:
            tools = self.both("two.test", first.port)
            first.kill()
            with socket.create_server((ALIVE_4, first.port)) as silent, Broker(host=ALIVE_4_TOO, port=first.port):
                self.wait_linked(tools, 2)
                silent.settimeout(1)
                silent.accept()[0].close()  # it was asked
                self.end(*tools)


class Certificates(TlsBrokers, OnNetwork):
    def test_the_name_is_verified_and_not_the_address(self):
        self.know({"localhost": (DEAD_6, "127.0.0.1"), "broker.test": (DEAD_6, "127.0.0.1")})
        broker = self.broker()
        for tool, said in (("blesend", "connected to"), ("blesub", "subscribed to")):
            words = ("--port", broker.port, "--cafile", self.path("ca.pem"))
            good = self.tool(tool, "--host", "localhost", *words)
            good.wait_err(said)
            bad = self.tool(tool, "--host", "broker.test", *words)
            bad.wait_err("unable to connect")
            self.end(good, bad)
            self.assertNotIn(said, bad.err)


if __name__ == "__main__":
    unittest.main()
