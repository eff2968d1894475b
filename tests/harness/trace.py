"""Running a program up to its n-th system call: so a kill can hit every step between two effects, not only likely ones."""
import ctypes
import os
import signal

_TRACEME, _SYSCALL, _SETOPTIONS, _EXITKILL = 0, 24, 0x4200, 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, pid, value=0):
    if _libc.ptrace(request, pid, None, value) < 0:
        raise OSError(ctypes.get_errno(), "unable to trace")


def kill_at_system_call(argv, number, cwd, stdin, stdout):
    """SIGKILL when the program is about to make its system call `number`, counted from 1; that call is not made.

    Returns how many system calls were begun; fewer than `number`: it ended by itself, with 0.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            _ptrace(_TRACEME, 0)
            os.execve(argv[0], [str(word) for word in argv], {**os.environ, "ASAN_OPTIONS": "detect_leaks=0",
                                                             "LOG_LEVEL": "error"})
        finally:
            os._exit(127)
    os.waitpid(pid, 0)  # stands at the beginning of the program
    _ptrace(_SETOPTIONS, pid, _EXITKILL)
    begun, inside, passed_on = 0, False, 0
    while True:
        _ptrace(_SYSCALL, pid, passed_on)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            if status != 0:
                raise AssertionError(f"{argv[0]} ended with wait status {status}")
            return begun
        passed_on = 0 if os.WSTOPSIG(status) == signal.SIGTRAP else os.WSTOPSIG(status)
        if passed_on:
            continue
        inside = not inside
        begun += inside
        if begun == number and inside:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return begun
