"""The table of faults: what each does, to whom, for how long."""
import contextlib
import os
import random
import sqlite3
import time
from collections import namedtuple

from harness.dead_address import DeadAddress
from harness.mounts import fill

from . import postgres_faults as postgres
from .chain import BACKEND, SENDERS, BY_HTTP, BY_MQTT
from .ends import ENDS, PostgresEnd
from .liar import Liar

# effect(chain, target, random): a context manager; what it did is undone at its end, `seconds` later at most. `end`: only of rounds that
# end there.
Fault = namedtuple("Fault", "name effect targets seconds end", defaults=(None,))
# What a plan is made of: at_s seconds after the start fault `name` is done to `target`, for for_s seconds.
Step = namedtuple("Step", "at_s name target for_s")

_SALVOES = ((0,), (0,), (0, 0.15, 0.3), (0, 0.4, 0.2, 0.7, 0.1))  # the pauses before each blow


@contextlib.contextmanager
def kill(chain, target, rng):
    """Once, or several times in short succession."""
    for pause_s in rng.choice(_SALVOES):
        time.sleep(pause_s)
        chain.services[target].kill()
    yield


@contextlib.contextmanager
def stop(chain, target, _random):
    chain.pause(target)
    try:
        yield
    finally:
        chain.resume(target)


@contextlib.contextmanager
def _messages_gather(chain, rng):
    """Most of the time blesub stands still for a moment before and during this, so that the broker has something to lose."""
    moment_s = rng.choice((0, 0.3, 1.0))
    if moment_s:
        chain.pause("blesub")
        time.sleep(moment_s)
    try:
        yield
    finally:
        chain.resume("blesub")


@contextlib.contextmanager
def _restart_broker(chain, _target, rng):
    with _messages_gather(chain, rng):
        chain.restart_broker("politely")
    yield


@contextlib.contextmanager
def _kill_broker(chain, _target, rng):
    with _messages_gather(chain, rng):
        chain.restart_broker("killed")
    yield


@contextlib.contextmanager
def _wipe_broker(chain, _target, rng):
    with _messages_gather(chain, rng):
        chain.restart_broker("wiped")
    yield


@contextlib.contextmanager
def kill_tools(chain, _target, _random):
    for service in chain.services.values():
        service.kill()
    yield


@contextlib.contextmanager
def _reboot_backend(chain, _target, _random):
    chain.reboot_backend()
    yield


@contextlib.contextmanager
def _kill_all(chain, _target, _random):
    for service in chain.services.values():
        service.kill()
    chain.restart_broker("killed")
    yield


@contextlib.contextmanager
def cut(chain, target, rng):
    for pause_s in rng.choice(_SALVOES):
        time.sleep(pause_s)
        chain.links[target].cut()
    yield


@contextlib.contextmanager
def half_open(chain, target, _random):
    chain.links[target].forget()
    yield


@contextlib.contextmanager
def down(chain, target, _random):
    chain.links[target].down()
    try:
        yield
    finally:
        chain.links[target].up()


@contextlib.contextmanager
def silent(chain, target, _random):
    chain.links[target].silence()
    try:
        yield
    finally:
        chain.links[target].up()


@contextlib.contextmanager
def slow(chain, target, rng):
    chain.links[target].slow(rng.choice((2_000, 10_000, 40_000)))
    try:
        yield
    finally:
        chain.links[target].slow(None)


@contextlib.contextmanager
def full_disk(chain, target, rng):
    """All but a few kilobytes, so that it is now this write that fails and now that one."""
    path = os.path.join(chain.folder, target, "filling")
    fill(path, rng.choice((0, 0, 4096, 20_000, 100_000)))
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def _locked(chain, _target, _random):
    other = sqlite3.connect(chain.database.path, isolation_level=None, timeout=30)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@contextlib.contextmanager
def wrong_clock(chain, target, rng):
    day = 86400
    chain.clocks[target].step(rng.choice((90, -90, day, -day, 31 * day, -31 * day, 3000 * day, -3000 * day)))
    try:
        yield
    finally:
        chain.clocks[target].step(0)


@contextlib.contextmanager
def _portal(chain, target, _random):
    chain.links[target].portal(True)
    try:
        yield
    finally:
        chain.links[target].portal(False)


@contextlib.contextmanager
def _poison(chain, target, _random):
    chain.agent(target).poison()
    yield


@contextlib.contextmanager
def _dead_address(chain, target, _random):
    """Of the two addresses that the link's name has, the first swallows what is sent to it; the link is cut, so that it matters."""
    with chain.dead_addresses[target], contextlib.closing(DeadAddress(chain.links[target].port)):
        chain.links[target].cut()
        yield


@contextlib.contextmanager
def _hostile_broker(chain, target, rng):
    with chain.liars[target], Liar(rng.getrandbits(32)) as liar:
        chain.links[target].redirect(liar.port)
        try:
            yield
        finally:
            chain.links[target].redirect(None)


@contextlib.contextmanager
def _stolen_account(chain, _target, rng):
    chain.thief.bout(chain.agents, rng)
    yield


_LINKS = (*BY_MQTT, *BY_HTTP, "blesub")
AT_ONCE = (0, 0)
_BEYOND_PATIENCE = (8, 10)  # one and a half times --keepalive, after which a broker gives up a client

POSTGRES_FAULTS = tuple(Fault(f"PostgreSQL {name}", effect, targets, seconds, "PostgreSQL") for name, effect, targets, seconds in (
    ("restarted", postgres.restart, ("primary",), AT_ONCE),
    ("standby killed", postgres.kill_standby, ("standby",), AT_ONCE),
    ("failed over", postgres.fail_over, ("primary",), AT_ONCE),
    ("stopped", postgres.stop, ("primary",), (0.2, 3.5)),
    ("link cut", cut, PostgresEnd.LINKS, AT_ONCE),
    ("link down", down, PostgresEnd.LINKS, (0.2, 3.0)),
    ("link silent", silent, PostgresEnd.LINKS, (0.2, 3.0)),
    ("link slow", slow, PostgresEnd.LINKS, (0.5, 3.0)),
    ("answer to COMMIT lost", postgres.lose_commit, ("links",), (0.5, 1.0)),
    ("disk full", postgres.full_disk, ("primary",), (0.2, 2.5)),
    ("cancels statements", postgres.cancel, ("writer",), (0.2, 2.5)),
    ("only reads", postgres.read_only, ("writer",), (0.2, 2.5)),
    ("takes no connection", postgres.no_connections, ("writer",), (0.2, 2.5)),
    ("tables locked", postgres.lock_tables, ("tables",), (0.2, 2.5)),
))

FAULTS = (
    *(Fault(f"kill {name}", kill, (name,), AT_ONCE) for name in BACKEND),
    Fault("kill blesend", kill, SENDERS, AT_ONCE),
    *(Fault(f"stop {name}", stop, (name,), (0.2, 3.5)) for name in (*BACKEND, "broker")),
    Fault("stop blesend", stop, SENDERS, (0.2, 3.5)),
    Fault("restart broker", _restart_broker, ("broker",), AT_ONCE),
    Fault("kill broker", _kill_broker, ("broker",), AT_ONCE),
    Fault("wipe broker", _wipe_broker, ("broker",), AT_ONCE),
    Fault("kill all tools", kill_tools, ("all",), AT_ONCE),
    Fault("reboot backend", _reboot_backend, ("backend",), AT_ONCE),
    Fault("kill all and broker", _kill_all, ("all",), AT_ONCE),
    Fault("link cut", cut, _LINKS, AT_ONCE),
    Fault("link down", down, _LINKS, (0.2, 3.0)),
    Fault("link half-open", half_open, _LINKS, AT_ONCE),
    Fault("link silent", silent, _LINKS, (0.2, 3.0)),
    Fault("link slow", slow, _LINKS, (0.5, 3.0)),
    Fault("portal", _portal, _LINKS, (0.2, 3.0)),
    Fault("address dead", _dead_address, _LINKS, (0.2, 3.0)),
    Fault("clock wrong", wrong_clock, ("pi", "server"), (0.2, 3.0)),
    Fault("poison", _poison, ("mqtt-1", "mqtt-2"), AT_ONCE),
    Fault("stolen account", _stolen_account, ("pi-thief",), AT_ONCE),
    Fault("hostile broker", _hostile_broker, BY_MQTT, (0.5, 3.0)),
    Fault("spool disk full", full_disk, ("pi",), (0.2, 2.5)),
    Fault("database disk full", full_disk, ("db",), (0.2, 2.5), "SQLite"),
    Fault("database locked", _locked, ("db",), (0.2, 2.5), "SQLite"),
    *POSTGRES_FAULTS,
)


def draw_end(seed):
    """Where the round of a seed ends."""
    return random.Random(f"end of {seed}").choice(sorted(ENDS))


def make_plan(seed, steps, seconds, end, all_faults=FAULTS):
    """The same for the same seed and end."""
    rng = random.Random(seed)
    faults = [fault for fault in all_faults if fault.end in (None, end)]
    plan = []
    for _ in range(steps):
        fault = rng.choice(faults)
        for_s = _BEYOND_PATIENCE if fault.effect in (stop, silent) and rng.random() < 0.1 else fault.seconds
        plan.append(Step(round(rng.uniform(0, seconds), 3), fault.name, rng.choice(fault.targets),
                         round(rng.uniform(*for_s), 3)))
    return sorted(plan)
