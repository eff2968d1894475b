"""A process whose wall clock is wrong, by faketime. What the kernel says of the uptime and of synchronisation stays true."""
from .process import run, tool_path


def under_clock(shift, program, *words):
    """The command line of a tool, or of a program by its path, whose clock is wrong by e.g. "+31d"."""
    return ["/usr/bin/faketime", "-f", shift, program if "/" in program else tool_path(program), *words]


# A sanitizer wants to be the first library, and faketime's lets leaks look like its own.
WRONG_CLOCK = {"ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


def query_under_clock(shift, database, query):
    """Rows as sqlite3 prints them to somebody whose clock is wrong."""
    code, out, err = run(*under_clock(shift, "/usr/bin/sqlite3", database, query))
    assert code == 0, err
    return out.decode().splitlines()
