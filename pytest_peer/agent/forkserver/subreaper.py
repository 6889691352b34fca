"""Kill what peers leave behind.

Every peer is a subreaper (see `launch.session`), and so is the template. So what a living peer has
started is below that peer, and a child of the template that is not known here is an orphan of a
peer that has ended.
"""

import os
import select
import signal
import time

from ...launch import procfs, session

_POLL_SECONDS = 0.001
#: Seconds between checks whether a debugger or the kernel has let go what has ended.
_ZOMBIE_SECONDS = 0.1


class Subreaper:
    """The children of this process. Only this reaps them, so their numbers stay their own.

    `on_end` is called with the number of a peer's request and its status, when the peer and all
    that it has started are gone.
    """

    def __init__(self, poll, on_end):
        self._poll = poll
        self._on_end = on_end
        self._known = set(procfs.children(os.getpid()))  # imports started these, for all peers
        self.peers = {}  # process descriptor: [number of the request or None, pid]
        self._dead = {}  # number of the request: pid
        self._orphans = set()
        self._zombies = set()  # to be reaped; a debugger that is attached may have them still
        self._ending = []  # arguments for `on_end`, when there are no orphans
        self._deadline = 0.0  # when `on_end` is called although there are some

    def add(self, pid):
        """Watch a new child; return its process descriptor, or raise OSError for want of one."""
        self._known.add(pid)
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            self._zombies.add(pid)
            raise
        self._poll.register(fd, select.EPOLLIN)
        self.peers[fd] = [None, pid]
        return fd

    def release(self, number):
        """Reap a dead peer: the origin does not need its process id any more."""
        if number in self._dead:
            self._zombies.add(self._dead.pop(number))
            self.tidy()

    def ended(self, fd):
        self._poll.unregister(fd)
        os.close(fd)
        number, pid = self.peers.pop(fd)
        if number is None:
            self._zombies.add(pid)
        else:
            self._dead[number] = pid
            below = procfs.descendants(os.getpid(), self._known)
            if not below and not self._ending:
                self._on_end(number, _status(pid))
                return
            self._ending.append((number, _status(pid)))
            self._deadline = time.monotonic() + session.GONE_SECONDS
            if not any(map(procfs.is_resource_tracker, below)):
                session.sent(os.killpg, pid, signal.SIGKILL)
        self.tidy()

    def tidy(self):
        """Kill orphans, reap, report. Return the seconds until the next time; ``None`` for never."""
        late = time.monotonic() >= self._deadline
        if self._ending:
            self._orphans |= set(procfs.children(os.getpid())) - self._known
            for pid in self._orphans:
                if late or not procfs.is_resource_tracker(pid):  # which ends by itself
                    session.sent(os.kill, pid, signal.SIGKILL)  # then its children are ours
        done = not self._orphans  # not after the last: its children are ours from now on
        for pids in (self._orphans, self._zombies):
            for pid in list(pids):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    pids.discard(pid)
                    self._known.discard(pid)
        while self._ending and (done or late):
            self._on_end(*self._ending.pop(0))
        if self._ending:
            return _POLL_SECONDS
        return _ZOMBIE_SECONDS if self._zombies or self._orphans else None


def _status(pid):
    """Return what a dead child returned, or the signal that ended it as a negative number."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if end is not None:
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    # The kernel tells a debugger that is attached first. `exit_code` is the last field of ``stat``.
    return os.waitstatus_to_exitcode(int(procfs.stat_fields(pid)[49]))
