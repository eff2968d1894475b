"""A user whose pipe quota is used up: pipes are small and stay small."""
import sys

from .process import Tool, tool_path

_SCRIPT = """
import fcntl, os, subprocess, sys
if os.getuid() == 0:
    os.setuid(65534)
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
    with Tool(sys.executable, "-c", _SCRIPT, tool_path(name), *words, cwd="/", stdin=None, stdout=None) as tool:
        return tool.wait(), tool.err
