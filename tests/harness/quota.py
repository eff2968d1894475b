"""A user whose pipe quota is used up: pipes are small and stay small."""
import os
import shutil
import sys
import tempfile

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
    """Runs a tool with pipes on its three descriptors: (exit code, stderr). A copy of it, since that user may not see ours."""
    with tempfile.TemporaryDirectory(prefix="blepipe-quota-") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(tool_path(name), folder)
        with Tool(sys.executable, "-c", _SCRIPT, copy, *words, cwd="/", stdin=None, stdout=None) as tool:
            return tool.wait(), tool.err
