"""Kills what peers have left, and all at the end of the origin.

The kernel gives descendants whose parent has ended to the nearest *subreaper* above them (prctl(2)). Every peer is one, and so is
the template. So what a living peer has started is below that peer, whatever session it is in; and a child of the template that is
not known here was left by a peer that has ended.
"""

from __future__ import annotations

import os
import select
import signal
import time

from . import child_setup

#: What was killed is gone in less, unless the kernel waits for a disk. Then its peer's end is told without waiting on.
_STRAY_SECONDS = 2.0
_POLL_SECONDS = 0.001
#: Between looks whether a debugger has let go what has ended.
_HELD_SECONDS = 0.1


class Subreaper:
    """The children of this process, none of which is reaped without its knowledge: so the numbers are theirs.

    :param poll: an epoll object, on which the descriptors of processes are watched.
    :param told: called with the number of a peer and its status, when it and all that it has started are gone.
    """

    def __init__(self, poll, told):
        self._poll = poll
        self._told = told
        self._known = set()
        # To be reaped as soon as they can be: a debugger that is attached may have them still.
        self._held = set()
        self._peers = {}  # process descriptor: (number of the request, pid)
        self._dead = {}  # number of the request: pid
        self._strays = {}  # process descriptor: pid; left by peers that have ended, and killed
        self._ending = []  # what is to be told when there are no strays
        self._told_by = 0.0  # when it is told anyway
        child_setup.adopt()

    def add(self, pid):
        """It has been born; returned is its descriptor.

        :raises OSError: there are no more descriptors.
        """
        self._known.add(pid)
        return self._watched(pid)

    def name(self, fd, number, pid):
        """It is the peer of that number."""
        self._peers[fd] = number, pid

    def signal(self, number, signal_number):
        """Send a signal to a peer, and to what it has started and that has not left its group."""
        for each, pid in self._peers.values():
            if each == number:
                _kill(os.killpg, pid, signal_number)

    def forget(self, fd, pid):
        """It has ended, or will at once, and is nobody's peer."""
        if fd >= 0:
            self._unwatch(fd)
        self.reap(pid)

    def reap(self, pid):
        """Let it go; later, if a debugger has it: nothing here waits for somebody else's sake."""
        self._held.add(pid)
        self._reap_held()

    def _reap_held(self):
        for each in list(self._held):
            if os.waitpid(each, os.WNOHANG)[0]:
                self._held.discard(each)
                self._known.discard(each)

    def let_go(self, number):
        """The origin has done with the number of a dead peer's process."""
        if number in self._dead:
            self.reap(self._dead.pop(number))

    def close_descriptors(self):
        """In a child, which has nothing to do with the others."""
        for fd in [*self._peers, *self._strays]:
            os.close(fd)

    def tolerate_children(self):
        """Those that there are now."""
        self._known.update(self._children())

    def patience(self):
        """How long the next event may be waited for; ``None`` for ever."""
        if self._ending and time.monotonic() >= self._told_by:
            self._tell()  # whether or not all that was left is gone
        limits = [self._told_by - time.monotonic()] if self._ending else []
        if self._held:
            self._reap_held()
            limits.append(_HELD_SECONDS)
        return min(limits, default=None)

    def ended(self, fd):
        """A peer has, or what one has left."""
        self._unwatch(fd)
        if fd in self._strays:
            self.reap(self._strays.pop(fd))
        else:
            number, pid = self._peers.pop(fd)
            self._dead[number] = pid
            self._ending.append((number, _status(pid)))
            self._told_by = time.monotonic() + _STRAY_SECONDS
            _kill(os.killpg, pid)
        if self._ending:
            self._sweep()

    def _tell(self):
        ending, self._ending = self._ending, []
        for number, status in ending:
            self._told(number, status)

    def end_all(self):
        """Kill everything, and return when it is gone."""
        for _, pid in self._peers.values():
            _kill(os.killpg, pid)
        deadline = time.monotonic() + _STRAY_SECONDS
        while time.monotonic() < deadline:
            for pid in self._children():
                _kill(os.kill, pid)  # what it has started is ours then
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(_POLL_SECONDS)

    def _sweep(self):
        for pid in self._children():
            if pid not in self._known:
                self._known.add(pid)
                _kill(os.kill, pid)
                try:
                    self._strays[self._watched(pid)] = pid
                except OSError:
                    pass  # no more descriptors: it is reaped at the end
        if not self._strays:
            self._tell()

    def _watched(self, pid):
        fd = os.pidfd_open(pid)
        self._poll.register(fd, select.EPOLLIN)
        return fd

    def _unwatch(self, fd):
        self._poll.unregister(fd)
        os.close(fd)

    def _children(self):
        try:
            return [pid for pid, _ in _children() if pid > 0]
        except OSError:  # a kernel that does not tell (CONFIG_PROC_CHILDREN)
            return list(self._known)


def _children():
    """The numbers of our children: that which we know each by, and that which ``/proc`` does."""
    with open("/proc/thread-self/children") as file:
        pids = file.read().split()
    if os.readlink("/proc/self") == str(os.getpid()):
        return [(int(pid), pid) for pid in pids]
    return [(_number_here(pid), pid) for pid in pids]


def _number_here(pid):
    """Where ``/proc`` is that of an outer namespace (``unshare --pid`` without ``--mount-proc``): the number that we know it by."""
    depth = len(_numbers("self")) - 1
    try:
        return int(_numbers(pid)[depth])
    except OSError:  # it is gone
        return -1


def _number_there(pid):
    """The number by which ``/proc`` knows a child of ours."""
    try:
        return dict(_children()).get(pid, pid)
    except OSError:  # a kernel that does not tell
        return pid


def _numbers(pid):
    with open("/proc/%s/status" % pid) as file:
        return next(line.split()[1:] for line in file if line.startswith("NSpid:"))


def _status(pid):
    """What a child that has ended returned, or the signal that ended it as a negative number."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if end is not None:
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    # Its debugger is told first, and we when that has heard it; the kernel shows it to all (proc(5), `exit_code`).
    with open("/proc/%s/stat" % _number_there(pid), "rb") as file:
        status = int(file.read().rpartition(b")")[2].split()[49])
    number = status & 0x7F
    return -number if number else status >> 8


def _kill(kill, pid, number=signal.SIGKILL):
    try:
        kill(pid, number)
    except OSError:
        pass  # it belongs to another user by now; or is no leader of a group yet, and ends by itself
