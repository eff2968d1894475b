"""What is done to PostgreSQL, in rounds that end in it."""
import contextlib
import os
import subprocess

from harness.mounts import fill


@contextlib.contextmanager
def restart(chain, _target, rng):
    chain.end.pair.restart(rng.choice(("stop", "kill")))
    yield


@contextlib.contextmanager
def kill_standby(chain, _target, _random):
    chain.end.pair.restart_standby()
    yield


@contextlib.contextmanager
def fail_over(chain, _target, _random):
    chain.end.pair.fail_over()
    yield


@contextlib.contextmanager
def stop(chain, _target, _random):
    server = chain.end.pair.pause()
    try:
        yield
    finally:
        server.resume()


@contextlib.contextmanager
def lose_commit(chain, _target, _random):
    """The link is cut between the next COMMIT and its answer."""
    for thief in chain.end.thieves:
        thief.armed.set()
    try:
        yield
    finally:
        for thief in chain.end.thieves:
            thief.armed.clear()


@contextlib.contextmanager
def full_disk(chain, _target, rng):
    path = os.path.join(chain.end.pair.primary.folder, "filling")
    fill(path, rng.choice((0, 0, 4096, 100_000, 2_000_000)))
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):  # two may fill one disk
            os.remove(path)
        chain.end.pair.revive()


def _setting(name, value):
    @contextlib.contextmanager
    def effect(chain, _target, _random):
        chain.end.change(f"ROLE writer SET {name} = {value}")
        try:
            yield
        finally:
            chain.end.change(f"ROLE writer RESET {name}")
    return effect


cancel = _setting("statement_timeout", "'20ms'")
read_only = _setting("default_transaction_read_only", "on")


@contextlib.contextmanager
def no_connections(chain, _target, _random):
    chain.end.change("ROLE writer CONNECTION LIMIT 0")
    try:
        yield
    finally:
        chain.end.change("ROLE writer CONNECTION LIMIT -1")


@contextlib.contextmanager
def lock_tables(chain, _target, rng):
    """Another client holds a table; the server may end it."""
    uri = chain.end.pair.primary.uri("ble", "admin")
    with subprocess.Popen(["psql", "-Xq", uri], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as other:
        with contextlib.suppress(BrokenPipeError):
            other.stdin.write(f"BEGIN; LOCK TABLE blepipe.{rng.choice(('batches', 'detections', 'devices', 'age'))};\n")
            other.stdin.flush()
        try:
            yield
        finally:
            other.kill()
