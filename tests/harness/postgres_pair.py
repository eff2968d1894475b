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
        wait_until(self._is_followed, "the standby to follow")
        self._set_steady("*")

    def _is_followed(self):
        for server in self.servers:
            self._revive(server)
        return (self._try("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") or "").strip() == "1"

    def _set_steady(self, names):
        """As soon as there is room for it; meanwhile the server may end."""
        def done():
            self._revive(self.primary)
            return self._try(_STEADY.format(names)) is not None
        wait_until(done, "PostgreSQL to take its settings")

    def _try(self, text, name="postgres"):
        """None: the primary cannot for now."""
        try:
            return self.primary.sql(text, name)
        except SqlError as error:
            if error.passes:
                return None
            raise

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
            wait_until(self.promoted, "the standby to take over")
            self._set_steady("")
            wait_until(lambda: self._has_room(self.standby.follow, self.primary), "a copy for the standby")
            self._revive(self.standby)
            self._wait_for_standby()

    def promoted(self):
        """Is the standby the primary now? One try: it may end for want of room before, in or after that."""
        self._revive(self.primary)
        standing_by = self._try("SELECT pg_is_in_recovery()")
        if standing_by is not None and standing_by.strip() == "t":
            self._has_room(self.primary.promote)
        return standing_by is not None and standing_by.strip() == "f"

    @staticmethod
    def _has_room(step, *words):
        try:
            step(*words)
        except AssertionError:  # the disk is full
            return False
        return True

    def revive(self):
        """Servers end when their disk is full: to be called when there is room again."""
        with self._lock:
            for server in self.servers:
                self._revive(server)

    @staticmethod
    def _revive(server):
        wait_until(lambda: server.running() or PostgresPair._has_room(server.start), "a server to start")

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
            with self._lock:
                found = self._try(text, name)
            return found is not None
        found = None
        wait_until(done, f"PostgreSQL to do: {text}")
        return found
