"""Who stands in for blescan: a numbered batch now and then into a FIFO that is held open, so that no line is lost before blesend."""
import os
import random
import threading

from harness import make_batches

_MOST = 2000  # batches of a round
_POISON = 600  # detections: more bytes than the chain's broker takes in a packet
_EPILOGUE = 5  # batches after the last fault: they show that everything runs again


class Agent:
    """`spool_max`: a spool that short may drop batches in long outages; each must then be named by a gap."""

    def __init__(self, name, run_id, seed, detections, pace, spool_max=None):
        self.name, self.run_id, self.spool_max = name, run_id, spool_max
        self.lines = make_batches(_MOST, device_id=f"pi-{name}", run_id=run_id, detections=detections)
        self.sent = 0
        self.poisoned = set()  # seqs of batches that no broker takes
        self._poison = threading.Event()
        self._fd = None
        self._pace, self._random = pace, random.Random(seed)
        self._lifted, self._aborted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, fifo):
        self._fd = os.open(fifo, os.O_RDWR)
        os.set_blocking(self._fd, False)
        self._thread.start()

    def _run(self):
        while not self._lifted.wait(self._random.expovariate(self._pace)):
            # On a slow machine faults take long, and it could not deliver what would be sent meanwhile.
            for _ in range(min(self._random.choice((1, 1, 1, 8)), _MOST - _EPILOGUE - self.sent)):
                self._write()
        for _ in range(_EPILOGUE):
            self._write()

    def _write(self):
        if self._poison.is_set():
            self._poison.clear()
            self.poisoned.add(self.sent)
            self.lines[self.sent] = make_batches(1, device_id=f"pi-{self.name}", run_id=self.run_id, detections=_POISON,
                                                 first=self.sent)[0]
        data = f"{self.lines[self.sent]}\n".encode()
        self.sent += 1
        while data and not self._aborted.is_set():
            try:
                data = data[os.write(self._fd, data):]
            except BlockingIOError:
                self._aborted.wait(0.01)

    def lift(self):
        """All faults are over: sends a few more, which is all."""
        self._lifted.set()

    def poison(self):
        """The next batch is one that no broker takes."""
        self._poison.set()

    def finished(self):
        return not self._thread.is_alive()

    def end(self):
        """Without waiting for room in the FIFO. May be called again."""
        self._aborted.set()
        self._lifted.set()
        if self._fd is not None:
            self._thread.join()
            os.close(self._fd)
            self._fd = None
