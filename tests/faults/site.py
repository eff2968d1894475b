"""What a chain and a cluster have in common: processes that are started again, FIFOs that are held open, agents, and the order of the end."""
import contextlib
import os
import pathlib
import time

from harness import WrongClock, standing, wait_until

from .ends import ENDS
from .service import Service, Supervisor


class Site:
    """Everything of one round lives in `folder`; a context manager that leaves no process and no mount."""

    def __init__(self, folder, agents, end):
        self.folder = pathlib.Path(folder)
        self.begun = time.monotonic()
        self.history = []
        self.end = ENDS[end](self.folder)
        self.clocks = {name: WrongClock(self.folder / f"{name}.clock") for name in ("pi", "server")}
        self.agents = agents
        self.links, self.services = {}, {}
        self._held = {}
        self._stack = contextlib.ExitStack()

    def note(self, text):
        self.history.append((time.monotonic() - self.begun, text))

    def __enter__(self):
        with self._stack:
            self._build()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _make_fifos(self, names):
        self._stack.callback(self._let_go, self._held)
        for name in names:
            os.mkfifo(self.folder / name)
        self._hold(names)

    def _start(self, services):
        self.services = {service.name: service for service in services}
        self.supervisor = Supervisor(services)
        self._stack.callback(self.supervisor.end)
        self.supervisor.start()

    def _start_agents(self):
        self._stack.callback(self.end_agents)
        for agent in self.agents:
            agent.start(self.folder / agent.name)

    def _service(self, name, command, clock="server", **ends):
        return Service(name, command, self.folder, self.note, self.clocks[clock].env, **{k: self.folder / v for k, v in ends.items()})

    def agent(self, name):
        return next(agent for agent in self.agents if agent.name == name)

    def end_agents(self):
        for agent in self.agents:
            agent.end()

    def of_kind(self, *tools):
        """The services that are one of these tools."""
        return [service for service in self.services.values() if service.name.split("-")[0] in tools]

    def _hold(self, names):
        for name in names:
            self._held[name] = os.open(self.folder / name, os.O_RDWR)

    def _let_go(self, names):
        for name in names:
            os.close(self._held[name])

    def reboot(self, services, fifos):
        """These are killed, and what stood in the FIFOs is gone with those who held them."""
        with contextlib.ExitStack() as dead:
            for service in services:
                dead.enter_context(service.dead())
            self._let_go(fifos)
            self._hold(fifos)

    def pause(self, name):
        self.services[name].pause()

    def resume(self, name):
        self.services[name].resume()

    def settle(self):
        """All faults are lifted, all is accounted for: each part must run and be empty; ends them in order."""
        for service in self.of_kind("blesend"):
            wait_until(lambda service=service: service.tool.stats()["queued"] == 0, f"an empty spool of {service.name}")
        self.supervisor.retire()
        receivers = self.of_kind("blesub", "blerecv")
        for service in (*self.of_kind("blesend"), *receivers):
            service.stop()
        for fifo in {service.stdout.name for service in receivers}:
            wait_until(lambda fifo=fifo: standing(self._held[fifo]) == 0, f"bleingest to empty the FIFO {fifo}")
        self._settle_readers()
        for service in (*self.of_kind("bleingest"), *self.of_kind("blews")):
            service.stop()

    def _settle_readers(self):
        """While bleingest still runs."""
