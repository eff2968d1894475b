"""A cluster: agents with a blesend each, by three brokers that know each other or by two servers, into five backends and one PostgreSQL."""
import contextlib
import os
import threading

from harness import NatsCluster, Proxy, free_port, tool_path, wait_until
from harness.mounts import small_disk

from .agents import Agent
from .site import Site

SHARDS, SERVERS = ("1", "2", "3"), ("4", "5")  # a backend each, by MQTT and by HTTP
NODES = ("node-1", "node-2", "node-3")
BY_MQTT, BY_HTTP = tuple(f"mqtt-{n}" for n in range(1, 7)), ("http-1", "http-2", "http-3")
SENDERS = tuple(f"blesend-{name}" for name in BY_MQTT + BY_HTTP)
BACKENDS = tuple(zip((*(f"blesub-{n}" for n in SHARDS), *(f"blerecv-{n}" for n in SERVERS)),
                     (f"bleingest-{n}" for n in SHARDS + SERVERS), (f"backend-{n}" for n in SHARDS + SERVERS)))  # and its FIFO
SERVER_LINKS = tuple(f"server-{n}" for n in SERVERS)
_DISK = 24 << 20


class Cluster(Site):
    """MQTT 3.1.1 has no shared subscription: the topic of a Pi has a shard in it, and each backend has one shard."""

    def __init__(self, folder, seed, pace, end="PostgreSQL"):
        agents = [Agent(name, f"{seed:08x}{i:08x}", seed + i, detections=(3, 1, 5)[i % 3], pace=pace / 2,
                        spool_max=40 if name == "mqtt-3" else None) for i, name in enumerate(BY_MQTT + BY_HTTP)]
        super().__init__(folder, agents, end)
        self._nodes_lock = threading.Lock()

    def _build(self):
        enter = self._stack.enter_context
        enter(small_disk(self.folder / "pi", _DISK))
        self.database = enter(self.end)
        self.brokers = enter(NatsCluster())
        self.http_ports = [free_port() for _ in SERVERS]
        self.links = {name: enter(Proxy(node.port)) for name, node in zip(NODES, self.brokers.nodes)}
        self.links.update((name, enter(Proxy(port))) for name, port in zip(SERVER_LINKS, self.http_ports))
        self.links.update(self.end.links)
        self._make_fifos([fifo for _, _, fifo in BACKENDS] + list(BY_MQTT + BY_HTTP))
        (self.folder / "confirm_key").touch(0o600)
        (self.folder / "confirm_key").write_text("a key that all ends share", encoding="ascii")
        self._start([*self._receivers(), *self._ingesters(), *(self._sender(agent) for agent in self.agents)])
        for service in self.of_kind("blesub"):  # a broker forgets what nobody has subscribed to
            wait_until(lambda service=service: "subscribed" in service.tool.err, f"the subscription of {service.name}")
        self.brokers.wait_complete()
        self._start_agents()

    def _addresses(self):
        return ",".join(f"127.0.0.1:{self.links[name].port}" for name in NODES)

    def _receivers(self):
        for shard in SHARDS:
            command = ["blesub", "--broker", self._addresses(), "--keepalive", "5", "--topic", f"tfg/detections/raw/{shard}/+",
                       "--confirm", "--confirm-key", self.folder / "confirm_key",
                       "--reject", self.folder / f"blesub-{shard}.rejected.ndjson"]
            yield self._tool(f"blesub-{shard}", command, stdout=f"backend-{shard}")
        for server, port in zip(SERVERS, self.http_ports):
            yield self._tool(f"blerecv-{server}", ["blerecv", "--port", port, "--max-rate", "0"], stdout=f"backend-{server}")

    def _ingesters(self):
        for _, name, fifo in BACKENDS:
            yield self._tool(name, ["bleingest", "--db", self.database.path, "--hold", self.folder / fifo, "--stats", "0.2",
                                    "--retain", "30", "--reject", self.folder / f"{name}.rejected.ndjson"], stdout=os.devnull)

    def _sender(self, agent):
        command = ["blesend", "--spool", self.folder / "pi" / f"{agent.name}.spool", "--reject", self.folder / f"{agent.name}.rejected.ndjson"]
        if agent.name in BY_HTTP:
            command += ["--timeout", "3"]
            for name in SERVER_LINKS:
                command += ["--url", f"http://127.0.0.1:{self.links[name].port}"]
        else:
            shard = SHARDS[BY_MQTT.index(agent.name) % len(SHARDS)]
            command += ["--broker", self._addresses(), "--keepalive", "5", "--confirm", "stored", "--confirm-timeout", "3",
                        "--confirm-key", self.folder / "confirm_key", "--topic", f"tfg/detections/raw/{shard}/{{device_id}}"]
        if agent.spool_max:
            command += ["--spool-max", agent.spool_max, "--drop-after", "1"]
        return self._tool(f"blesend-{agent.name}", command, "pi", stdin=agent.name)

    def reboot_backend(self, receiver):
        """It and its bleingest are killed, and what stood between them is gone."""
        names = next(backend for backend in BACKENDS if receiver in backend)
        self.reboot([self.services[name] for name in names[:2]], names[2:])

    def _tool(self, name, command, clock="server", **ends):
        return self._service(name, [tool_path(command[0]), *command[1:]], clock, **ends)

    def broker_folders(self):
        return [(node.folder.name, name) for name, node in zip(NODES, self.brokers.nodes)]

    @contextlib.contextmanager
    def _one_node(self, name):
        """Of three, two go on: so one at a time, and the next when it has all copies again."""
        with self._nodes_lock:
            yield self.brokers.nodes[NODES.index(name)]
            self.brokers.wait_complete()

    def restart_node(self, name, how):
        """How: "stop" or "kill"."""
        with self._one_node(name) as node:
            getattr(node, how)()
            node.start()

    @contextlib.contextmanager
    def stopped_node(self, name):
        with self._one_node(name) as node:
            node.pause()
            try:
                yield
            finally:
                node.resume()
