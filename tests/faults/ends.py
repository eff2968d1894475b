"""Where the batches of a round end: in SQLite, or in PostgreSQL with a standby."""
import contextlib
import os

from harness import Database, PostgresPair, Proxy
from harness.commit_thief import CommitThief
from harness.mounts import small_disk

_SQLITE_DISK, _POSTGRES_DISK, _POSTGRES_FILES = 24 << 20, 192 << 20, 8000


class SqliteEnd:
    """A file on a small disk."""

    def __init__(self, folder):
        self._folder = folder / "db"
        self._stack = contextlib.ExitStack()
        self.links = {}

    def __enter__(self):
        self._stack.enter_context(small_disk(self._folder, _SQLITE_DISK))
        return Database(self._folder / "ble.db")

    def __exit__(self, *_):
        self._stack.close()


class PostgresEnd:
    """A server and its standby, each on a small disk and behind a link of its own. `pair`, `thieves`: to do something to."""

    LINKS = ("postgres-1", "postgres-2")

    def __init__(self, folder):
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.pair, self.links, self.thieves = None, {}, []

    def __enter__(self):
        with self._stack:
            self._build()
            database = self.pair.database()
            database.path = self.pair.uri("ble", ports=[link.port for link in self.links.values()])
            self._stack = self._stack.pop_all()
        return database

    def _build(self):
        enter = self._stack.enter_context
        os.chmod(self._folder, 0o711)  # the servers are of another user
        folders = [self._folder / name for name in self.LINKS]
        for folder in folders:
            enter(small_disk(folder, _POSTGRES_DISK, files=_POSTGRES_FILES))
        self.pair = enter(PostgresPair(folders))
        for name, server in zip(self.LINKS, self.pair.servers):
            self.thieves.append(enter(CommitThief(server.port)))
            self.links[name] = enter(Proxy(self.thieves[-1].port))

    def __exit__(self, *_):
        self._stack.close()

    def change(self, setting):
        """Of the role that writes, for its sessions from now on, of which there is none yet."""
        self.pair.sql(f"ALTER {setting}; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'")


ENDS = {"SQLite": SqliteEnd, "PostgreSQL": PostgresEnd}
