"""Services that are killed, stopped and started, without a broker, with a reboot in between: every batch is stored once."""
import collections
import os
import time
import unittest

from harness import random_source
from harness.installed import AGENT, SECRETS, SERVER, Installed

KILLS = int(os.environ.get("BLEPIPE_KILLS") or 60)


class Chain(Installed):
    def test_kills(self):
        numbers = random_source()
        units = AGENT + SERVER + ["mosquitto.service"]
        killed = collections.Counter()
        self.wait_more()
        for _ in range(KILLS):
            unit = numbers.choice(units)
            time.sleep(numbers.uniform(0.02, 0.6))
            # One that is just being started has no process yet.
            killed[unit] += self.machine.try_run("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit).returncode == 0
        self.assertGreater(len(killed), 3)
        for unit in units:
            self.wait_state(unit, "active")
        self.wait_more()
        self.check_all_stored(killed["blescan@any.service"])

    def test_each_can_be_stopped_and_started(self):
        early = 0
        for unit in AGENT + SERVER + ["mosquitto.service", "blepipe-agent.target", "blepipe-server.target"]:
            with self.subTest(unit):
                self.wait_more(3)
                self.machine.run("systemctl", "stop", unit)
                early += unit in ("blescan@any.service", "blepipe-agent.target")
                self.assertEqual(self.state(unit), "inactive")
                if unit == "blesend.service":  # nothing starts it again, though its FIFO fills
                    found = self.standing("scan")
                    self.machine.wait(lambda least=found + 1000: self.standing("scan") > least, "batches to wait in the FIFO")
                    self.assertEqual(self.state(unit), "inactive")
                self.machine.run("systemctl", "start", unit)
                for part in AGENT + SERVER:
                    self.wait_state(part, "active")
                self.wait_more(3)
        self.check_all_stored(early)

    def test_without_a_broker_all_are_ready_and_nothing_is_lost(self):
        self.machine.run("systemctl", "stop", "mosquitto.service", "blepipe-agent.target", "blepipe-server.target")
        self.machine.run("systemctl", "start", "blepipe-agent.target", "blepipe-server.target")
        for unit in AGENT + SERVER:
            self.wait_state(unit, "active")
        queued = self.queued()
        self.machine.wait(lambda: self.queued() > queued + 20, "batches to be queued")
        self.machine.run("systemctl", "start", "mosquitto.service")
        self.wait_more()
        self.check_all_stored(1)

    def test_the_page_shows_history(self):
        self.wait_more()
        self.machine.wait(lambda: '"device_id"' in self.fetch(8765, "/api/v1/pis"), "the Pi, out of the database")
        self.assertIn("Chart.js", self.fetch(8765, "/chart.min.js"))

    def test_by_http_with_a_key(self):
        key = self.machine.run("sh", "-c", f"umask 077; blerecv --make-key pi-test 2>{SECRETS}/key >{SECRETS}/server/api_keys; "
                               f"tail -n 1 {SECRETS}/key >{SECRETS}/agent/http_api_key; rm {SECRETS}/key")
        self.assertEqual(key, "")
        self.machine.run("cp", "/etc/blepipe/agent.conf", "/tmp/agent.conf")
        self.addCleanup(self.machine.run, "sh", "-c", f"cp /tmp/agent.conf /etc/blepipe/; rm {SECRETS}/server/api_keys {SECRETS}/agent/http_api_key; "
                        "systemctl restart blesend.service blerecv.service")
        self.machine.run("sed", "-i", "s/^#COMMUNICATION_MODE=mqtt/COMMUNICATION_MODE=http/", "/etc/blepipe/agent.conf")
        self.machine.run("systemctl", "restart", "blerecv.service", "blesend.service")
        self.machine.wait(lambda: self.database.rows("SELECT count(*) FROM senders WHERE sender LIKE '%pi-test%'") == [(1,)],
                          "a batch whose sender is known by its key")
        self.wait_more()
        self.check_all_stored(0)

    def test_reboot(self):
        self.wait_more()
        count = self.database.count()
        # The shutdown finds batches in a FIFO that no reader has taken.
        self.machine.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", "bleingest.service")
        self.machine.wait(lambda: self.standing("mqtt") > 0, "a batch that is not stored yet")
        self.machine.power_off()
        self.machine.boot()
        self.assertGreaterEqual(self.database.count(), count)
        self.wait_more()
        self.check_all_stored(1)


if __name__ == "__main__":
    unittest.main()
