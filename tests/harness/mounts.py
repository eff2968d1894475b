"""Small disks that can be filled: tmpfs in a mount namespace of this process, so that no mount outlives it."""
import contextlib
import ctypes
import os

_NEWNS, _NEWNET, _NEWUSER = 0x20000, 0x40000000, 0x10000000
_REC_PRIVATE, _READ_ONLY, _DETACH = 0x4000 | 0x40000, 0x20 | 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def _call(what, *arguments):
    if getattr(_libc, what)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unable to {what}: {os.strerror(error)} (small disks need root or user namespaces)")


def private_mounts(network=False):
    """Before any thread is started: what is mounted from here on is seen by this process and its children only. With
    `network`, they are on a network of their own as well, in which nothing is up."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEWNS | (_NEWNET if network else 0) | (_NEWUSER if uid else 0))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
    _call("mount", b"none", b"/", None, _REC_PRIVATE, None)


@contextlib.contextmanager
def small_disk(folder, size, files=1000):
    """`folder` is made, and is a disk of `size` bytes and so many files of its own until the end."""
    os.mkdir(folder)
    _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size},nr_inodes={files + 1}".encode())
    try:
        yield
    finally:
        _call("umount2", os.fsencode(folder), _DETACH)


def make_read_only(folder):
    """A small disk on which no file is open for writing."""
    _call("mount", None, os.fsencode(folder), None, _READ_ONLY, None)


def with_hosts(hosts, *command):
    """The words of a command for which `hosts`, a file that may be changed meanwhile, is all that names are looked up in."""
    switch = f"{hosts}.nsswitch"
    with open(switch, "w", encoding="ascii") as f:
        f.write("hosts: files\n")
    script = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'
    return ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c", script, "sh", hosts, switch, *command]


def with_authorities(folder, *command):
    """The words of a command for which `folder` is /etc/ssl/certs: the authorities that the system trusts."""
    return ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c", 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"', "sh",
            folder, *command]


def with_machine(host_name, machine_id, *command):
    """The words of a command that runs on a machine of that name, whose /etc/machine-id is the file `machine_id`."""
    # A system that was made without systemd has no such file to mount over: there it is an /etc of the command's own.
    script = ('echo "$1" >/proc/sys/kernel/hostname && { [ -e /etc/machine-id ] || { cp -r /etc "$2.etc" 2>/dev/null; '
              'touch "$2.etc/machine-id" && mount --bind "$2.etc" /etc; }; } && '
              'mount --bind "$2" /etc/machine-id && shift 2 && exec "$@"')
    return ["unshare", "-mu" if os.geteuid() == 0 else "-rmu", "sh", "-c", script, "sh", host_name, machine_id, *command]


def fill(path, left):
    """A file that takes what is free on its disk but about `left` bytes."""
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(1 << 16))
        except OSError:
            f.truncate(max(0, f.tell() - left))
