"""Reap the orphans of peers, and kill those of dead ones.

The template is a subreaper (see `launch.session`), and its peers are none: as under any other
process, an orphan is not theirs. So a child of the template that is not known here is an orphan of
a peer. Its mark says of which (see `session.mark`): neither a new session, an empty
environment, nor closed descriptors change it.

``su``, ``runuser`` and ``sudo`` do where they set all limits anew (pam_limits). Then the session
that an orphan is in says it, or that of a process above it; else it may be of any living peer that
was there before it.
"""

import contextlib
import os
import resource
import select
import signal
import sys
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

    def __init__(self, poll, on_end, marked):
        self._poll = poll
        self._on_end = on_end
        self._known = set(procfs.children(os.getpid()))  # imports started these, for all peers
        # Marks that say nothing. Some systems set the limits that process 1 has.
        self._neutral = {resource.RLIM_INFINITY, session.mark_of(1)} if marked else set()
        #: Process descriptor: [number of the request or None, pid, when it became a peer].
        self.peers = {}
        self._dead = {}  # number of the request: pid
        self._zombies = set()  # to be reaped; a debugger that is attached may have them still
        self._condemned = {}  # pid: when it began; found in the sessions of dead peers
        self._lost = set()  # orphans that SIGKILL has not ended in time: nothing waits for them
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
        self.peers[fd] = [None, pid, 0]
        return fd

    def begin(self, fd, number):
        """Note that a child is about to become the peer of that request."""
        began = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        self.peers[fd][::2] = number, int(began)

    def release(self, number):
        """Reap a dead peer: the origin does not need its process id any more."""
        if number in self._dead:
            self._zombies.add(self._dead.pop(number))
            self.tidy()

    def ended(self, fd):
        self._poll.unregister(fd)
        os.close(fd)
        number, pid, _ = self.peers.pop(fd)
        if number is None:
            self._zombies.add(pid)
        else:
            self._dead[number] = pid
            self._condemn(pid)
            strays = self._strays()
            below = [each for stray in strays for each in (stray, *procfs.descendants(stray))]
            if not below and not self._ending:
                self._on_end(number, _status(pid))
                return
            self._ending.append((number, _status(pid)))
            self._deadline = time.monotonic() + session.GONE_SECONDS
            if not any(map(procfs.is_resource_tracker, below)):
                session.sent(os.killpg, pid, signal.SIGKILL)
        self.tidy()

    def tidy(self):
        """Kill strays, reap, report. Return the seconds until the next time; ``None`` for never."""
        late = time.monotonic() >= self._deadline
        strays = self._strays() if self._ending else []
        for pid in strays:
            if late or not procfs.is_resource_tracker(pid):  # which ends by itself
                session.sent(os.kill, pid, signal.SIGKILL)  # then its children are ours
        done = not strays  # not after the last: its children are ours from now on
        if late:
            self._lost.update(strays)
        for pid in (*strays, *self._zombies):
            if os.waitpid(pid, os.WNOHANG)[0]:
                for pids in (self._zombies, self._known, self._lost):
                    pids.discard(pid)
        while self._ending and (done or late):
            self._on_end(*self._ending.pop(0))
            self._condemned.clear()
        if self._ending:
            return _POLL_SECONDS
        return _ZOMBIE_SECONDS if self._zombies else None

    def reap_orphans(self):
        for pid in self._orphans():
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._lost.discard(pid)

    def _orphans(self):
        return [pid for pid in procfs.children(os.getpid()) if pid not in self._known]

    def _strays(self):
        """Return the orphans that no living peer has left."""
        owners = {pid: began for number, pid, began in self.peers.values() if number is not None}
        orphans = (pid for pid in self._orphans() if pid not in self._lost)
        return [pid for pid in orphans if not self._has_owner(pid, owners)]

    def _has_owner(self, pid, owners):
        mark = session.mark_of(pid)
        if mark in self._neutral and mark not in owners:
            began = _began(pid)
            if self._condemned.get(pid) == began:
                return False
            return any(each <= began for each in owners.values())
        return mark in owners

    def _condemn(self, dead):
        """Note what is in the session of a dead peer, and what is below that in any session."""
        for orphan in self._orphans():
            with contextlib.suppress(OSError):
                if os.getsid(orphan) == dead:
                    for pid in (orphan, *procfs.descendants(orphan)):
                        self._condemned[pid] = _began(pid)


def _began(pid):
    """Return when a process began, in ticks since the boot; late if that is hidden from us."""
    try:
        return int(procfs.stat_fields(pid)[19])
    except OSError:
        return sys.maxsize


def _status(pid):
    """Return what a dead child returned, or the signal that ended it as a negative number."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if end is not None:
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    # The kernel tells a debugger that is attached first. `exit_code` is the last field of ``stat``.
    return os.waitstatus_to_exitcode(int(procfs.stat_fields(pid)[49]))
