"""Ports that nobody else gets: outside the kernel's range, locked, and free when they are taken.

The kernel gives a port of its range to whoever asks for any, also for connections that begin here.
A port outside of it has only who names it. So that no two origins name the same, each locks its
own, in a place that all of them share. The port itself stays unbound, for the code under test.

A peer on another machine is sent this module: it is Python 3.8 with the standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import sys
from collections.abc import Collection

_LOWEST, _HIGHEST = 1024, 65535
#: Below are the usual ports of well-known services, which other code may start.
_UNCOMMON = 20000
#: What the kernel gives by itself on other systems than Linux, which does not say so in a file.
_ELSEWHERE = 49152, 65535
_SETTINGS = "/proc/sys/net/ipv4/"
#: A lock is an abstract socket of Linux, which is known in the same network namespace as the port,
#: and goes with its process. On other systems it is a byte of a file.
_NAME, _FILE = "\0pytest-peer-port-%d", "/tmp/pytest-peer-ports"
_WILDCARDS = (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")
#: What a system without IPv6 answers.
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
_file = -1  # with all the locks of this process, which would lose them with any close
_held: dict[int, Lock] = {}


class Lock:
    """The lock on a port; OSError if somebody has it."""

    def __init__(self, port: int) -> None:
        self.port: int = port
        self._socket: socket.socket | None = None
        if sys.platform == "linux":
            self._socket = _bound(socket.AF_UNIX, socket.SOCK_STREAM, _NAME % port)
        else:
            self._lock_byte()

    def _lock_byte(self) -> None:
        global _file
        if self.port in _held:
            raise OSError(errno.EADDRINUSE, "this process has the port")
        if _file < 0:
            _file = os.open(_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self.port)

    def release(self) -> None:
        """Let others have the port."""
        _held.pop(self.port, None)
        if self._socket is not None:
            self._socket.close()
        else:
            fcntl.lockf(_file, fcntl.LOCK_UN, 1, self.port)


def reserve(host: str) -> Lock:
    """Lock a port that is free for IPv4, IPv6, TCP and UDP, and return the lock.

    :param host: where the code under test will bind it.
    :raises OSError: `host` is no address of this machine, or there is no such port.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        _bound(family, kind, address).close()
    except OSError as exc:
        text = "host %r cannot be bound on this machine: %s" % (host, exc.strerror)
        raise type(exc)(exc.errno, text) from None
    ports = candidates(_kernels(), _reserved())
    first = random.Random().randrange(len(ports)) if ports else 0  # not the user's seeded one
    for port in ports[first:] + ports[:first]:
        try:
            lock = Lock(port)
        except OSError:
            continue  # another's
        if is_free(port):
            _held[port] = lock
            return lock
        lock.release()
    text = "no port is free outside of the range that the kernel uses, net.ipv4.ip_local_port_range"
    raise OSError(errno.EADDRINUSE, text)


def candidates(kernels: tuple[int, int], reserved: Collection[int]) -> list[int]:
    """Return the ports that nobody gets who does not name them; common ones if there are no others.

    :param kernels: the first and the last port that the kernel gives by itself.
    :param reserved: ports that the administrator has reserved.
    """
    first, last = kernels
    free = [*range(_LOWEST, first), *range(max(_LOWEST, last + 1), _HIGHEST + 1)]
    ports = [port for port in free if port not in reserved]
    return [port for port in ports if port >= _UNCOMMON] or ports


def is_free(port: int) -> bool:
    """Return whether code with and without ``SO_REUSEADDR`` can bind it, on every address."""
    bound = []
    try:
        for family, wildcard in _WILDCARDS:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    bound.append(_bound(family, kind, (wildcard, port)))
                except OSError as exc:
                    if family == socket.AF_INET or exc.errno not in _NO_IPV6:
                        return False
        return True
    finally:
        for each in bound:
            each.close()


def hold(host: str, port: int = 0) -> int:
    """Reserve a port, or lock that again, in a peer, which holds it until its end; return it."""
    if port:
        _held[port] = Lock(port)
        return port
    return reserve(host).port


def _bound(family: int, kind: int, address: object) -> socket.socket:
    """Return a socket that is bound without ``SO_REUSEADDR``, which fails if anything is there."""
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)  # type: ignore[arg-type]
    except BaseException:
        made.close()
        raise
    return made


def _kernels() -> tuple[int, int]:
    numbers = _setting("ip_local_port_range").split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else _ELSEWHERE


def _reserved() -> set[int]:
    """Return the ports in a list such as ``8080,10000-10010``."""
    found: set[int] = set()
    for part in filter(None, _setting("ip_local_reserved_ports").strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _setting(name: str) -> str:
    try:
        with open(_SETTINGS + name, encoding="ascii") as file:
            return file.read()
    except OSError:  # not Linux, or hidden
        return ""
