"""Give a process that is forked from the template what a new process would have."""

import ctypes
import fcntl
import importlib
import itertools
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

from ...launch import namespaces, procfs, session
from ...launch.lifeline import tie


def begin(parent, lifeline):
    """Begin a session that ends with reaper and origin; return its own end of the lifeline."""
    session.begin(parent)
    main_thread: Any = threading.main_thread()
    main_thread._set_native_id()  # only Python 3.13 does it after a fork
    own = os.open("/proc/self/fd/%d" % lifeline, os.O_RDONLY | os.O_CLOEXEC)
    os.close(lifeline)
    tie(own, os.getpid())  # not the group: resource trackers get their time from the reaper
    return own


def execute(argv, environ, descriptors, numbers):
    """Become another program, which gets `descriptors` as these numbers."""
    # Out of the way of these numbers first, which some of them may have now.
    above = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1 + max(numbers)) for fd in descriptors]
    for fd, number in zip(above, numbers):
        os.dup2(fd, number)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by interpreters, not by all programs
        signal.signal(ignored, signal.SIG_DFL)
    os.execvpe(argv[0], argv, environ)


def become(request, descriptors):
    """Set what the origin has now, and the template has not."""
    for target, fd in enumerate(descriptors):  # stdin, stdout and stderr
        os.dup2(fd, target)
        os.close(fd)
    for name, value in request["changes"].items():
        _SETTERS[name](value)
    # `random` seeds itself again after a fork, numpy does not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    # A directory that the template has listed may have other files now.
    sys.path_importer_cache.clear()


def be_holder(user):
    """In a spare, become what holds a network: make its namespaces, and import what takes long."""
    namespaces.isolate(user)
    _die_with_parent()
    importlib.import_module("pytest_peer.network.holder.holder")


def _enter(paths):
    namespaces.enter(paths)
    _die_with_parent()


def _die_with_parent():
    session.prctl(session.PDEATHSIG, signal.SIGKILL)  # a change of rights has undone it


def _set_variables(variables):
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "TZ" in variables:
        time.tzset()
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None and not variables.keys().isdisjoint(("TMPDIR", "TEMP", "TMP")):
        tempfile.tempdir = None  # it caches what the variables were


def _set_ignored(mask):  # in the kernel's sets of signals, bit 0 is signal 1
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if mask >> (number - 1) & 1:
            signal.signal(number, signal.SIG_IGN)
        elif handler is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


def _take_terminal(_):
    import termios  # few peers have one

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


#: For what the origin's module `inheritance` calls settable.
_SETTERS: Any = {
    "enter": _enter,
    "variables": _set_variables,
    "cwd": os.chdir,
    "umask": os.umask,
    "limits": lambda limits: list(itertools.starmap(resource.setrlimit, limits)),
    "ignored": _set_ignored,
    "blocked": lambda numbers: signal.pthread_sigmask(signal.SIG_SETMASK, numbers),
    "niceness": lambda value: os.setpriority(os.PRIO_PROCESS, 0, value),
    "terminal": _take_terminal,
    "processors": lambda numbers: os.sched_setaffinity(0, numbers),
}


def title_setter():
    """Return a function that overwrites the last word of the command line in ``ps``, in place."""
    end = int(procfs.stat_fields(os.getpid())[46]) - 1  # arg_end, behind the final NUL (proc(5))
    with open("/proc/self/cmdline", "rb") as file:
        room = len(file.read()[:-1].rpartition(b"\0")[2])
    return lambda text: ctypes.memmove(end - room, text.encode()[:room].ljust(room), room)
