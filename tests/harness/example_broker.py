"""A mosquitto with examples/mosquitto.conf and mosquitto.acl as they are, but for its port, folders and certificates."""
import pathlib
import re
import subprocess

from .broker import Broker
from .process import source_path
from .tls import self_signed


class ExampleBroker(Broker):
    """Each account has the password "secret of NAME": those that the rights name, and `accounts`."""

    def __init__(self, folder, accounts):
        self.secrets = pathlib.Path(folder)
        self.certificate, key = self_signed(folder)
        acl, passwords = source_path("examples", "mosquitto.acl"), self.secrets / "passwd"
        self.named = re.findall("^user (.*)", pathlib.Path(acl).read_text(encoding="ascii"), re.MULTILINE)
        passwords.touch(0o600)
        for name in [*self.named, *accounts]:
            subprocess.run(["mosquitto_passwd", "-b", passwords, name, "secret of " + name], check=True, capture_output=True)
        config = pathlib.Path(source_path("examples", "mosquitto.conf")).read_text(encoding="ascii")
        for setting, value in [("listener", "@PORT@ 127.0.0.1"), ("cafile", self.certificate), ("certfile", self.certificate),
                               ("keyfile", key), ("password_file", passwords), ("acl_file", acl), ("persistence_location", "@DIR@/")]:
            config, count = re.subn(f"^{setting} .*", f"{setting} {value}", config, flags=re.MULTILINE)
            if count != 1:
                raise AssertionError(f"examples/mosquitto.conf has {count} times {setting}")
        super().__init__(config, whole=True)

    def client(self, program, account, *words):
        """The command line of a client of mosquitto's, with MQTT 5."""
        return [program, "-h", "127.0.0.1", "-p", str(self.port), "--cafile", self.certificate, "-V", "mqttv5", "-q", "1",
                "-u", account, "-P", "secret of " + account, *words]

    def tool(self, program, account, *words):
        """The command line of one of our tools; its password is in a file."""
        password = self.secrets / (account + ".password")
        password.write_text("secret of " + account, encoding="ascii")
        return [program, "--host", "127.0.0.1", "--port", self.port, "--cafile", self.certificate, "--username", account,
                "--password-file", password, *words]
