"""An address at which nobody answers: SYNs to it vanish, as where IPv6 leads nowhere."""
import socket

DEAD = "127.0.0.66"  # on no interface's list, but loopback takes all of 127/8


class DeadAddress:
    """While it is open, `port` of DEAD takes no connection and refuses none. Before and after it refuses them."""

    def __init__(self, port):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((DEAD, port))
        self._listener.listen(0)
        self._filling = socket.create_connection((DEAD, port))  # Linux: one fits; from then on SYNs are dropped

    def close(self):
        self._filling.close()
        self._listener.close()
