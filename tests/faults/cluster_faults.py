"""What is done to a cluster."""
import contextlib

from .cluster import BACKENDS, NODES, SENDERS, SERVER_LINKS
from .faults import AT_ONCE, POSTGRES_FAULTS, Fault, cut, down, full_disk, half_open, kill, kill_tools, silent, slow, stop, wrong_clock


@contextlib.contextmanager
def _restart_node(chain, target, _random):
    chain.restart_node(target, "stop")
    yield


@contextlib.contextmanager
def _kill_node(chain, target, _random):
    chain.restart_node(target, "kill")
    yield


@contextlib.contextmanager
def _stop_node(chain, target, _random):
    with chain.stopped_node(target):
        yield


@contextlib.contextmanager
def _reboot_backend(chain, target, _random):
    chain.reboot_backend(target)
    yield


_RECEIVERS, _INGESTERS, _ = zip(*BACKENDS)
_KINDS = (("blesub", _RECEIVERS[:3]), ("blerecv", _RECEIVERS[3:]), ("bleingest", _INGESTERS), ("blesend", SENDERS))

CLUSTER_FAULTS = (
    *(Fault(f"kill {kind}", kill, names, AT_ONCE) for kind, names in _KINDS),
    *(Fault(f"stop {kind}", stop, names, (0.2, 3.5)) for kind, names in _KINDS),
    Fault("kill all tools", kill_tools, ("all",), AT_ONCE),
    Fault("reboot backend", _reboot_backend, _RECEIVERS, AT_ONCE),
    Fault("restart node", _restart_node, NODES, AT_ONCE),
    Fault("kill node", _kill_node, NODES, AT_ONCE),
    Fault("stop node", _stop_node, NODES, (0.5, 6.0)),
    *(Fault(f"link of {what} {name}", effect, links, seconds) for what, links in (("node", NODES), ("server", SERVER_LINKS))
      for name, effect, seconds in (("cut", cut, AT_ONCE), ("down", down, (0.2, 3.0)), ("half-open", half_open, AT_ONCE),
                                    ("silent", silent, (0.2, 3.0)), ("slow", slow, (0.5, 3.0)))),
    Fault("clock wrong", wrong_clock, ("pi", "server"), (0.2, 3.0)),
    Fault("spool disk full", full_disk, ("pi",), (0.2, 2.5)),
    *POSTGRES_FAULTS,
)
