import os
import signal
import subprocess
import tempfile

from .process import DEADLINE_S, free_port, wait_port


class Broker:
    """A real mosquitto on a free loopback port with its own folder; extra configuration lines in `config`.

    Survives stop()/kill() and start() on the same port; persistence as the configuration says.
    """

    def __init__(self, config="", listener=True):
        self.folder = tempfile.TemporaryDirectory(prefix="blepipe-broker-")
        self.port = free_port()
        self.path = os.path.join(self.folder.name, "mosquitto.conf")
        lines = ["per_listener_settings false", "max_queued_messages 0", "user root",
                 f"persistence_location {self.folder.name}/"]
        if listener:
            lines += [f"listener {self.port} 127.0.0.1"]
        if "allow_anonymous" not in config:
            lines += ["allow_anonymous true"]
        with open(self.path, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n" + config.replace("@PORT@", str(self.port)).replace("@DIR@", self.folder.name) + "\n")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()

    def start(self):
        program = "/usr/sbin/mosquitto"
        self.log = open(os.path.join(self.folder.name, "log"), "ab")
        self.process = subprocess.Popen([program, "-v", "-c", self.path], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        wait_port(self.port)

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
