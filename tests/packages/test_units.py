"""The units under a real systemd: who may what, secrets, watchdog, reload."""
import json
import time
import unittest

from harness.installed import AGENT, SECRETS, SERVER, Installed


class Units(Installed):
    def test_systemd_finds_no_fault(self):
        units = self.machine.run("sh", "-c", "ls /lib/systemd/system/ble* /usr/share/doc/blepipe/examples/systemd/*").split()
        self.assertEqual(len(units), 19)
        # Its mosquitto_pub comes with a package that ours do not need; cli/test_drop_ins.py looks at it.
        here = [unit for unit in units if not unit.endswith("/events-to-broker.service")]
        self.assertEqual(len(here), 18)
        self.assertEqual(self.machine.run("systemd-analyze", "verify", "--man=no", *here), "")

    def test_sandbox(self):
        """The exposure that systemd-analyze sees, times ten."""
        without_network = ["bleingest.service", "blepipe-bluetooth.service", "blepipe-agent-fifos.service",
                           "blepipe-server-fifos.service", "blepipe-backup.service"]
        # blescan needs the network namespace in which the Bluetooth adapters are, and the clock.
        for limit, units in ((15, without_network), (16, ["blescan@any.service"]), (20, ["blesend.service", "blesub.service", "blerecv.service", "blews.service"])):
            for unit in units:
                with self.subTest(unit):
                    self.machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={limit}", unit)

    def test_who_runs_as_whom_and_may_what(self):
        for unit in AGENT + SERVER:
            with self.subTest(unit):
                self.wait_state(unit, "active")
                pid = self.machine.run("systemctl", "show", "-p", "MainPID", "--value", unit).strip()
                status = dict(line.split(":", 1) for line in self.machine.run("cat", f"/proc/{pid}/status").splitlines())
                self.assertNotEqual(status["Uid"].split()[0], "0")
                self.assertEqual(int(status["CapEff"], 16), 1 << 13 if "blescan" in unit else 0)  # CAP_NET_RAW
                self.assertEqual(status["Seccomp"].strip(), "2")
                self.assertEqual(status["NoNewPrivs"].strip(), "1")

    def set_for_all(self, text):
        """A drop-in of each service, until the test ends."""
        def restart():
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run("systemctl", "restart", *AGENT, *SERVER)

        def put_back():
            self.machine.run("sh", "-c", "rm /etc/systemd/system/ble*.d/zz.conf")
            restart()
        for unit in AGENT + SERVER:
            self.machine.write(f"/etc/systemd/system/{unit}.d/zz.conf", text)
        self.addCleanup(put_back)
        restart()

    def test_none_makes_a_system_call_that_its_filter_refuses(self):
        self.set_for_all("[Service]\nSystemCallErrorNumber=kill\n")
        pids = {unit: self.machine.run("systemctl", "show", "-p", "MainPID", unit) for unit in SERVER + ["blesend.service"]}
        self.wait_more()
        self.machine.run("systemctl", "reload", "blesend", "blesub", "blerecv", "blews")
        self.wait_more()
        for unit, pid in pids.items():
            self.assertEqual(self.machine.run("systemctl", "show", "-p", "MainPID", unit), pid, unit)
        self.assertNotIn("status=31/SYS", self.machine.run("journalctl", "-q", "--no-pager", "-o", "cat", "-b"))

    def test_who_needs_the_clock_may_ask_the_kernel_for_it(self):
        """The doctor says whether it could."""
        self.wait_more()
        for unit in ("blescan@any.service", "bleingest.service"):
            with self.subTest(unit):
                probe = f"probe-{unit.partition('@')[0].partition('.')[0]}.service"
                text = self.machine.run("cat", f"/lib/systemd/system/{unit.replace('any', '')}")
                lines = [line for line in text.splitlines() if not line.startswith(("Exec", "Standard", "Type", "Restart", "Watchdog", "StateDirectory"))]
                lines.insert(lines.index("[Service]") + 1, "Type=oneshot\nExecStart=-/usr/bin/blescan --doctor\nStandardOutput=journal")
                self.machine.write(f"/etc/systemd/system/{probe}", "\n".join(lines))
                self.machine.run("sh", "-c", f"systemctl daemon-reload && systemctl start {probe}")
                said = self.machine.log(probe)
                self.assertRegex(said, "(ok|warning) +clock +(not )?synchronised")
                self.assertNotIn("a sandbox", said)

    def test_secrets_are_made_once_for_root_only_and_are_used(self):
        for path in ("agent/hash_key", "agent/confirm_key", "server/confirm_key"):
            self.assertEqual(self.machine.run("stat", "-c", "%a %U %s", f"{SECRETS}/{path}").strip(), "600 root 65")
        self.assertIn("Copy it to the others", self.said)
        self.machine.run("cmp", f"{SECRETS}/agent/confirm_key", f"{SECRETS}/server/confirm_key")
        for unit, name in (("blescan@any.service", "blepipe_hash_key"), ("blesend.service", "confirm_key"), ("blesub.service", "confirm_key")):
            with self.subTest(unit):
                self.wait_state(unit, "active")
                self.assertEqual(self.machine.run("ls", f"/run/credentials/{unit}").split(), [name])
        self.wait_more()
        self.assertEqual(self.database.rows("SELECT count(*) FROM runs WHERE hash_id IS NULL"), [(0,)])

    def test_no_editing_is_needed(self):
        self.wait_more()
        self.assertEqual([self.health(8000), self.health(8765)], ["healthy", "healthy"])
        self.assertEqual(self.state("blepipe-agent.target"), "active")
        self.assertEqual(self.state("blepipe-server.target"), "active")

    def test_the_page_has_the_history(self):
        """It reads what bleingest stores, also while that is stopped, and may not write it."""
        def pis():
            answer = json.loads(self.fetch(8765, "/api/v1/pis"))
            return [row["device_id"] for row in answer.get("rows", [])]

        self.machine.run("systemctl", "restart", "blews.service")  # it keeps a token that was taken away
        self.wait_more()
        self.machine.wait(lambda: pis() == ["pi-test"], "the history")
        self.assertIn("1 of its 1 Pis listen now", self.machine.try_run("blepipe-setup", "--doctor").stdout)
        self.machine.run("systemctl", "stop", "bleingest.service")
        self.addCleanup(self.machine.run, "systemctl", "start", "bleingest.service")
        time.sleep(2.5)  # an answer is good for two seconds
        self.assertEqual(pis(), ["pi-test"])
        pid = self.machine.run("systemctl", "show", "-p", "MainPID", "--value", "blews.service").strip()
        for test, code in (("-r", 0), ("-w", 1)):
            words = ("nsenter", "--target", pid, "--mount", "setpriv", "--reuid=65432", "--regid=65432", "--groups=blepipe")
            for name in ("ble.db", "ble.db-wal", "ble.db-shm"):
                run = self.machine.try_run(*words, "test", test, f"/var/lib/blepipe/bleingest/{name}")
                self.assertEqual(run.returncode, code, f"{test} {name}: {run.stdout}")

    def test_its_password_for_postgresql(self):
        self.machine.run("sh", "-c", f"umask 077; echo 'db:5432:*:ble_reader:secret' >{SECRETS}/server/blews_pgpass; systemctl reload blews")
        self.addCleanup(self.machine.run, "sh", "-c", f"rm {SECRETS}/server/blews_pgpass; systemctl reload blews")
        pid = self.machine.run("systemctl", "show", "-p", "MainPID", "--value", "blews.service").strip()
        environment = dict(entry.split("=", 1) for entry in self.machine.run("cat", f"/proc/{pid}/environ").split("\0") if entry)
        self.machine.run("cmp", f"{SECRETS}/server/blews_pgpass", environment["PGPASSFILE"])
        self.assertEqual(self.machine.run("stat", "-c", "%a", environment["PGPASSFILE"]).strip(), "400")
        # blepipe-setup looks at a service with its secrets, too.
        drop_in = "/etc/systemd/system/blews.service.d/look.conf"
        self.machine.write(drop_in, "[Service]\nExecStart=\nExecStart=/bin/sh -c \"cat ${PGPASSFILE}; false\"\n")
        self.addCleanup(self.machine.run, "sh", "-c", f"rm {drop_in}; systemctl daemon-reload")
        self.machine.run("systemctl", "daemon-reload")
        self.assertIn("db:5432:*:ble_reader:secret", self.machine.try_run("blepipe-setup", "--check").stdout)

    def test_without_a_database_the_page_is_served(self):
        self.machine.run("systemctl", "stop", "bleingest.service", "blews.service")
        self.machine.run("mv", "/var/lib/blepipe/bleingest", "/var/lib/blepipe/elsewhere")
        try:
            self.machine.run("systemctl", "start", "blews.service")
            self.assertEqual(self.health(8765), "healthy")
            self.assertIn("No such file", json.loads(self.fetch(8765, "/api/v1/pis"))["detail"])
            self.assertIn("the page has no history", self.machine.try_run("blepipe-setup", "--doctor").stdout)
        finally:
            self.machine.run("mv", "/var/lib/blepipe/elsewhere", "/var/lib/blepipe/bleingest")
            self.machine.run("systemctl", "start", "bleingest.service")
        self.machine.wait(lambda: "rows" in json.loads(self.fetch(8765, "/api/v1/pis")), "the history")

    def test_reload_brings_a_changed_secret(self):
        """Each service's, also one that was not there when it was started."""
        secrets = {"blescan@any.service": ("agent/hash_key", "blepipe_hash_key"), "blesend.service": ("agent/mqtt_password", "mqtt_password"),
                   "blesub.service": ("server/mqtt_password", "mqtt_password"), "blerecv.service": ("server/api_keys", "api_key"),
                   "blews.service": ("server/token", "blepipe_token")}
        for unit, (secret, name) in secrets.items():
            with self.subTest(unit):
                self.wait_state(unit, "active")
                pid = self.machine.run("systemctl", "show", "-p", "MainPID", unit)
                had = self.machine.try_run("cat", f"{SECRETS}/{secret}")
                before = had.stdout if had.returncode == 0 else ""
                self.machine.run("sh", "-c", f"umask 077; openssl rand -hex 32 >{SECRETS}/{secret}; systemctl reload {unit}")
                self.machine.run("cmp", f"{SECRETS}/{secret}", f"/run/credentials/{unit}/{name}")
                self.machine.wait(lambda unit=unit: "are read again" in self.machine.log(unit), "a word about it")
                self.assertNotIn("stay as they were", self.machine.log(unit))
                self.assertEqual(self.machine.run("stat", "-c", "%a", f"/run/credentials/{unit}/{name}").strip(), "400")
                self.assertNotEqual(self.machine.run("stat", "-c", "%u", f"/run/credentials/{unit}/{name}").strip(), "0")
                self.assertIn("ro,", self.machine.run("findmnt", "-no", "OPTIONS", f"/run/credentials/{unit}"))
                self.machine.run("sh", "-c", f"rm {SECRETS}/{secret}" if not before else f"echo {before.strip()} >{SECRETS}/{secret}")
                self.machine.run("systemctl", "reload", unit)
                self.assertEqual(self.machine.try_run("test", "-e", f"/run/credentials/{unit}/{name}").returncode, 0 if before else 1)
                self.assertEqual(self.machine.run("systemctl", "show", "-p", "MainPID", unit), pid)

    def test_a_command_that_stands_still_is_started_anew(self):
        units = AGENT + SERVER
        for unit in units:
            self.machine.write(f"/etc/systemd/system/{unit}.d/watchdog.conf", "[Service]\nWatchdogSec=5\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", *units)
        time.sleep(12)  # as long as two watchdogs: nobody is killed for nothing
        for unit in units:
            self.assertNotIn("Watchdog timeout", self.machine.log(unit), unit)
            self.machine.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", unit)
        for unit in units:
            self.machine.wait(lambda unit=unit: "Watchdog timeout" in self.machine.log(unit), f"{unit} to be killed")
            self.wait_state(unit, "active")
        self.machine.run("sh", "-c", "rm /etc/systemd/system/ble*.d/watchdog.conf && systemctl daemon-reload")
        self.machine.run("systemctl", "restart", *units)

    def test_retention(self):
        """What the running process has, of unit and settings together."""
        self.wait_state("bleingest.service", "active")
        pid = self.machine.run("systemctl", "show", "-p", "MainPID", "--value", "bleingest.service").strip()
        self.assertIn("BLEPIPE_RETAIN=30", self.machine.run("cat", f"/proc/{pid}/environ").split("\0"))

    def test_bluetoothd_is_restarted_after_69_and_not_too_often(self):
        drop_ins = {"blescan@.service": "[Service]\nExecStart=\nExecStart=/bin/sh -c 'exit 69'\n",
                    "bluetooth.service": "[Unit]\nConditionPathIsDirectory=\n[Service]\nType=exec\nBusName=\nExecStart=\nExecStart=/bin/sleep infinity\n"}
        for unit, text in drop_ins.items():
            self.machine.write(f"/etc/systemd/system/{unit}.d/zz.conf", text)
        try:
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run("systemctl", "start", "bluetooth.service")

            def pid():
                return self.machine.run("systemctl", "show", "-p", "MainPID", "--value", "bluetooth.service").strip()

            def log():
                return self.machine.run("journalctl", "--no-pager", "--unit=blepipe-bluetooth.service")

            def restarts():
                return int(self.machine.run("systemctl", "show", "-p", "NRestarts", "--value", "blescan@any.service"))
            first = pid()
            self.machine.run("systemctl", "restart", "--no-block", "blescan@any.service")
            self.machine.wait(lambda: "Start request repeated too quickly" in log(), "the bound of restarts")
            self.assertEqual(log().count("Finished blepipe-bluetooth.service"), 3)
            self.assertNotIn(pid(), (first, "0"))
            before = restarts()
            self.machine.wait(lambda: restarts() > before + 2, "blescan to be started all the same")
        finally:
            self.machine.run("rm", *[f"/etc/systemd/system/{unit}.d/zz.conf" for unit in drop_ins])
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run("systemctl", "stop", "bluetooth.service")
            self.machine.run("systemctl", "restart", "--no-block", "blescan@any.service")
        self.wait_more()


if __name__ == "__main__":
    unittest.main()
