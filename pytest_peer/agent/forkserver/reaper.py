"""Make peers with reapers; reap the orphans of peers, and kill what dead peers leave.

Each peer has a parent of its own, its *reaper*: a subreaper (see `launch.session`), below which is
all that the peer has started, and nothing else. A reaper runs no code of tests. When its peer has
ended, it kills the rest and ends; so it does when the server has ended. The zombie of the peer is
the server's then, and so is everything below a reaper that was killed, after which the kernel kills
the peer.

What a process writes after a fork is memory that its child holds alone from then on. So reapers are
forked by the *zygote*, a child of the server which does nothing else.
"""

import _signal  # type: ignore[import-not-found]  # makes no enumerations, and so fewer pages
import ctypes
import os
import select
import signal
import socket
from typing import Any

from ...launch import procfs, session

#: What wakes a reaper: the end of a child; that of the zygote, or the server, for a traced peer.
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
#: Seconds between looks at a reaper of whose end a debugger keeps the server from knowing.
_POLL_SECONDS = 0.01

_c: Any = ctypes.PyDLL(None, use_errno=True)
#: Found before a fork: the child writes to no pages for it, and holds the interpreter's locks.
_before_fork, _after_fork = _c.PyOS_BeforeFork, _c.PyOS_AfterFork_Child


def fork_reapers(server: int, zygote: Any, set_title: Any) -> Any:
    """In a child of the server's, be the zygote. Returns in peers only.

    For each socket that comes over `zygote`, fork a reaper, which forks a peer and tells the socket
    its own pid and that of the peer, or minus the error number for which there is none. Return that
    socket, the pid of the reaper, and the signals that are blocked.
    """
    session.begin(server)
    set_title("pytest-peer-reaper")  # and so it is theirs
    most = 2 + max(map(int, os.listdir("/proc/self/fd")))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps reapers
    own = os.getpid()
    while True:
        _, (fd,), _, _ = socket.recv_fds(zygote, 1, 1)
        connection = socket.socket(fileno=fd)
        if _fork(connection) == 0:
            zygote.close()
            return connection, *_begin(own, connection, most)
        connection.close()


def _fork(connection: Any) -> int:
    """Fork without Python's hooks: a reaper needs none, and they write to a hundred pages."""
    pid: int = _c.fork()
    if pid < 0:
        connection.send(b"0 -%d" % ctypes.get_errno())
    return pid


def _begin(zygote: int, connection: Any, most: int) -> tuple[int, set[int]]:
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
    connection.send(b"%d %d" % (own, peer))
    os.closerange(0, most)  # left open, they would keep the others' from ending
    while _signal.sigwaitinfo(_SIGNALS).si_signo == signal.SIGCHLD:
        if session.reap_orphans(peer):
            break
    session.sent(os.kill, peer, signal.SIGKILL)
    session.kill_below(zombie=peer)
    os._exit(0)


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
        #: Process descriptor of a peer or spare: [number of the request or None, pid, reaper].
        self.peers = {}
        self._ending = []  # such lists, of dead peers whose reaper has not ended yet
        self._dead = {}  # number of the request: pid

    def add(self, reaper, pid):
        """Watch a spare; return its process descriptor, or raise OSError for want of one."""
        fd = os.pidfd_open(pid)
        self._poll.register(fd, select.EPOLLIN)
        self.peers[fd] = [None, pid, reaper]
        self._known.add(pid)
        return fd

    def release(self, number):
        """Reap a dead peer: the origin does not need its process id any more."""
        if number in self._dead:
            pid = self._dead.pop(number)
            self._known.discard(pid)
            if not os.waitpid(pid, os.WNOHANG)[0]:  # a debugger has it still
                self._lost.add(pid)

    def ended(self, fd):
        self._poll.unregister(fd)
        os.close(fd)
        peer = self.peers.pop(fd)
        _, pid, reaper = peer
        status = procfs.of_process(pid)
        # The kernel has told only that debugger. A reaper that was killed is no parent any more.
        if status is not None and status.tracer and status.parent == reaper:
            session.sent(os.kill, reaper, signal.SIGTERM)
        self._ending.append(peer)

    def tidy(self):
        """Report peers whose reapers have ended, and reap; return the seconds to the next time."""
        for peer in self._ending[:]:
            number, pid, _ = peer
            try:
                status = _status(pid)
            except ChildProcessError:
                continue  # it is still the reaper's
            self._ending.remove(peer)
            session.kill_below(self._known | self._lost)  # if the reaper was killed
            self._lost = set(procfs.children(os.getpid())) - self._known
            if number is None:
                self._known.discard(pid)
            else:
                self._dead[number] = pid
                self._on_end(number, status)
        for pid in procfs.children(os.getpid()):
            if pid not in self._known and os.waitpid(pid, os.WNOHANG)[0]:
                self._lost.discard(pid)
        return _POLL_SECONDS if self._ending else None


def _status(pid):
    """Return what a dead child returned, or the signal that ended it as a negative number."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if end is not None:
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    # The kernel tells a debugger that is attached first. `exit_code` is the last field of ``stat``.
    return os.waitstatus_to_exitcode(int(procfs.stat_fields(pid)[49]))
