"""Read what the kernel shows of threads in ``/proc`` (proc(5)); also sent to peers.

A thread of this process, or of one that this user may trace. Where a file is not shown, it is empty.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from functools import partial
from typing import Any, NamedTuple

from . import syscalls

# Bound at import, as in `core.clock`: a test may replace them.
_open, _read, _close, _pread = os.open, os.read, os.close, os.pread
_readlink, _stat, _listdir, _getpid = os.readlink, os.stat, os.listdir, os.getpid
_now: Any = partial(getattr(time, "clock_gettime", time.monotonic))
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_PAGE = 1 << 12
_MACHINE = os.uname().machine
#: Those of TCP last: they take milliseconds where the kernel has room for many connections.
_TABLES = ("unix", "udp", "udp6", "tcp", "tcp6")
_LISTENS, _ACCEPTS = "0A", 1 << 16  # of TCP, and a flag of a Unix socket


class Sight(NamedTuple):
    """What a thread did at one moment. Between two that are equal and asleep it has not run."""

    #: As in ``stat``: ``S`` is asleep, ``R`` runs or could. Empty if there is no such thread.
    state: str
    #: Processor time in nanoseconds, and how often it has had a processor; as in ``schedstat``.
    ran: str
    #: The line of ``syscall``.
    syscall: str

    @property
    def asleep(self) -> bool:
        return self.state in ASLEEP

    @property
    def processor_seconds(self) -> float:
        """For how long it has run; NaN if that is not shown."""
        first = self.ran.partition(" ")[0]
        return int(first) / 1e9 if first.isdigit() else float("nan")


#: Asleep, stopped, stopped by a debugger, ended; ``D`` is not: the kernel goes on by itself.
ASLEEP = frozenset("STtZXx")


def seen(pid: int, thread: int) -> Sight:
    """Look at a thread of a process. What else is shown is read after its state."""
    return Sight(state(pid, thread), turns(pid, thread), syscall(pid, thread))


def state(pid: int, thread: int) -> str:
    """Return the state of a thread, as `Sight` has it."""
    return state_in(contents("%s/task/%d/stat" % (_place(pid), thread)))


def state_in(text: str) -> str:
    """Return the state that a file ``stat`` has; empty if there is none."""
    return text.rpartition(")")[2][1:2]


def syscall(pid: int, thread: int) -> str:
    """Return in which system call a thread is, as `Sight` has it."""
    return contents("%s/task/%d/syscall" % (_place(pid), thread)).strip()


def turns(pid: int, thread: int) -> str:
    """Return what changes whenever a thread has run; `Sight` has it as `ran`."""
    where = "%s/task/%d/" % (_place(pid), thread)
    ran = contents(where + "schedstat").strip()
    if counts(ran):
        return ran
    # A kernel without CONFIG_SCHED_INFO: how often it has waited, and was made to.
    lines = contents(where + "status").splitlines()
    return "".join("-%s" % line.split()[1] for line in lines if "ctxt_switches" in line)


def counts(ran: str) -> bool:
    """Return whether a line of ``schedstat`` says something."""
    return ran not in ("", "0 0 0")


def wait_of(pid: int, thread: int, line: str) -> syscalls.Wait | None:
    """Return what a thread that is asleep waits for, by its line of ``syscall``.

    ``None`` if it is in none. An empty line is not shown, for want of a right or in the kernel.
    """
    if not line:
        return syscalls.unshown(_Shown(pid, thread))
    name, arguments = syscalls.parsed(line, _MACHINE)
    if len(arguments) < 6:
        return None
    return syscalls.judged(name, arguments, _Shown(pid, thread))


def _place(pid: int) -> str:
    # There may be the ``/proc`` of another container, in which our number is another process.
    return "/proc/self" if pid == _getpid() else "/proc/%d" % pid


def goes_on(pid: int, thread: int, ran: str) -> bool:
    """Return whether a thread that slept, and had run so far, goes on by itself or has done so."""
    wait = wait_of(pid, thread, syscall(pid, thread))
    # The timer may have ended: then it is awake, and has not run yet. And what was read is that of
    # its sleep only if it has not run since.
    awake = state(pid, thread) not in ASLEEP
    return awake or turns(pid, thread) != ran or (wait is not None and wait.is_timed)


def contents(path: str, whole: bool = False) -> str:
    """Return what is in a file of ``/proc``; empty if it is not shown.

    :param whole: of a table, one read gives a page. Nothing else is longer.
    """
    try:
        fd = _open(path, _FLAGS)
    except OSError:
        return ""
    try:
        data = more = _read(fd, _PAGE)
        while whole and more:
            more = _read(fd, _PAGE)
            data += more
    except OSError:
        return ""
    finally:
        _close(fd)
    return data.decode("utf-8", "surrogateescape")


def numbers(path: str) -> list[int]:
    """Return the numbers that are names in a directory; none if it is not shown."""
    try:
        return [int(name) for name in _listdir(path) if name.isdigit()]
    except OSError:
        return []


def why_unreadable() -> str:
    """Return why nothing can be known of threads, or nothing if it can."""
    if sys.platform != "linux":
        return "it asks the Linux kernel, and this is %s" % sys.platform
    try:
        if int(_readlink("/proc/self")) != _getpid():
            return "/proc shows the processes of another container"
    except OSError:
        return "/proc is not there: nothing is mounted at it"
    if not turns(_getpid(), _getpid()):
        return "/proc shows neither schedstat nor context switches of threads"
    return ""


class _Shown(syscalls.Process):
    def __init__(self, pid: int, thread: int) -> None:
        self._pid = pid
        self._thread = thread

    def file(self, fd: int) -> str:
        return _readlink("%s/fd/%d" % (_place(self._pid), fd))

    def is_pipe(self, fd: int) -> bool:
        return stat.S_ISFIFO(_stat("%s/fd/%d" % (_place(self._pid), fd)).st_mode)

    def socket(self, fd: int) -> tuple[bool, str, str]:
        return socket_of(self._pid, fd)

    def address(self, pointer: int, size: int) -> str:
        import _socket  # not at the top: most peers need none

        data = self.memory(pointer, min(size, 128))
        family = int.from_bytes(data[:2], sys.byteorder)
        port = int.from_bytes(data[2:4], "big")
        if family == _socket.AF_INET:
            return "%s:%d" % (_socket.inet_ntoa(data[4:8]), port)
        if family == _socket.AF_INET6:
            return "[%s]:%d" % (_socket.inet_ntop(family, data[8:24]), port)
        if family == _socket.AF_UNIX:
            return _text_of(data[2:])
        raise ValueError(family)

    def memory(self, pointer: int, size: int) -> bytes:
        fd = _open(_place(self._pid) + "/mem", _FLAGS)
        try:
            return _pread(fd, size, pointer)
        except OverflowError as exc:
            raise ValueError(pointer) from exc
        finally:
            _close(fd)

    def now(self, clock: int) -> float:
        return float(_now(clock))

    def kernel_function(self) -> str:
        return contents("%s/task/%d/wchan" % (_place(self._pid), self._thread))


def socket_of(pid: int, fd: int) -> tuple[bool, str, str]:
    """Return whether a socket of a process listens, its address, and the other end's, or empty."""
    import _socket

    # Without a default limit: with one, an object for a socket would let it not wait any more.
    if pid == _getpid() and _socket.getdefaulttimeout() is None:
        return _own_socket(fd)
    inode = _readlink("%s/fd/%d" % (_place(pid), fd)).partition("[")[2].rstrip("]")
    return next(sockets(pid, inode), (False, "", ""))


def _own_socket(fd: int) -> tuple[bool, str, str]:
    """Do as `socket_of` for this process, without the tables, which are slow."""
    import _socket

    sock = _socket.socket(fileno=fd)
    try:
        if sock.family not in (_socket.AF_INET, _socket.AF_INET6, _socket.AF_UNIX):
            return False, "", ""
        listens = bool(sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
        return listens, _named(sock.getsockname()), _remote(sock)
    finally:
        sock.detach()  # it stays open


def _remote(sock: Any) -> str:
    try:
        name = sock.getpeername()
    except OSError:  # it is not connected
        return ""
    return _named(name) if isinstance(name, tuple) else ""


def _named(address: Any) -> str:
    """Return the address of a socket of this process as those in the tables."""
    if isinstance(address, tuple):
        host, port = str(address[0]).partition("%")[0], address[1]
        return (("[%s]:%d" if ":" in host else "%s:%d") % (host, port)) if port else ""
    if isinstance(address, bytes):  # it is in no directory
        address = address.decode("utf-8", "surrogateescape").replace("\0", "@")
    return str(address)


def sockets(pid: int, inode: str = "") -> Any:
    """Yield of the sockets in the network of a process whether each listens, and both addresses.

    :param inode: only that one; each is followed by its inode if this is empty.
    """
    for table in _TABLES:
        for line in contents("%s/net/%s" % (_place(pid), table), True).splitlines()[1:]:
            fields = line.split(None, 7) if table == "unix" else line.split()
            own = fields[6 if table == "unix" else 9]
            if inode and inode != own:
                continue
            if table == "unix":
                path = fields[7] if len(fields) > 7 else ""
                listens = bool(int(fields[3], 16) & _ACCEPTS)
                found = listens, path, ""
            else:
                listens = fields[3] == _LISTENS and table.startswith("tcp")
                found = listens, _endpoint(fields[1]), _endpoint(fields[2])
            yield found if inode else (*found, own)


def _endpoint(text: str) -> str:
    """Return an address in one of those tables as ``host:port``; nothing for none."""
    import _socket

    host, _, port = text.partition(":")
    # 32 bits each, in the order of this machine.
    words = [int(host[i : i + 8], 16) for i in range(0, len(host), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    if not int(port, 16):
        return ""
    if len(words) == 1:
        return "%s:%d" % (_socket.inet_ntoa(packed), int(port, 16))
    return "[%s]:%d" % (_socket.inet_ntop(_socket.AF_INET6, packed), int(port, 16))


def _text_of(name: bytes) -> str:
    path = name[1:] if name.startswith(b"\0") else name.partition(b"\0")[0]
    return ("@" if name.startswith(b"\0") else "") + path.decode("utf-8", "surrogateescape")
