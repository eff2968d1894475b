"""A Pi and a backend on two machines."""
import contextlib
import unittest

from harness import Database
from harness.installed import DROP_INS, SECRETS
from harness.machine import Machine, cable


class TwoMachines(unittest.TestCase):
    """A Pi and a backend, with a cable between them: one line of settings on each, and the key that README says to copy."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.server, self.pi = (self.stack.enter_context(Machine()) for _ in range(2))
        self.pi.write("/etc/systemd/system/blescan@.service.d/test.conf", DROP_INS["blescan@.service"])
        for machine, packages in ((self.server, "blepipe-server*"), (self.pi, "blepipe-agent*")):
            machine.boot()
            machine.run("sh", "-c", f"apt-get -q install -y /srv/blepipe_* /srv/{packages}")
        cable(self.server, self.pi)
        self.database = Database(self.server.root / "var/lib/blepipe/bleingest/ble.db")

    def secret(self, source, name, target, copy):
        text = source.run("cat", f"{SECRETS}/{name}")
        target.run("sh", "-c", f"umask 077; echo {text.strip()} >{SECRETS}/{copy}")

    def test_by_mqtt(self):
        run = self.pi.try_run("blepipe-setup")
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertIn("name one by --broker NAME", run.stdout)
        self.server.write("/etc/mosquitto/conf.d/test.conf", "listener 1883\nallow_anonymous true\n")
        self.server.run("systemctl", "restart", "mosquitto")
        self.secret(self.server, "server/confirm_key", self.pi, "agent/confirm_key")
        said = self.pi.run("blepipe-setup", "--broker", "10.77.0.1")
        self.assertIn("/etc/blepipe/agent.conf: MQTT_BROKER=10.77.0.1", said)
        self.assertEqual(said.splitlines()[-1], "The first batch was stored.")
        said = self.server.run("blepipe-setup")
        self.assertIn("On each Pi: install blepipe-agent", said)
        self.assertEqual(said.splitlines()[-1], "The first batch was stored.")
        self.assertGreater(self.database.count(), 0)

    def test_by_a_url_of_blesend(self):
        """No setting names a broker then, and none is looked for."""
        self.server.write("/etc/mosquitto/conf.d/test.conf", "listener 1883\nallow_anonymous true\n")
        self.server.run("systemctl", "restart", "mosquitto")
        self.secret(self.server, "server/confirm_key", self.pi, "agent/confirm_key")
        self.pi.write("/etc/systemd/system/blesend.service.d/url.conf",
                      "[Service]\nExecStart=\nExecStart=/usr/bin/blesend --url mqtt://10.77.0.1\n")
        self.pi.run("systemctl", "daemon-reload")
        run = self.pi.try_run("blepipe-setup", "--broker", "elsewhere")
        self.assertEqual(run.returncode, 64, run.stdout)
        self.assertIn("blesend sends to mqtt://10.77.0.1", run.stdout)
        self.assertEqual(self.pi.run("blepipe-setup").splitlines()[-1], "The first batch was stored.")
        self.assertNotIn("elsewhere", self.pi.run("cat", "/etc/blepipe/agent.conf"))

    def test_by_http(self):
        self.server.run("sed", "-i", "s/^#BLERECV_BIND=.*/BLERECV_BIND=0.0.0.0/", "/etc/blepipe/server.conf")
        made = self.server.run("sh", "-c", f"blerecv --make-key pi-test 2>&1 >{SECRETS}/server/api_keys; chmod 600 {SECRETS}/server/api_keys; "
                               "systemctl restart blerecv")
        self.pi.run("sh", "-c", f"umask 077; echo {made.split()[-1]} >{SECRETS}/agent/http_api_key")
        self.pi.run("sed", "-i", "s/^#COMMUNICATION_MODE=.*/COMMUNICATION_MODE=http/; s|^#HTTP_BASE_URL=.*|HTTP_BASE_URL=http://10.77.0.1:8000|",
                    "/etc/blepipe/agent.conf")
        self.assertEqual(self.pi.run("blepipe-setup").splitlines()[-1], "The first batch was stored.")
        self.assertEqual(self.database.rows("SELECT count(*) FROM senders WHERE sender LIKE '%pi-test%'"), [(1,)])


if __name__ == "__main__":
    unittest.main()
