"""blepipe-setup, and what an administrator changes."""
import unittest

from harness import Database
from harness.installed import REPLAY, SECRETS, Installed


class Setup(Installed):
    def test_a_new_password_needs_no_restart(self):
        """An account at the broker, by blepipe-setup with a wrong password first."""
        keep = "/etc/blepipe/agent.conf /etc/blepipe/server.conf"
        self.machine.run("sh", "-c", f"mkdir /tmp/keep && cp -p {keep} /tmp/keep")
        self.machine.write("/etc/mosquitto/conf.d/test.conf", "allow_anonymous false\npassword_file /etc/mosquitto/test.passwd\n")
        self.machine.run("sh", "-c", "cd /etc/mosquitto && mosquitto_passwd -c -b test.passwd site right && chown mosquitto test.passwd && "
                         "systemctl restart mosquitto")
        # Batches that wait between two services were there before.
        self.machine.run("sh", "-c", f"systemctl stop bleingest && blescan --device-id pi-before {' '.join(REPLAY)} >/run/blepipe/mqtt")
        try:
            run = self.machine.try_run("sh", "-c", "echo wrong | blepipe-setup --username site --wait 8")
            self.assertEqual(run.returncode, 69, run.stdout)
            self.assertRegex(run.stdout, "failed +blesend +.*(bad user name|not authorised)")
            self.assertIn("-> sudo blepipe-setup --username NAME", run.stdout)
            pids = self.machine.run("systemctl", "show", "-p", "MainPID", "blesend", "blesub")
            count = self.database.count()
            self.machine.run("sh", "-c", f"for role in agent server; do echo right >{SECRETS}/$role/mqtt_password; done; systemctl reload blesend blesub")
            self.machine.wait(lambda: self.database.count() >= count + 20, "batches to be stored")
            self.assertEqual(self.machine.run("systemctl", "show", "-p", "MainPID", "blesend", "blesub"), pids)
        finally:
            self.machine.run("sh", "-c", "rm -f /etc/mosquitto/conf.d/test.conf /etc/blepipe/secrets/*/mqtt_password && cp -p /tmp/keep/* /etc/blepipe/ && "
                             "systemctl restart mosquitto blesend blesub")
        self.wait_more()

    def test_setup(self):
        # With a place in two words, and a line that goes on.
        self.machine.write("/etc/systemd/system/blesend.service.d/zz.conf",
                           "[Service]\nExecStart=\nExecStart=/usr/bin/blesend \\\n --reject \"/var/lib/blepipe/blesend/set aside\"\n")
        self.machine.run("systemctl", "daemon-reload")
        said = self.machine.run("blepipe-setup", "--wait", "60")
        self.assertEqual(said.splitlines()[-1], "The first batch was stored.")
        self.assertEqual(self.machine.run("blepipe-setup", "--check").count("its settings are valid"), 6)
        run = self.machine.try_run("blepipe-setup", "--doctor")  # all works here but the radio
        self.assertEqual(run.returncode, 69, run.stdout)
        failed = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("failed")]
        restarts = failed[2:] == ["blescan"]  # the capture has ended, and begins again
        self.assertEqual(failed[:2] + failed[2 + restarts:], ["kernel", "bluetoothd"], run.stdout)
        self.assertEqual(run.stdout.splitlines()[-1], f"blepipe-setup: {1 + restarts} of these must be corrected")
        self.assertIn("No scan can start.", run.stdout)
        for word in ("connected to localhost:1883", "subscribed to tfg/detections/raw/+", "are free for the database", "hash_key", "confirm_key"):
            self.assertIn(word, run.stdout)

    def test_setup_says_what_is_wrong(self):
        for words, code, said in ((["--brokr"], 64, "unknown word '--brokr'"), (["--wait", "x"], 64, "is not a number of seconds"), (["--broker"], 64, "needs a value"),
                                  (["--broker", "a b"], 64, "'a b' is no name of a host")):
            run = self.machine.try_run("blepipe-setup", *words)
            self.assertEqual((run.returncode, said in run.stdout), (code, True), run.stdout)
        self.machine.run("sh", "-c", "cp -p /etc/blepipe/agent.conf /tmp/ && echo NEAR_THRESHOLD=near >>/etc/blepipe/agent.conf")
        run = self.machine.try_run("blepipe-setup", "--check")
        self.machine.run("cp", "-p", "/tmp/agent.conf", "/etc/blepipe/")
        self.machine.run("sh", "-c", "echo MQTT_PASSWORD=hidden >>/etc/blepipe/agent.conf")
        doctor = self.machine.try_run("blepipe-setup", "--doctor").stdout
        self.machine.run("cp", "-p", "/tmp/agent.conf", "/etc/blepipe/")
        self.assertRegex(doctor, "failed +secrets +everybody can read /etc/blepipe/agent.conf:MQTT_PASSWORD=")
        self.assertNotIn("hidden", doctor)
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertRegex(run.stdout, "failed +blescan .*NEAR_THRESHOLD")
        self.machine.run("systemctl", "stop", "mosquitto")
        run = self.machine.try_run("blepipe-setup")
        self.machine.run("systemctl", "start", "mosquitto")
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertIn("no broker listens on this machine's port 1883", run.stdout)

    def test_without_a_broker_blesub_does_not_start(self):
        self.machine.run("sh", "-c", "cp -p /etc/blepipe/server.conf /tmp/ && echo MQTT_ENABLED=false >>/etc/blepipe/server.conf && systemctl restart blesub")
        self.assertEqual(self.state("blesub"), "inactive")
        self.assertNotIn("blesub", self.machine.try_run("blepipe-setup", "--doctor").stdout)
        self.machine.run("sh", "-c", "cp -p /tmp/server.conf /etc/blepipe/ && systemctl start blesub")
        self.assertEqual(self.state("blesub"), "active")

    def test_metrics(self):
        self.machine.run("sh", "-c", "cp -p /etc/blepipe/server.conf /tmp/ && sed -i 's/^#\\(BLE[A-Z]*_METRICS_LISTEN=\\)/\\1/' /etc/blepipe/server.conf && "
                         "systemctl restart blerecv blews")
        try:
            for port, tool in ((8001, "blerecv"), (8766, "blews")):
                self.assertIn(f'blepipe_build_info{{tool="{tool}"', self.fetch(port, "/metrics"))
        finally:
            self.machine.run("sh", "-c", "cp -p /tmp/server.conf /etc/blepipe/ && systemctl restart blerecv blews")

    def test_backup(self):
        self.wait_more()
        self.assertEqual(self.machine.try_run("systemctl", "is-enabled", "blepipe-backup.timer").stdout.strip(), "disabled")
        folder = "/var/lib/blepipe/backup"
        self.machine.run("sh", "-c", f"mkdir -p {folder} && cd {folder} && for day in 1 2 3 4 5 6 7 8 9; do touch ble-2020-01-0$day.db; done")
        count = self.database.count()
        self.machine.run("systemctl", "start", "blepipe-backup")
        copies = self.machine.run("ls", folder).split()
        self.assertEqual(len([name for name in copies if name.endswith(".db")]), 7, copies)
        self.assertNotIn("ble-2020-01-03.db", copies)
        copy = [name for name in copies if name.endswith(".db")][-1]
        self.assertGreaterEqual(Database(self.machine.root / folder.lstrip("/") / copy).count(), count)


if __name__ == "__main__":
    unittest.main()
