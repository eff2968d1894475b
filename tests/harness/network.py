"""A network of the test's own, with addresses that answer and others that swallow whatever is sent to them."""
import subprocess

from .mounts import private_mounts

ANSWERING = ("192.0.2.1", "192.0.2.2", "2001:db8::1")  # this machine's, besides 127.0.0.1 and ::1
SWALLOWING = ("198.51.100.66", "198.51.100.67", "2001:db8:0:1::66")


def private_network():
    """Before any thread is started: this process and its children are on it from here on. For setUpModule."""
    private_mounts(network=True)

    def ip(*words):
        subprocess.run(["ip", *words], check=True)
    ip("link", "set", "lo", "up")
    # Behind one end of a cable whose other end nobody is at; the neighbours are given, so that nobody asks for them in vain.
    ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    for end in ("near", "far"):
        ip("link", "set", end, "up")
    ip("address", "add", "198.51.100.1/24", "dev", "near")
    ip("address", "add", "2001:db8:0:1::1/64", "dev", "near", "nodad")
    for address in SWALLOWING:
        ip("neighbour", "add", address, "lladdr", "02:00:00:00:00:66", "dev", "near", "nud", "permanent")
    for address in ANSWERING:
        ip("address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
