"""Real brokers, each on a free loopback port with a folder of its own, which survives stop(), kill() and start()."""
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import urllib.request

from .process import DEADLINE_S, free_port, port_answers, wait_until


class _Server:
    """What all of them are: one program with one configuration file. The port answers when start() returns."""

    def __init__(self, argv, config, host="127.0.0.1", port=None):
        self.folder = tempfile.TemporaryDirectory(prefix="blepipe-broker-")
        self.host, self.port = host, port or free_port()
        self.path = os.path.join(self.folder.name, "config")
        self._argv = [*argv, self.path]
        with open(self.path, "w", encoding="ascii") as f:
            f.write(config.replace("@PORT@", str(self.port)).replace("@DIR@", self.folder.name))
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()

    def start(self):
        self.log = open(os.path.join(self.folder.name, "log"), "ab")
        self.process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(self._answers, f"port {self.port}")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self._argv[0]} ended with {self.process.returncode}: {self.log_text()[-2000:]}")
        return port_answers(self.port, self.host)

    def keep(self, topic="#", qos=1):
        """From now on somebody is subscribed, who is away: a session "keeper". With QoS 0 the broker keeps nothing for it."""
        subprocess.run(["mosquitto_sub", "-p", str(self.port), "-i", "keeper", "-c", "-q", str(qos), "-t", topic, "-E"],
                       check=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        return self

    def _end(self, number):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        self.process.wait(DEADLINE_S)
        self.process = None
        self.log.close()

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def log_text(self):
        with open(os.path.join(self.folder.name, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()


class Broker(_Server):
    """mosquitto. `config`: further lines, in which @PORT@ and @DIR@ stand for the port and the folder; with `whole`, all lines.
    `host`: the address that it listens on, and that is asked whether it does.

    Persistence as the configuration says.
    """

    def __init__(self, config="", whole=False, host="127.0.0.1", port=None):
        lines = ["user root"]  # else it gives up the right to its own folder when root starts it
        if not whole:
            # A limit that is never reached: with 0, none, mosquitto 2.0.11 cuts the link of whom it denies a publish.
            lines += ["per_listener_settings false", "max_queued_messages 2000000000", "persistence_location @DIR@/",
                      f"listener @PORT@ {host}"]
            if "allow_anonymous" not in config:
                lines += ["allow_anonymous true"]
        super().__init__(["/usr/sbin/mosquitto", "-v", "-c"], "\n".join([*lines, config]) + "\n", host, port)


class NatsBroker(_Server):
    """nats-server: MQTT 3.1.1 only, every queue in files (JetStream).

    It sends what a killed subscriber has not acknowledged again when two seconds have passed (by default 30), not at once on
    reconnection. `config`: further lines; with `whole`, all lines.
    """

    def __init__(self, config="", whole=False):
        super().__init__(["/usr/sbin/nats-server", "-c"], config if whole else f"""
            server_name: blepipe
            host: 127.0.0.1
            port: -1  # of its own protocol: any
            jetstream {{ store_dir: "@DIR@/store" }}
            mqtt {{ host: 127.0.0.1, port: @PORT@, ack_wait: "2s" }}
            {config}
            """)


class NatsCluster:
    """Three nats-servers that keep each queue three times: whichever one is killed, the others have it all and go on."""

    NODES = 3

    def __init__(self):
        routes = [free_port() for _ in range(self.NODES)]
        everyone = ", ".join(f"nats-route://127.0.0.1:{port}" for port in routes)
        self._monitors = [free_port() for _ in routes]
        self.nodes = [NatsBroker(f"""
            server_name: node-{n}
            host: 127.0.0.1
            port: -1
            http: "127.0.0.1:{self._monitors[n]}"
            jetstream {{ store_dir: "@DIR@/store" }}
            cluster {{ name: blepipe, listen: "127.0.0.1:{port}", routes: [{everyone}] }}
            mqtt {{ host: 127.0.0.1, port: @PORT@, ack_wait: "2s", stream_replicas: {self.NODES} }}
            """, whole=True) for n, port in enumerate(routes)]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.__exit__)
                node.start()
            self.wait_complete()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def addresses(self):
        """As --broker has them."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def wait_complete(self):
        """Each stream has as many copies as there are nodes. (/healthz is of no use: an idle follower is "not current" to 2.9.)"""
        wait_until(lambda: all(self._is_complete(n) for n in range(self.NODES)), "the copies of all streams to be complete")

    def _is_complete(self, n):
        """As node n sees it, of the streams that it leads: others do not know."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._monitors[n]}/jsz?accounts=true&streams=true", timeout=5) as answer:
                accounts = json.load(answer).get("account_details", [])
        except OSError:
            return False
        streams = [stream["cluster"] for account in accounts for stream in account.get("stream_detail", [])]
        return all(stream.get("leader") and
                   (stream["leader"] != f"node-{n}" or all(copy["current"] for copy in stream.get("replicas", [])))
                   for stream in streams)
