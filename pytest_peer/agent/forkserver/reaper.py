"""Make peers with reapers; reap the orphans of peers, and kill what dead peers leave.

Each peer has a parent of its own, its *reaper*: a subreaper (see `launch.session`), below which is
all that the peer has started, and nothing else. A reaper runs no code of tests. When its peer has
ended, it kills the rest and ends; so it does when the server has ended. The zombie of the peer is
the server's then, and so is everything below a reaper that was killed. The server kills that.

What a process writes after a fork is memory that its child holds alone from then on. So reapers are
forked by the *zygote*, a child of the server which does nothing else.
"""

import _signal  # type: ignore[import-not-found]  # makes no enumerations, and so fewer pages
import ctypes
import os
import select
import signal
import socket
import time
from typing import Any

from ...launch import procfs, session
from ...launch.lifeline import tie

#: What wakes a reaper: the end of a child; that of the zygote, or the server, for a traced peer.
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
#: Seconds for a reaper to end after its peer. Then the server kills it, and does its work: it is
#: stopped. It takes 2 s where the kernel does not let something end.
_REAPER_SECONDS = 5.0

_c: Any = ctypes.PyDLL(None, use_errno=True)
#: Found before a fork: the child writes to no pages for it, and holds the interpreter's locks.
_before_fork, _after_fork = _c.PyOS_BeforeFork, _c.PyOS_AfterFork_Child


def fork_reapers(server: int, zygote: Any, lifeline: int, set_title: Any) -> Any:
    """In a child of the server's, be the zygote. Returns in peers only.

    For each socket that comes over `zygote`, with the kind of a spare, fork a reaper, which forks a
    peer and tells the socket its own pid and that of the peer, or minus the error number for which
    there is none. Return the kind, that socket, the pid of the reaper, and the signals that are
    blocked.
    """
    session.begin(server)
    set_title("pytest-peer-reaper")  # and so it is theirs
    most = 2 + max(map(int, os.listdir("/proc/self/fd")))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps reapers
    own = os.getpid()
    while True:
        kind, (fd,), _, _ = socket.recv_fds(zygote, 1, 1)
        connection = socket.socket(fileno=fd)
        if _fork(connection) == 0:
            zygote.close()
            return kind.decode(), connection, *_begin(own, connection, lifeline, most)
        connection.close()


def _fork(connection: Any) -> int:
    """Fork without Python's hooks: a reaper needs none, and they write to a hundred pages."""
    pid: int = _c.fork()
    if pid < 0:
        connection.send(b"0 -%d" % ctypes.get_errno())
    return pid


def _begin(zygote: int, connection: Any, lifeline: int, most: int) -> tuple[int, set[int]]:
    """Become a reaper. Returns in its peer only."""
    _signal.signal(signal.SIGCHLD, _signal.SIG_DFL)
    blocked = _signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    session.prctl(session.PDEATHSIG, signal.SIGTERM)
    own = os.getpid()
    if os.getppid() != zygote:  # it ended before
        os._exit(1)
    session.prctl(session.SUBREAPER, 1)
    peer = _fork(connection)
    if peer < 0:
        os._exit(1)
    if peer == 0:
        _before_fork()
        _after_fork()
        return own, blocked
    kept = most
    try:
        kept = os.open("/proc/self/fd/%d" % lifeline, os.O_RDONLY)
        tie(kept, own, _signal.SIGCONT)  # it may be stopped when the origin ends
    except OSError:  # there is no lifeline, or no descriptor left
        pass
    connection.send(b"%d %d" % (own, peer))
    os.closerange(0, kept)  # left open, they would keep the others' from ending
    os.closerange(kept + 1, most)
    while _signal.sigwaitinfo(_SIGNALS).si_signo == signal.SIGCHLD:
        if session.reap_orphans(peer):
            break
    session.sent(os.kill, peer, signal.SIGKILL)
    session.kill_below(zombie=peer)
    os._exit(0)


class Child:
    """A peer or spare, and its reaper."""

    def __init__(self, reaper, pid):
        self.reaper = reaper
        self.pid = pid
        self.number = None  # of the request; a spare has none
        self.descriptors = []  # of both processes, while they run
        self.deadline = 0.0  # when a reaper that outlives it is killed


class Children:
    """What is below the server. Only this reaps peers, so their numbers stay their own.

    `on_end` is called with the number of a peer's request and its status, when the peer and all
    that it has started are gone.
    """

    def __init__(self, poll, on_end):
        self._poll = poll
        self._on_end = on_end
        self._known = set(procfs.children(os.getpid()))  # peers, and what is there for all of them
        self._lost = set()  # what SIGKILL has not ended in time: nothing waits for it
        self._watched = {}  # process descriptor of a peer, spare or reaper: the `Child`
        self._ending = []  # dead peers whose reaper has not ended yet, or the other way round
        self._dead = {}  # number of the request: pid

    def add(self, reaper, pid):
        """Watch a spare and its reaper, or raise OSError for want of descriptors."""
        child = Child(reaper, pid)
        try:
            for each in (pid, reaper):
                fd = os.pidfd_open(each)
                child.descriptors.append(fd)
                self._watched[fd] = child
                self._poll.register(fd, select.EPOLLIN)
        except OSError:
            self._forget(*child.descriptors)
            raise
        self._known.add(pid)
        return child

    def release(self, number):
        """Reap a dead peer: the origin does not need its process id any more."""
        if number in self._dead:
            pid = self._dead.pop(number)
            self._known.discard(pid)
            if not os.waitpid(pid, os.WNOHANG)[0]:  # a debugger has it still
                self._lost.add(pid)

    def ended(self, fd):
        """Note the end of a peer, spare or reaper; return the `Child`."""
        child = self._watched[fd]
        self._forget(fd)
        if child not in self._ending:
            child.deadline = time.monotonic() + _REAPER_SECONDS
            self._ending.append(child)
        status = procfs.of_process(child.pid)
        # The kernel has told only that debugger. A reaper that was killed is no parent any more.
        if status is not None and status.tracer and status.parent == child.reaper:
            session.sent(os.kill, child.reaper, signal.SIGTERM)
        return child

    def tidy(self):
        """Report peers whose reapers have ended, and reap; return the seconds to the next time."""
        for child in self._ending[:]:
            try:
                status = _status(child.pid)
            except ChildProcessError:  # it is still the reaper's
                if time.monotonic() > child.deadline:
                    session.sent(os.kill, child.reaper, signal.SIGKILL)
                continue
            if status is None:  # the reaper was killed; the kernel spares what has changed its user
                session.sent(os.kill, child.pid, signal.SIGKILL)
                continue
            self._ending.remove(child)
            self._forget(*child.descriptors)
            session.kill_below(self._known | self._lost)  # if the reaper was killed
            self._lost = set(procfs.children(os.getpid())) - self._known
            if child.number is None:
                self._known.discard(child.pid)
            else:
                self._dead[child.number] = child.pid
                self._on_end(child.number, status)
        for pid in procfs.children(os.getpid()):
            if pid not in self._known and os.waitpid(pid, os.WNOHANG)[0]:
                self._lost.discard(pid)
        return _REAPER_SECONDS if self._ending else None

    def _forget(self, *descriptors):
        for fd in descriptors:
            self._watched.pop(fd).descriptors.remove(fd)
            os.close(fd)  # and `_poll` forgets it


def _status(pid):
    """Return what a dead child returned, or the signal that ended it as a negative number.

    ``None`` if it lives. Raises ChildProcessError if it is not our child.
    """
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if end is not None:
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    # The kernel tells a debugger that is attached first. `exit_code` is the last field of ``stat``.
    fields = procfs.stat_fields(pid)
    return os.waitstatus_to_exitcode(int(fields[49])) if fields[0] == b"Z" else None
