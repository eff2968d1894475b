"""One client id used by two clients: each throws the other off for as long as both run. That is said once, and what to do."""
import socket
import unittest

from harness import Broker, MqttServer, Tool, wait_until


class Twins(unittest.TestCase):
    def twins(self, name, *words):
        """Two of them, until both have said that they are two, and the broker has seen many connections."""
        with Broker() as broker:
            argv = (name, "--host", "127.0.0.1", "--port", broker.port, "--client-id", "twin", *words)
            with Tool(*argv) as one, Tool(*argv) as other:
                for tool in (one, other):
                    tool.wait_err("our client id twin")
                seen = broker.log_text().count("New client connected")
                wait_until(lambda: broker.log_text().count("New client connected") >= seen + 4, "further connections")
                return [(tool.pid, tool.err) for tool in (one, other)]

    def check(self, name, *words):
        for pid, err in self.twins(name, *words):
            self.assertEqual(err.count("our client id twin at the broker 127.0.0.1:"), 1, err)
            self.assertIn(f"a --client-id of its own (this is process {pid} on {socket.gethostname()})", err)
            self.assertLessEqual(err.count("is lost"), 1, err)
            self.assertLessEqual(err.count("connected to") + err.count("subscribed to"), 3, err)

    def test_two_publishers(self):
        for version in ("5", "3.1.1"):
            self.check("blesend", "--mqtt-version", version)

    def test_two_subscribers(self):
        for version in ("5", "3.1.1"):
            self.check("blesub", "--mqtt-version", version)

    def test_a_broker_that_says_so_is_believed_at_once(self):
        """By MQTT 5. mosquitto 2.0.11 hangs up without a word all the same."""
        for name, said in (("blesend", "connected to"), ("blesub", "subscribed to")):
            with MqttServer() as server, Tool(name, "--host", "127.0.0.1", "--port", server.port, "--client-id", "twin") as tool:
                tool.wait_err(said)
                for links in range(1, 4):
                    wait_until(lambda links=links: len(server.levels) == links, "the next link")
                    server.send_raw(b"\xe0\x02\x8e\x00")
                wait_until(lambda: len(server.levels) == 4, "the next link")
                self.assertEqual(tool.err.count("another client uses our client id twin"), 1, tool.err)
                self.assertNotIn("is lost", tool.err)
                self.assertEqual(tool.err.count(said), 1, tool.err)


if __name__ == "__main__":
    unittest.main()
