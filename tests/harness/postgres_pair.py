"""Two PostgreSQL servers: one that writes, and a standby that has each commit before it is answered, and takes over."""
import threading

from .postgres import Postgres, PostgresDatabase, SqlError
from .process import wait_until

_BRIEF = ("shared_buffers=16MB", "max_wal_size=16MB", "min_wal_size=4MB", "wal_keep_size=8MB", "wal_retrieve_retry_interval=100ms",
          "fsync=off")
_STEADY = "ALTER SYSTEM SET synchronous_standby_names = '{}'; SELECT pg_reload_conf();"


class PostgresPair:
    """`folders`: of the two. Each may be done something to at any time, by any thread: one waits for the other."""

    def __init__(self, folders):
        self._folders = folders
        self._lock = threading.Lock()
        self.servers = []  # their ports stay

    def __enter__(self):
        try:
            self.primary = self._add(Postgres(_BRIEF, self._folders[0], initdb=("--wal-segsize=1",)))
            self.standby = self._add(Postgres(_BRIEF, self._folders[1], standby_of=self.primary))
            self._wait_for_standby()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()

    def _add(self, server):
        self.servers.append(server)
        server.start()
        return server

    def _wait_for_standby(self):
        """From then on no commit is answered that the standby has not."""
        wait_until(lambda: self.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").strip() == "1",
                   "the standby to follow")
        self.primary.sql(_STEADY.format("*"))

    def restart(self, how):
        """How: "stop" or "kill"."""
        with self._lock:
            getattr(self.primary, how)()
            self._revive(self.primary)

    def restart_standby(self):
        with self._lock:
            self.standby.kill()
            self._revive(self.standby)

    def fail_over(self):
        """The primary is killed, the standby takes over, and what was the primary follows it as a new copy."""
        with self._lock:
            self.primary.kill()
            self.primary, self.standby = self.standby, self.primary
            self._revive(self.primary)
            self.primary.promote()
            self.primary.sql(_STEADY.format(""))
            wait_until(self._copy, "a copy for the standby")
            self._revive(self.standby)
            self._wait_for_standby()

    def _copy(self):
        try:
            self.standby.follow(self.primary)
        except AssertionError:  # its disk is full
            return False
        return True

    def revive(self):
        """Servers end when their disk is full: to be called when there is room again."""
        with self._lock:
            for server in self.servers:
                self._revive(server)

    @staticmethod
    def _revive(server):
        def runs():
            try:
                if not server.running():
                    server.start()
            except AssertionError:  # its disk is full
                return False
            return True
        wait_until(runs, "a server to start")

    def pause(self):
        with self._lock:
            self.primary.pause()
        return self.primary

    def uri(self, name, user="writer", ports=None):
        """`ports`: by which the two are reached, instead of their own."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or [server.port for server in self.servers])
        return f"postgresql://{user}@{hosts}/{name}?connect_timeout=2"

    def database(self, name="ble"):
        """A new one of the user `writer`, of whichever is the primary."""
        self.primary.database(name)
        return PostgresDatabase(self, name)

    def sql(self, text, name="postgres"):
        """Of the primary, as soon as it can."""
        def done():
            nonlocal found
            try:
                with self._lock:
                    found = self.primary.sql(text, name)
            except SqlError as error:
                if error.passes:
                    return False
                raise
            return True
        found = None
        wait_until(done, f"PostgreSQL to do: {text}")
        return found
