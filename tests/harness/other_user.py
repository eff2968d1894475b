"""Running a tool as an ordinary user: root's rights hide what a user runs into."""
import atexit
import functools
import os
import shutil
import tempfile

from .process import tool_path

ORDINARY, PAST_QUOTA = 54321, 65534  # the pipes of the second are used up in some tests


@functools.cache
def _folder():
    folder = tempfile.mkdtemp(prefix="blepipe-for-others-")
    atexit.register(shutil.rmtree, folder)
    os.chmod(folder, 0o755)
    return folder


@functools.cache
def _copy(name):
    """A copy of the tool in a folder that everybody can enter: the build may be in somebody's closed home."""
    return shutil.copy(tool_path(name), _folder())


def as_other_user(name, *words, before=(), beside=(), uid=ORDINARY):
    """The command line that runs a tool as that user, or as ourselves when we are not root; `before`: a program that runs it;
    `beside`: tools that it starts."""
    for other in beside:
        _copy(other)
    command = [*before, _copy(name), *words]
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
