"""Enter namespaces of Linux, or make new ones, without losing who one is; also sent to fork servers.

Only a process with one thread may change its user namespace (setns(2), unshare(2)).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

#: Flags of unshare(2), by the names of ``/proc/PID/ns``.
FLAGS = {"user": 0x10000000, "net": 0x40000000, "uts": 0x04000000, "mnt": 0x00020000}
_SET_DUMPABLE = 4
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_MS_REC, _MS_SLAVE = 0x4000, 0x80000

_c = ctypes.CDLL(None, use_errno=True)


def enter(paths: list[str]) -> None:
    """Enter the namespaces of these files in their order, with the rights of before and no more.

    Entering a user namespace gives all rights in it, and lets nobody look at the process: a
    debugger, or the origin, which reads its files in ``/proc``. Both are undone.
    """
    rights = _rights()
    # Opened first: behind a mount namespace a path may mean another file.
    files = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in paths]
    for fd in files:
        setns(fd)
        os.close(fd)
    _call("capset", ctypes.byref(rights[0]), ctypes.byref(rights[1]))
    let_look()


def isolate(user: bool) -> None:
    """Enter new namespaces for a network, and before them with `user` a new user namespace.

    Users keep their numbers in that. What is mounted outside appears inside, not the other way round.
    """
    if user:
        own, group = os.getuid(), os.getgid()
        unshare("user")
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{own} {own} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{file}", "w") as map_file:
                map_file.write(text)
        let_look()
    unshare("net", "mnt", "uts")
    mount("none", "/", _MS_REC | _MS_SLAVE)


def let_look() -> None:
    """Let processes of the same user look at this one, which a change of rights forbids."""
    _call("prctl", _SET_DUMPABLE, 1, 0, 0, 0)


def unshare(*names: str) -> None:
    """Let this thread have new namespaces of these kinds; raises OSError."""
    flags = 0
    for name in names:
        flags |= FLAGS[name]
    _call("unshare", flags)


def bring_up(interface: str) -> None:
    """Bring an interface of this thread's network up; raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", interface.encode(), _IFF_UP)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, request)


def setns(fd: int) -> None:
    """Let this thread enter the namespace of an open file; raises OSError."""
    _call("setns", fd, 0)


def mount(source: str, target: str, flags: int) -> None:
    """Mount as mount(2) does, without a type and data; raises OSError."""
    _call("mount", source.encode(), os.fsencode(target), None, ctypes.c_ulong(flags), None)


def _rights() -> tuple[ctypes.Array[ctypes.c_uint32], ctypes.Array[ctypes.c_uint32]]:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    _call("capget", ctypes.byref(header), ctypes.byref(data))
    return header, data


def _call(name: str, *args: object) -> None:
    if getattr(_c, name)(*args):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
