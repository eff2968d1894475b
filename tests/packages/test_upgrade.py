"""A newer build in the place of an older one, while batches come; and removal."""
import os
import pathlib
import shutil
import unittest

from harness.installed import AGENT, SECRETS, SERVER, Installed
from harness.machine import command

PREVIOUS = os.environ.get("BLEPIPE_PREVIOUS")  # a folder with the packages of an earlier build, to upgrade from


def older(deb, folder):
    """The same package under a lower version."""
    files = folder / deb.stem
    command("dpkg-deb", "-R", deb, files)
    control = files / "DEBIAN" / "control"
    version = command("dpkg-deb", "-f", deb, "Version").strip()
    control.write_text(control.read_text(encoding="utf-8").replace(version, version + "~previous"), encoding="utf-8")
    for conf in files.glob("etc/blepipe/*.conf"):  # dpkg asks about one that was edited and that has changed
        conf.write_text(conf.read_text(encoding="utf-8") + "# An older line.\n", encoding="utf-8")
    command("dpkg-deb", "-Zgzip", "-z1", "-b", files, folder / deb.name)
    shutil.rmtree(files)


class Upgrade(Installed):
    """From the packages of an earlier build, or from these under a lower version, while batches come."""

    first = "/srv/previous"

    @classmethod
    def prepare(cls):
        folder = cls.machine.root / cls.first.lstrip("/")
        folder.mkdir()
        for deb in sorted((cls.machine.root / "srv").glob("*.deb")):
            if PREVIOUS:
                name, *_, architecture = deb.name.split("_")
                version = deb.name.split("_")[1].rpartition("+")[2]
                found = list(pathlib.Path(PREVIOUS).glob(f"{name}_*+{version}_{architecture}"))
                assert len(found) == 1, f"{name}: {len(found)} in {PREVIOUS}"
                shutil.copy(found[0], folder)
            else:
                older(deb, folder)

    def test_upgrade(self):
        self.machine.run("sed", "-i", "s/^MQTT_BROKER=.*/MQTT_BROKER=127.0.0.1/", "/etc/blepipe/agent.conf")
        keys = self.machine.run("sh", "-c", f"cat {SECRETS}/*/*")
        old = self.machine.run("dpkg-query", "-W", "-f", "${Version}", "blepipe")
        if not PREVIOUS:  # which may be older than the timer
            self.machine.run("systemctl", "enable", "--now", "blepipe-backup.timer")
        self.wait_more()
        before = {unit: self.machine.run("systemctl", "show", "-p", "MainPID", unit) for unit in AGENT + SERVER}
        fifos = self.machine.run("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "blepipe-agent-fifos.socket")
        # With nobody to answer dpkg's question about settings that were edited it fails, and all go on.
        failed = self.machine.try_run("sh", "-c", "apt-get -q install -y /srv/*.deb")
        self.assertIn("conffile prompt", failed.stdout)
        self.assertNotEqual(failed.returncode, 0)
        self.wait_more()
        self.machine.run("sh", "-c", "apt-get -q install -y -o Dpkg::Options::=--force-confold /srv/*.deb")
        new = self.machine.run("dpkg-query", "-W", "-f", "${Version}", "blepipe")
        self.assertNotEqual(new, old)
        self.assertIn(new, self.machine.run("bleingest", "--version"))
        for unit in AGENT + SERVER:
            self.wait_state(unit, "active")
            self.assertNotEqual(self.machine.run("systemctl", "show", "-p", "MainPID", unit), before[unit], unit)
        self.assertEqual(self.machine.run("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "blepipe-agent-fifos.socket"), fifos)
        self.assertIn("MQTT_BROKER=127.0.0.1", self.machine.run("cat", "/etc/blepipe/agent.conf"))
        self.assertEqual(self.machine.run("sh", "-c", f"cat {SECRETS}/*/*"), keys)
        self.assertEqual(self.state("blepipe-backup.timer"), "inactive" if PREVIOUS else "active")
        self.wait_more()
        self.check_all_stored(2)


class Removal(Installed):
    def test_remove_keeps_and_purge_tells(self):
        self.wait_more()
        self.machine.run("systemctl", "start", "blepipe-backup")
        self.machine.run("systemctl", "enable", "--now", "blepipe-backup.timer")
        self.machine.run("apt-get", "-q", "remove", "-y", "blepipe")
        for unit in AGENT + SERVER + ["blepipe-agent-fifos.socket", "blepipe-server-fifos.socket"]:
            self.assertIn(self.state(unit), ("inactive", "failed"), unit)
        self.machine.run("test", "-e", "/etc/blepipe/agent.conf", "-a", "-e", f"{SECRETS}/agent/hash_key")
        said = self.machine.run("apt-get", "-q", "purge", "-y", "blepipe-agent", "blepipe-server")
        self.assertEqual(self.state("blepipe-backup.timer"), "inactive")
        for folder in ("/var/lib/private/blepipe/blesend", "/var/lib/blepipe/bleingest", "/var/lib/blepipe/backup"):
            self.assertIn(folder, said)
            self.machine.run("test", "-d", folder)
        self.assertGreater(self.database.count(), 0)
        self.machine.run("test", "!", "-e", "/etc/blepipe")


if __name__ == "__main__":
    unittest.main()
