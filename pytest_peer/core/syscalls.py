"""What a thread waits for, judged by the system call in which it is; also sent to peers.

The kernel shows the number of the call and its arguments (proc(5), ``/proc/PID/syscall``). What
these refer to, descriptors and memory, the judge asks of a process; see `core.threads`.
"""

from __future__ import annotations

import sys


def _numbered(text: str) -> dict[int, str]:
    pairs = (each.split() for each in text.split(", "))
    return {int(number): name for number, name in pairs}


#: Numbers of system calls in which threads wait. Others that wait have no name.
_CALLS = {
    "x86_64": _numbered(
        "0 read, 1 write, 2 open, 7 poll, 16 ioctl, 17 pread64, 19 readv, 20 writev, "
        "23 select, 34 pause, 35 nanosleep, 40 sendfile, 42 connect, 43 accept, 44 sendto, "
        "45 recvfrom, 46 sendmsg, 47 recvmsg, 61 wait4, 65 semop, 70 msgrcv, 72 fcntl, "
        "73 flock, 74 fsync, 75 fdatasync, 128 rt_sigtimedwait, 130 rt_sigsuspend, 202 futex, "
        "219 restart_syscall, 220 semtimedop, 230 clock_nanosleep, 232 epoll_wait, 247 waitid, "
        "257 openat, 270 pselect6, 271 ppoll, 275 splice, 281 epoll_pwait, 288 accept4, "
        "299 recvmmsg, 426 io_uring_enter, 441 epoll_pwait2, 449 futex_waitv"
    ),
    "aarch64": _numbered(
        "22 epoll_pwait, 25 fcntl, 29 ioctl, 32 flock, 56 openat, 63 read, 64 write, 65 readv, "
        "66 writev, 67 pread64, 71 sendfile, 72 pselect6, 73 ppoll, 76 splice, 82 fsync, "
        "83 fdatasync, 95 waitid, 98 futex, 101 nanosleep, 115 clock_nanosleep, "
        "128 restart_syscall, 133 rt_sigsuspend, 137 rt_sigtimedwait, 188 msgrcv, "
        "192 semtimedop, 193 semop, 202 accept, 203 connect, 206 sendto, 207 recvfrom, "
        "211 sendmsg, 212 recvmsg, 242 accept4, 243 recvmmsg, 260 wait4, 426 io_uring_enter, "
        "441 epoll_pwait2, 449 futex_waitv"
    ),
}
#: Where a call that a signal has interrupted waits on, by the kernel function it is in.
_RESTARTED = (("nanosleep", "sleep"), ("futex", "lock"), ("poll", "poll"))
#: The same of calls that are not shown; the first that is in the function's name.
_UNSHOWN = (
    *(
        ("futex", "lock"),
        ("nanosleep", "sleep"),
        ("locks_lock", "flock"),
        ("flock", "flock"),
        ("posix_lock", "lockf"),
    ),
    *(("pipe_read", "read pipe"), ("pipe_wait", "read pipe"), ("accept", "accept")),
    *(("wait_woken", "recv"), ("stream_read", "recv"), ("do_wait", "child")),
    *(("epoll", "epoll_wait"), ("poll", "poll")),
)
#: Commands of fcntl(2) that wait for a lock, of a process and of an open file.
_LOCKING = (7, 38)
_P_PID, _POLLIN, _ABSOLUTE = 1, 1, 1
#: Operations of futex(2) with a limit that is a moment, not a time; and their flag for the clock.
_MOMENTS, _REALTIME, _OPERATION = (9, 11), 256, 127
#: Which argument is the limit in milliseconds, or points to it.
_MILLISECONDS = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}
_POINTERS = {"ppoll": 2, "select": 4, "pselect6": 4, "epoll_pwait2": 3, "rt_sigtimedwait": 2}
_POINTERS.update({"nanosleep": 0, "clock_nanosleep": 2, "futex": 3, "semtimedop": 3})
_ENDLESS = float("inf")


class Wait:
    """What a thread waits for: `on` in the words of ``Blocked.on``.

    :ivar fd: the descriptor that it waits for; -1 for none.
    :ivar limit: seconds until it goes on by itself at the latest; NaN if that is not known.
    :ivar is_futex: whether it waits for another thread: for a lock, or to get the GIL.
    :ivar others: threads that run and may end it at any moment, each with the seconds of processor
        time that it has had; NaN where these are not known.
    :ivar request: the number of the request to the origin for whose answer it waits; 0 for none.
    """

    def __init__(self, on: str, fd: int = -1, limit: float = _ENDLESS) -> None:
        self.on = on
        self.fd = fd
        self.limit = limit
        self.is_futex: bool = on == "lock"
        self.others: dict[int, float] = {}
        self.request: int = 0

    @property
    def is_timed(self) -> bool:
        """Whether the thread goes on by itself, or nothing is known of that."""
        return self.limit != _ENDLESS


def parsed(line: str, machine: str) -> tuple[str, tuple[int, ...]]:
    """Return the name of the system call in a line of ``syscall``, and its arguments.

    The name is empty for a thread that is in none; one without a name is known by its number.
    """
    number, *words = line.split() or [""]
    if not number.isdigit():  # "running", and -1 for one that runs no system call
        return "", ()
    calls = _CALLS.get(machine, {}) if sys.maxsize > 1 << 32 else {}
    name = calls.get(int(number), "system call %s" % number)
    return name, tuple(int(word, 16) for word in words[:6])


def judged(name: str, arguments: tuple[int, ...], process: Process) -> Wait:
    """Return what a thread waits for in that system call."""
    if name == "restart_syscall":
        where = process.kernel_function()
        found = [on for word, on in _RESTARTED if word in where]
        return Wait(found[0] if found else name, limit=float("nan"))
    try:
        on, fd = _on(name, process, *arguments[:3])
    except (OSError, ValueError):  # it has been closed, or is not of this kind
        on, fd = name, -1
    try:
        limit = _limit(name, arguments, process)
    except (OSError, ValueError):
        limit = float("nan")
    return Wait(on, fd, limit)


def unshown(process: Process) -> Wait:
    """Return for what a thread that is asleep waits where its system call is not shown."""
    where = process.kernel_function()
    found = [on for word, on in _UNSHOWN if word in where]
    wait = Wait(found[0] if found else "system call", limit=float("nan"))
    wait.is_futex = False  # it may want the GIL
    wait.others = {0: float("nan")}
    return wait


def _on(name: str, process: Process, first: int, second: int, third: int) -> tuple[str, int]:
    if name == "futex":
        return "lock", -1
    if name.endswith("nanosleep") or (name.endswith(("select", "select6")) and not first):
        return "sleep", -1
    if name in ("wait4", "waitid"):
        child = first if name == "wait4" else second * (first == _P_PID)
        return "child %d" % child if 0 < child < 1 << 31 else "child", -1
    if name == "flock" or (name == "fcntl" and second in _LOCKING):
        return "%s %s" % ("flock" if name == "flock" else "lockf", process.file(first)), first
    if name == "connect":
        return ("connect %s" % process.address(second, third)).rstrip(), first
    if name.startswith("accept"):
        return _of_socket(first, process), first
    if name in ("read", "readv", "recvfrom", "recvmsg", "recvmmsg"):
        return _reading(name, first, process), first
    if name in ("poll", "ppoll") and second <= 1:
        # struct pollfd: a descriptor, what is awaited, what there is
        polled = process.memory(first, 8) if second else b""
        if not polled:
            return "sleep", -1
        fd = int.from_bytes(polled[:4], sys.byteorder)
        if int.from_bytes(polled[4:6], sys.byteorder) & _POLLIN:
            return _reading(name, fd, process), fd
        return name, fd
    return name, -1


def _reading(name: str, fd: int, process: Process) -> str:
    if process.is_pipe(fd):
        return "read pipe"
    return _of_socket(fd, process) if process.file(fd).startswith("socket:") else name


def _of_socket(fd: int, process: Process) -> str:
    """Return which connection is awaited, or data of whom."""
    listens, local, remote = process.socket(fd)
    return ("accept %s" % local if listens else "recv %s" % remote).rstrip()


def _limit(name: str, arguments: tuple[int, ...], process: Process) -> float:
    if name in _MILLISECONDS:
        limit = arguments[_MILLISECONDS[name]] & 0xFFFFFFFF
        return _ENDLESS if limit >> 31 else limit / 1000
    if name not in _POINTERS:
        return _ENDLESS
    pointer = arguments[_POINTERS[name]]
    if not pointer:
        return _ENDLESS
    data = process.memory(pointer, 16)
    if len(data) < 16:
        raise ValueError(pointer)
    whole, part = (int.from_bytes(data[i : i + 8], sys.byteorder, signed=True) for i in (0, 8))
    # struct timeval, and struct timespec
    seconds = whole + part / (1_000_000 if name == "select" else 1_000_000_000)
    if name == "clock_nanosleep" and arguments[1] & _ABSOLUTE:
        return seconds - process.now(arguments[0])
    if name == "futex" and arguments[1] & _OPERATION in _MOMENTS:
        return seconds - process.now(0 if arguments[1] & _REALTIME else 1)
    return seconds


class Process:
    """What `judged` asks of the process of a thread; each may raise OSError or ValueError."""

    def file(self, fd: int) -> str:
        """Return the path of an open file, or what the kernel says instead."""
        raise NotImplementedError

    def is_pipe(self, fd: int) -> bool:
        """Return whether a descriptor is a pipe, with or without a name."""
        raise NotImplementedError

    def socket(self, fd: int) -> tuple[bool, str, str]:
        """Return whether a socket listens, its address, and that of the other end, or empty."""
        raise NotImplementedError

    def address(self, pointer: int, size: int) -> str:
        """Return the address in a ``struct sockaddr``."""
        raise NotImplementedError

    def memory(self, pointer: int, size: int) -> bytes:
        """Return what is in its memory."""
        raise NotImplementedError

    def now(self, clock: int) -> float:
        """Return the time of a clock, by its number in clock_gettime(2)."""
        raise NotImplementedError

    def kernel_function(self) -> str:
        """Return where the thread is in the kernel."""
        raise NotImplementedError
