"""Real PostgreSQL servers, each on a free loopback port with a folder of its own, which survives stop(), kill() and start()."""
import contextlib
import glob
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from .pipeline import Database
from .process import DEADLINE_S, free_port, wait_until

_USER = "nobody"  # the server refuses to run as root


def _program(name):
    """Debian keeps the servers of each release in a folder that is in no path."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise AssertionError(f"no {name}: scripts/packages test installs PostgreSQL")
    return found[-1]


def _as_user(*words):
    if os.geteuid() != 0:
        return list(words)
    return ["setpriv", f"--reuid={_USER}", f"--regid={pwd.getpwnam(_USER).pw_gid}", "--clear-groups", *words]


class SqlError(AssertionError):
    """What psql says, with its SQLSTATE."""

    def __init__(self, text):
        super().__init__(f"psql: {text}")
        found = re.search(r"(?:ERROR|FATAL|PANIC): +([0-9A-Z]{5}):", text)
        self.state = found[1] if found else None

    @property
    def passes(self):
        """The server is not there, or is on its way, or full."""
        return self.state is None or self.state[:2] in ("08", "53", "57")


class Postgres:
    """A server with the superuser `admin` and the ordinary user `writer`, both without a password unless `auth` says how.

    settings: of postgresql.conf. `folder`: instead of a new one. `standby_of`: it follows that server. `initdb`: words for it.
    """

    def __init__(self, settings=(), folder=None, auth="trust", standby_of=None, initdb=()):
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="blepipe-postgres-")
        self.folder = str(folder or self._own.name)
        self.port = free_port()
        self.process = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, _USER, pwd.getpwnam(_USER).pw_gid)
        self.data = os.path.join(self.folder, "data")
        if standby_of:
            self.follow(standby_of)
        else:
            self._run("initdb", "-D", self.data, "-U", "admin", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", *initdb)
        self._settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}",
                          "max_connections=60", *settings]
        if auth != "trust":
            with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as f:
                f.write(f"local all all trust\nhost all admin 127.0.0.1/32 trust\n{auth} all all 127.0.0.1/32 scram-sha-256\n")

    def follow(self, other):
        """From the next start on, as a copy of the other that is made now."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._run("pg_basebackup", "-D", self.data, "-R", "-d", other.uri("postgres", "admin"), "-c", "fast", "--no-sync")

    def _run(self, name, *words):
        done = subprocess.run(_as_user(_program(name), *words), cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{name} failed: {done.stderr}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        if self._own:
            self._own.cleanup()

    def start(self):
        words = [word for setting in self._settings for word in ("-c", setting)]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(_as_user(_program("postgres"), "-D", self.data, *words), cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, f"PostgreSQL on port {self.port}")

    def _answers(self):
        if not self.running():
            raise AssertionError(f"PostgreSQL ended with {self.process.returncode}: {self.log_text()[-2000:]}")
        return subprocess.run([_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0

    def _end(self, number):
        if self.process is None:
            return
        self.resume()
        self.process.send_signal(number)
        self.process.wait(DEADLINE_S)
        self.process = None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def _send_all(self, number):
        """To each of its processes: they are not of one group."""
        others = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        for pid in (self.process.pid, *map(int, others)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self):
        """It says nothing, and nothing it has begun goes on, until resume()."""
        if self.running():
            self._send_all(signal.SIGSTOP)

    def resume(self):
        if self.running():
            self._send_all(signal.SIGCONT)

    def stop(self):
        """Connections end at once."""
        self._end(signal.SIGINT)

    def kill(self):
        """All its processes end as they are; it recovers at the next start."""
        self._end(signal.SIGQUIT)

    def promote(self):
        self._run("pg_ctl", "promote", "-D", self.data)

    def log_text(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def uri(self, name, user="writer", port=None):
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{name}"

    def sql(self, text, name="postgres", user="admin"):
        """What psql prints of it, in the schema blepipe."""
        # Not the one in the path, which is a script that looks for this one.
        done = subprocess.run([_program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
                               "-d", self.uri(name, user) + "?options=-csearch_path%3Dblepipe"],
                              input=text, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        if done.returncode != 0:
            raise SqlError(done.stderr)
        return done.stdout

    def database(self, name="ble", more=""):
        """A new one of the user `writer`."""
        if self.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'writer'").strip() == "0":
            self.sql("CREATE ROLE writer LOGIN PASSWORD 'secret of the writer'")
        self.sql(f"CREATE DATABASE {name} OWNER writer {more}")
        return PostgresDatabase(self, name)


class PostgresDatabase(Database):
    """Database, of a server."""

    def __init__(self, server, name):
        super().__init__(server.uri(name))
        self.server, self.name = server, name

    def rows(self, query):
        try:
            found = self.server.sql(f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) AS q", self.name)
        except SqlError as error:
            if error.state in ("42P01", "3F000"):  # no such table or schema: bleingest has not made it yet
                return []
            raise
        return [tuple(row.values()) for row in json.loads(found)]

    def on(self, server):
        """The same database, as another server has it."""
        return PostgresDatabase(server, self.name)
