"""What threads of the peer wait for, as the kernel shows it in ``/proc`` (proc(5), syscall(2)).

Elsewhere than on Linux, and where that is hidden, nothing is known. A thread that waits for the GIL
wakes every few milliseconds: so only what stays the same for longer is a wait.
"""

import sys

from ..link.protocol.unpatched import os

#: The system calls in which threads wait, by their numbers.
_CALLS = {
    "x86_64": {
        0: "read",
        7: "poll",
        23: "select",
        34: "pause",
        35: "nanosleep",
        42: "connect",
        43: "accept",
        45: "recvfrom",
        47: "recvmsg",
        61: "wait4",
        72: "fcntl",
        73: "flock",
        74: "fsync",
        202: "futex",
        230: "clock_nanosleep",
        232: "epoll_wait",
        247: "waitid",
        270: "pselect6",
        271: "ppoll",
        281: "epoll_pwait",
        288: "accept4",
    },
    "aarch64": {
        22: "epoll_pwait",
        25: "fcntl",
        32: "flock",
        63: "read",
        72: "pselect6",
        73: "ppoll",
        82: "fsync",
        95: "waitid",
        98: "futex",
        101: "nanosleep",
        115: "clock_nanosleep",
        202: "accept",
        203: "connect",
        207: "recvfrom",
        212: "recvmsg",
        242: "accept4",
        260: "wait4",
    },
}
#: Commands of fcntl(2) that wait for a lock, of a process and of an open file.
_LOCKING = (7, 38)
_P_PID, _POLLIN = 1, 1


def seconds():
    """Return for how long a thread has to stay where it is to wait there."""
    return min(2.5 * sys.getswitchinterval(), 0.1)


def seen(threads):
    """Return the system call in which each of the threads is, and how often it has waited."""
    return {thread: (_read(thread, "syscall"), _waited(thread)) for thread in threads}


def described(syscall):
    """Return what that line of ``/proc`` means, as `Blocked.on`; empty if nothing is known."""
    number, *values = syscall.split()
    calls = _CALLS.get(os.uname().machine, {}) if sys.maxsize > 1 << 32 else {}
    name = calls.get(int(number)) if number.isdigit() else None
    if name is None:
        return ""
    try:
        return _on(name, *(int(value, 16) for value in values[:4]))
    except (OSError, ValueError):  # it has been closed, or is not of this kind
        return name


def _on(name, first, second, third, _):
    """Return what a call with those arguments waits for."""
    if name == "futex":
        return "lock"
    if name.endswith("nanosleep") or (name.endswith(("select", "select6")) and not first):
        return "sleep"
    if name in ("wait4", "waitid"):
        child = first if name == "wait4" else second * (first == _P_PID)
        return "child %d" % child if 0 < child < 1 << 31 else "child"
    if name == "flock" or (name == "fcntl" and second in _LOCKING):
        return "%s %s" % ("flock" if name == "flock" else "lockf", _file(first))
    if name == "connect":
        return "connect %s" % _address(_memory(second, third))
    if name.startswith("accept"):
        return _of_socket(first)
    if name in ("read", "recvfrom", "recvmsg"):
        return _reading(name, first)
    if name in ("poll", "ppoll") and second <= 1:
        # struct pollfd: a descriptor, what is awaited, what there is
        polled = _memory(first, 8) if second else b""
        if not polled:
            return "sleep"
        if int.from_bytes(polled[4:6], sys.byteorder) & _POLLIN:
            return _reading(name, int.from_bytes(polled[:4], sys.byteorder))
    return name


def _reading(name, fd):
    file = _file(fd)
    if file.startswith("pipe:"):
        return "read pipe"
    return _of_socket(fd) if file.startswith("socket:") else name


def _of_socket(fd):
    """Return which connection is awaited, or data of whom."""
    import _socket

    if _socket.getdefaulttimeout() is not None:
        return "socket"  # to look at it would change how it blocks
    found = _socket.socket(fileno=fd)
    try:
        listening = found.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
        try:
            address = found.getsockname() if listening else found.getpeername()
        except OSError:  # it has none
            address = ""
    finally:
        found.detach()
    host, port = address[:2] if isinstance(address, tuple) else ("", 0)
    name = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port) if host else ""
    return ("%s %s" % ("accept" if listening else "recv", name)).rstrip()


def _address(data):
    """Return the Internet address in a ``struct sockaddr``."""
    import _socket

    family = int.from_bytes(data[:2], sys.byteorder)
    port = int.from_bytes(data[2:4], "big")
    if family == _socket.AF_INET:
        return "%s:%d" % (_socket.inet_ntoa(data[4:8]), port)
    if family == _socket.AF_INET6:
        return "[%s]:%d" % (_socket.inet_ntop(family, data[8:24]), port)
    raise ValueError(family)


def _file(fd):
    return os.readlink("/proc/self/fd/%d" % fd)


def _memory(address, size):
    fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, size, address)
    finally:
        os.close(fd)


def _waited(thread):
    _, _, count = _read(thread, "status").rpartition("\nvoluntary_ctxt_switches:")
    return count.partition("\n")[0].strip()


def _read(thread, name):
    try:
        fd = os.open("/proc/self/task/%d/%s" % (thread, name), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "-"
    try:
        return os.read(fd, 1 << 14).decode("ascii", "replace") or "-"
    except OSError:
        return "-"
    finally:
        os.close(fd)
