"""The services, moved to a PostgreSQL on another machine by what the manual says to type."""
import datetime
import json
import pathlib
import re
import shlex
import tempfile
import unittest

from harness import Database
from harness.installed import SECRETS, Installed
from harness.machine import Machine, cable
from harness.manual import displays
from harness.tls import self_signed

NAME = "db.example.org"
FOLDER = "/var/lib/blepipe/bleingest"
PASSWORDS = {"ble_writer": "of the writer", "ble_reader": "of the reader"}


class Elsewhere(Database):
    """A database on another machine, as its administrator sees it."""

    def __init__(self, machine):
        super().__init__("")
        self.machine = machine

    def rows(self, query):
        try:
            found = self.sql("ble", f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) AS q")
        except AssertionError as error:
            if "does not exist" in str(error):  # bleingest has not made its tables yet
                return []
            raise
        return [tuple(row.values()) for row in json.loads(found)]

    def sql(self, database, text):
        self.machine.write("/srv/text.sql", f"SET search_path = blepipe;\n{text}")
        return self.machine.run("su", "postgres", "-c", f"psql -XqAt -v ON_ERROR_STOP=1 -f /srv/text.sql {database}")


class PostgresElsewhere(Installed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.stack.enter_context(Machine())
        cls.server.boot()
        cable(cls.server, cls.machine)
        cls.server.run("apt-get", "-q", "install", "-y", "--no-install-recommends", "postgresql")
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = (pathlib.Path(path).read_text(encoding="ascii") for path in self_signed(folder, f"DNS:{NAME}"))
        settings = "listen_addresses = '*'\nssl_cert_file = '/etc/postgresql/cert.pem'\nssl_key_file = '/etc/postgresql/key.pem'\n"
        for path, text in (("/etc/postgresql/cert.pem", certificate), ("/etc/postgresql/key.pem", key), ("/srv/test.conf", settings)):
            cls.server.write(path, text)
        cls.server.run("sh", "-ec", """cd /etc/postgresql/*/main
                       cp /srv/test.conf conf.d
                       echo hostssl ble all 10.77.0.0/24 scram-sha-256 >>pg_hba.conf
                       chown postgres ../../key.pem; chmod 600 ../../key.pem
                       systemctl restart postgresql""")
        for machine in (cls.server, cls.machine):
            machine.write("/usr/local/share/ca-certificates/site.crt", certificate)
            machine.run("sh", "-ec", f"update-ca-certificates; echo 10.77.0.1 {NAME} >>/etc/hosts")

    def drop_in(self, unit, text):
        """As `systemctl edit` writes it."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/override.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    @staticmethod
    def secret(machine, path, user):
        machine.run("sh", "-c", f"umask 077; echo {shlex.quote(f'{NAME}:5432:ble:{user}:{PASSWORDS[user]}')} >>{path}")

    def type(self, *lines, machine=None):
        """As root; on the backend in the folder of the old database."""
        return (machine or self.machine).run("sh", "-ec", "\n".join(([] if machine else [f"cd {FOLDER}"]) + [*lines]))

    def test_from_one_machine_to_a_cluster(self):
        self.wait_more()
        old, new = self.database, Elsewhere(self.server)
        roles, rights = displays("bleingest.1", "PostgreSQL")[0].split("-- and after the first start of bleingest:\n")
        drop_in, variables, copy, compare = displays("blepipe-operations.7", "From one machine to a cluster")

        # 1. Make the database and its roles on the server
        for user, password in PASSWORDS.items():
            roles = roles.replace(f"{user} LOGIN PASSWORD '...'", f"{user} LOGIN PASSWORD '{password}'")
        new.sql("postgres", roles)

        # 2. Store new batches there
        self.machine.run("apt-get", "-q", "install", "-y", "libpq5")
        self.secret(self.machine, f"{FOLDER}/pgpass", "ble_writer")
        self.machine.run("chown", "blepipe", f"{FOLDER}/pgpass")
        self.drop_in("bleingest.service", drop_in)
        self.machine.run("systemctl", "stop", "bleingest")
        moved, last = old.rows("SELECT count(*), max(last_seen) FROM batches, devices")[0]
        self.machine.run("systemctl", "start", "--no-block", "bleingest")
        self.machine.wait(lambda: new.count() > 20, "batches in the new database")
        new.sql("ble", rights)
        self.secret(self.machine, f"{SECRETS}/server/blews_pgpass", "ble_reader")
        self.drop_in("blews.service", displays("blews.1", "The service")[0])
        self.machine.run("systemctl", "restart", "blews")

        # 3. Copy the batches of the old database, while new ones arrive
        for user in PASSWORDS:
            self.secret(self.machine, "~root/.pgpass", user)
        self.assertIn(f"stored {moved} batches", self.type(variables, copy))

        # 4. Compare
        of_old, of_new = compare.split("\n", 1)
        self.assertEqual(self.type(of_old).split()[0], str(moved))
        self.secret(self.server, "~root/.pgpass", "ble_reader")
        count = re.search(r"count *\n-+\n *(\d+)\n", self.type(variables, of_new, machine=self.server))
        self.assertGreater(int(count[1]), moved)

        # What reads, reads the new one.
        asked = f"blequery pis --db 'postgresql://ble_reader@{NAME}/ble?sslmode=verify-full'"
        for pis in (json.loads(self.fetch(8765, "/api/v1/pis"))["rows"], [json.loads(self.type(variables, asked))]):
            self.assertEqual([pi["device_id"] for pi in pis], ["pi-test"])
            self.assertGreater(datetime.datetime.fromisoformat(pis[0]["last_heard"]).timestamp() * 1000, last)
        said = self.machine.try_run("blepipe-setup", "--doctor").stdout
        self.assertRegex(said, "ok +store +the database is on a server")
        self.assertRegex(said, f"ok +database +postgresql://ble_reader@{NAME}/ble")

        # Without the server batches wait; nobody starts anything when it is back.
        pid = self.machine.run("systemctl", "show", "-p", "MainPID", "bleingest")
        self.server.run("systemctl", "stop", "postgresql")
        self.machine.wait(lambda: self.standing("mqtt") > 0, "a batch that waits")
        self.server.run("systemctl", "start", "postgresql")
        type(self).database = new
        self.wait_more()
        self.assertEqual(self.machine.run("systemctl", "show", "-p", "MainPID", "bleingest"), pid)
        self.check_all_stored(0)


if __name__ == "__main__":
    unittest.main()
