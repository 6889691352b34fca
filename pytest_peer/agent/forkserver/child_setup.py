"""Gives a process forked from the template what a new process would have."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def begin(parent, lifeline):
    """Become a process of its own, before it is known for whom: a session, and an end with the template's and the origin's.

    Its parent has one thread and no end before its own, so the signal that the kernel sends when the starting *thread* ends
    (prctl(2)) means what it says here.

    :param lifeline: the descriptor of the template; -1 for none. Returned is an own one.
    """
    os.setsid()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)
    adopt()
    threading.main_thread()._set_native_id()  # only Python 3.13 does it after a fork
    if lifeline < 0:
        return lifeline
    own = os.open("/proc/self/fd/%d" % lifeline, os.O_RDONLY | os.O_CLOEXEC)
    os.close(lifeline)
    # As the origin's module `lifeline` does it, which says why.
    fcntl.fcntl(own, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(own, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, os.O_ASYNC)
    return own


def adopt():
    """Be the parent of descendants whose own has ended, so that they can be found, whatever session they are in."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def above(numbers, descriptors):
    """The same descriptors out of the way of these numbers, one of which may be another's now."""
    return [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1 + max(numbers)) for fd in descriptors]


def execute(argv, environ, descriptors, numbers):
    """Become another program, which has `descriptors` under these numbers.

    :raises OSError: there is no such program.
    """
    for fd, number in zip(above(numbers, descriptors), numbers):
        os.dup2(fd, number)
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # an interpreter ignores them, other programs need not
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(argv[0], argv, environ)


def become(request, descriptors):
    """Set all that the origin has and the template has not, or no more.

    :param descriptors: what stdin, stdout and stderr shall be.
    :raises OSError: the directory is gone, or something is not permitted.
    """
    for target, fd in enumerate(descriptors):
        os.dup2(fd, target)
        os.close(fd)
    changes = request["changes"]
    _set_environment(request["variables"])
    _set_signals(changes)
    if "umask" in changes:
        os.umask(changes["umask"])
    if "niceness" in changes:
        os.setpriority(os.PRIO_PROCESS, 0, changes["niceness"])
    if "processors" in changes:
        os.sched_setaffinity(0, changes["processors"])
    for limit, soft, hard in changes.get("limits", ()):
        resource.setrlimit(limit, (soft, hard))
    if "cwd" in changes:
        os.chdir(changes["cwd"])
    _forget_what_was_seen()


def _set_environment(variables):
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "TZ" in variables:
        time.tzset()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None and not variables.keys().isdisjoint(("TMPDIR", "TEMP", "TMP")):
        tempfile.tempdir = None  # it remembers what the variables said


def _set_signals(changes):
    # A set of signals is the kernel's: signal 1 is bit 0.
    if "ignored" in changes:
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if changes["ignored"] >> (number - 1) & 1:
                signal.signal(number, signal.SIG_IGN)
            elif handler is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
                default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, default)
    if "blocked" in changes:
        blocked = {number for number in range(1, 65) if changes["blocked"] >> (number - 1) & 1}
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _forget_what_was_seen():
    # `random` seeds itself anew after a fork, numpy does not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    # A directory that the template has listed may have other files by now.
    sys.path_importer_cache.clear()


prctl = ctypes.CDLL(None, use_errno=True).prctl


class Title:
    """The last word of the command line, which ``ps`` shows; written over in place, so it never gets longer."""

    def __init__(self):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        self._end = int(fields[46]) - 1  # arg_end, behind the final NUL (proc(5), fields 48 and 49)
        with open("/proc/self/cmdline", "rb") as file:
            self._room = len(file.read()[:-1].rpartition(b"\0")[2])

    def set(self, text):
        data = text.encode()[: self._room].ljust(self._room)
        ctypes.memmove(self._end - self._room, data, self._room)
