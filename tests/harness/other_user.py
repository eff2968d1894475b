"""Running a tool as an ordinary user: root's rights hide what a user runs into."""
import atexit
import os
import shutil
import tempfile

from .process import tool_path

ORDINARY, PAST_QUOTA = 54321, 65534  # the pipes of the second are used up in some tests
_copies = {}


def _copy(name):
    """A copy of the tool in a folder that everybody can enter: the build may be in somebody's closed home."""
    if name not in _copies:
        folder = tempfile.mkdtemp(prefix="blepipe-for-others-")
        atexit.register(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        _copies[name] = shutil.copy(tool_path(name), folder)
    return _copies[name]


def as_other_user(name, *words, before=(), uid=ORDINARY):
    """The command line that runs a tool as that user, or as ourselves when we are not root; `before`: a program that runs it."""
    command = [*before, _copy(name), *words]
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
