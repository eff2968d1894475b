"""A real haproxy on a free loopback port."""
from .broker import _Server


class Haproxy(_Server):
    """`text`: a configuration, in which @PORT@ and @DIR@ stand for the port and the folder."""

    def __init__(self, text):
        super().__init__(["/usr/sbin/haproxy", "-db", "-f"], text)
        self.url = f"https://localhost:{self.port}"
