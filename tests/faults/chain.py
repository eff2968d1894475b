"""The chain: agents with a blesend each, by a broker or by HTTP, into one bleingest and one blews, on held FIFOs."""
import contextlib
import hashlib
import os
import subprocess
import threading

from harness import Broker, Proxy, free_port, http, source_path, tool_path, wait_port, wait_until
from harness.dead_address import DEAD
from harness.mounts import small_disk, with_hosts

from .agents import Agent
from .site import Site
from .thief import DEVICE as THIEF, Thief

BY_MQTT, BY_HTTP = ("mqtt-1", "mqtt-2", "mqtt-3"), ("http-1", "http-2")
COALESCING, SEVERAL, OLD = ("mqtt-2", "http-2"), ("http-1",), ("mqtt-1",)
SENDERS = tuple(f"blesend-{name}" for name in BY_MQTT + BY_HTTP)
BACKEND = ("blesub", "blerecv", "bleingest", "blews")
_OF_BACKEND = ("mqtt", "http", "events")  # its FIFOs
_DISK = 24 << 20
_PACKET = 65536  # the broker takes no more bytes in one
_HOSTS = f"""127.0.0.1 localhost
{DEAD} backend.test
127.0.0.1 backend.test
"""  # each link's first address is one where mostly nobody listens


def _password(account):
    return f"secret of {account}"


def _broker_settings(passwords):
    """What examples/mosquitto.conf says about keeping messages, and who may do what, without TLS."""
    of_place = ("listener", "cafile", "certfile", "keyfile", "password_file", "acl_file", "persistence_location")
    with open(source_path("examples", "mosquitto.conf"), encoding="ascii") as f:
        kept = "".join(line for line in f if line.split() and line[0] != "#" and line.split()[0] not in of_place)
    return (f"{kept}max_packet_size {_PACKET}\npassword_file {passwords}\n"
            f"acl_file {source_path('examples', 'mosquitto.acl')}\n")


class Chain(Site):
    def __init__(self, folder, seed, pace, end="SQLite"):
        agents = [Agent(name, f"{seed:08x}{i:08x}", seed + i, detections=(3, 1, 5, 12, 2)[i], pace=pace,
                        spool_max=40 if name == "mqtt-3" else None)
                  for i, name in enumerate(BY_MQTT + BY_HTTP)]
        super().__init__(folder, agents, end)
        self.hosts = self.folder / "hosts"
        self.hosts.write_text(_HOSTS, encoding="ascii")
        self._broker_lock = threading.Lock()

    def _build(self):
        enter = self._stack.enter_context
        enter(small_disk(self.folder / "pi", _DISK))
        self.database = enter(self.end)
        self._make_secrets()
        self.broker = enter(Broker(_broker_settings(self.folder / "passwords")))
        self.http_port, self.web_port = free_port(), free_port()
        self.links = {name: enter(Proxy(self.broker.port)) for name in (*BY_MQTT, "blesub")}
        self.links.update((name, enter(Proxy(self.http_port))) for name in BY_HTTP)
        self.links.update(self.end.links)
        self.dead_addresses = {name: threading.Lock() for name in self.links}  # one at a time
        self.liars = {name: threading.Lock() for name in BY_MQTT}
        self.thief = Thief(self.broker.port, f"http://127.0.0.1:{self.http_port}", _password(THIEF), self._key_of(THIEF))
        self._make_fifos((*_OF_BACKEND, *BY_MQTT, *BY_HTTP))
        self._start([*self._backend(), *(self._sender(agent) for agent in self.agents)])
        # A broker forgets what nobody has subscribed to, and a session that it has not yet written to its disk.
        wait_until(lambda: "SUBACK to backend" in self.broker.log_text(), "the subscription")
        wait_until(lambda: os.path.exists(os.path.join(self.broker.folder.name, "mosquitto.db")), "the broker's file")
        self._start_agents()

    def _make_secrets(self):
        """An account of the broker for the backend and for each Pi, a key of the server for each that sends by HTTP."""
        passwords, keys = self.folder / "passwords", self.folder / "keys"
        passwords.touch(0o600)
        for account in ("backend", THIEF, *(f"pi-{name}" for name in BY_MQTT)):
            subprocess.run(["mosquitto_passwd", "-b", passwords, account, _password(account)], check=True, capture_output=True)
            self._secret(f"{account}.password", _password(account))
        self._secret("confirm_key", "a key that both ends share")
        lines = []
        for device in (THIEF, *(f"pi-{name}" for name in BY_HTTP)):
            key = f"key of {device}, which is long enough"
            lines.append(f"{device}:{hashlib.sha256(key.encode()).hexdigest()}\n")
            self._secret(f"{device}.key", key)
        self._secret(keys.name, "".join(lines))

    def _secret(self, name, text):
        (self.folder / name).touch(0o600)
        (self.folder / name).write_text(text, encoding="ascii")

    def _key_of(self, device):
        return (self.folder / f"{device}.key").read_text(encoding="ascii")

    def _backend(self):
        subscriber = ["blesub", "--host", "backend.test", "--port", self.links["blesub"].port, "--client-id", "backend",
                      "--keepalive", "5", "--confirm", "--confirm-key", self.folder / "confirm_key", "--topic-device",
                      "--username", "backend", "--password-file", self.folder / "backend.password"]
        ingest = ["bleingest", "--db", self.database.path, "--hold", self.folder / "mqtt", self.folder / "http",
                  "--event-timeout", "0.2", "--stats", "0.2", "--retain", "30"]
        yield self._service("blesub", subscriber, stdout="mqtt")
        yield self._service("blerecv", ["blerecv", "--port", self.http_port, "--api-keys-file", self.folder / "keys"], stdout="http")
        yield self._service("bleingest", ingest, stdout="events")
        yield self._service("blews", ["blews", "--port", self.web_port, "--stay"], stdin="events")

    def _sender(self, agent):
        port = self.links[agent.name].port
        command = ["blesend", "--spool", self.folder / "pi" / f"{agent.name}.spool",
                   "--reject", self.folder / f"{agent.name}.rejected.ndjson"]
        if agent.name in BY_HTTP:
            command += ["--mode", "http", "--url", f"http://backend.test:{port}", "--timeout", "3",
                        "--api-key-file", self.folder / f"pi-{agent.name}.key"]
        else:
            command += ["--host", "backend.test", "--port", port, "--keepalive", "5", "--confirm", "stored",
                        "--confirm-timeout", "3", "--confirm-key", self.folder / "confirm_key",
                        "--topic", "tfg/detections/raw/{device_id}", "--username", f"pi-{agent.name}",
                        "--password-file", self.folder / f"pi-{agent.name}.password"]
        if agent.spool_max:
            command += ["--spool-max", agent.spool_max, "--drop-after", "1"]
        if agent.name in OLD:
            command += ["--mqtt-version", "3.1.1"]
        if agent.name in COALESCING:
            command += ["--coalesce", "8"]
        if agent.name in SEVERAL:
            command += ["--inflight", "16"]
        return self._service(f"blesend-{agent.name}", command, "pi", stdin=agent.name)

    def _service(self, name, command, clock="server", **ends):
        return super()._service(name, with_hosts(self.hosts, tool_path(command[0]), *command[1:]), clock, **ends)

    def broker_folders(self):
        return [(self.broker.folder.name, "broker")]

    def restart_broker(self, how):
        """How: "politely" (SIGTERM), "killed", or "wiped": killed, and its file is gone as well."""
        with self._broker_lock:
            (self.broker.stop if how == "politely" else self.broker.kill)()
            if how == "wiped":
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(self.broker.folder.name, "mosquitto.db"))
            self.broker.start()

    def reboot_backend(self):
        """All its tools are killed, and what stood in its FIFOs is gone with those who held them."""
        self.reboot([self.services[name] for name in BACKEND], _OF_BACKEND)

    def pause(self, name):
        if name == "broker":
            with self._broker_lock:
                self.broker.pause()
        else:
            super().pause(name)

    def resume(self, name):
        if name == "broker":
            with self._broker_lock:
                self.broker.resume()
        else:
            super().resume(name)

    def _settle_readers(self):
        wait_port(self.web_port)
        status, _, _ = http(self.web_port, path="/health")
        if status != 200:
            self.services["blews"].problems.append(f"blews answers {status}")
