"""A user whose pipe quota is used up: pipes are small and stay small."""
from .other_user import PAST_QUOTA, as_other_user
from .process import Tool

_SCRIPT = """
import fcntl, os, subprocess, sys
held = []
try:
    while True:
        held.append(os.pipe())
        fcntl.fcntl(held[-1][1], 1031, 1 << 20)  # F_SETPIPE_SZ
except PermissionError:
    pass
done = subprocess.run(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr)
sys.exit(done.returncode)
"""


def run_past_pipe_quota(name, *words):
    """Runs a tool with pipes on its three descriptors: (exit code, stderr)."""
    command = as_other_user(name, *words, before=["/usr/bin/python3", "-c", _SCRIPT], uid=PAST_QUOTA)
    with Tool(*command, cwd="/", stdin=None, stdout=None) as tool:
        return tool.wait(), tool.err
