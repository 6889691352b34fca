"""Look at all threads of many processes, and of what these have started, as if at one moment.

Also sent to peers: those of another machine look at themselves.

What was read of a thread before and after that moment is the same, and it was asleep: so it slept
all the while. Between the two, all that there is has been listed, and was known before. What is
asleep starts no thread and no process. So at that moment there was nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import threads

#: The most threads whose files stay open, two each: it is faster, and a process has 1024.
_MOST_OPEN = 200


class Thread(NamedTuple):
    """A thread of a process, by their numbers."""

    process: int
    number: int


class Root(NamedTuple):
    """A process, and whether it only stands above others that are looked at."""

    process: int
    is_above: bool = False


class Moment(NamedTuple):
    """What a sweep has found."""

    #: All threads that there were.
    known: frozenset[Thread]
    #: Those of them that slept, each with its turns.
    asleep: dict[Thread, str]

    @property
    def awake(self) -> frozenset[Thread]:
        return self.known - self.asleep.keys()


class Sweep:
    """Looks at processes and those below them, each time at those that there are."""

    def __init__(self, roots: Callable[[], Iterable[Root]], without: Iterable[int] = ()) -> None:
        self._roots = roots
        self._without = frozenset(without)
        self._files: dict[Thread, tuple[int, int]] = {}  # ``stat`` and ``schedstat``
        self._known = listed(self._roots(), self._without)

    def close(self) -> None:
        """Close what is open; may be repeated."""
        for each in list(self._files):
            self._forget(each)

    def look(self, meanwhile: Callable[[], object]) -> Moment:
        """Return who slept, at a moment at which `meanwhile` is called."""
        known, before = self._known, {each: self._turns(each) for each in self._known}
        meanwhile()
        self._known = listed(self._roots(), self._without)
        asleep = {
            each: turns
            for each, turns in before.items()
            # In this order: what sleeps, and has not run since, has slept before that too.
            if self._state(each) in threads.ASLEEP and self._turns(each) == turns
        }
        for each in known - self._known:
            self._forget(each)
        return Moment(known | self._known, asleep)

    def _state(self, thread: Thread) -> str:
        files = self._opened(thread)
        return threads.state(*thread) if files is None else threads.state_in(_read(files[0]))

    def _turns(self, thread: Thread) -> str:
        files = self._opened(thread)
        ran = _read(files[1]).strip() if files is not None else ""
        return ran if threads.counts(ran) else threads.turns(*thread)

    def _opened(self, thread: Thread) -> tuple[int, int] | None:
        if thread not in self._files and len(self._files) < _MOST_OPEN:
            with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
                fds = []
                for name in ("stat", "schedstat"):
                    path = "/proc/%d/task/%d/%s" % (*thread, name)
                    fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                    opened.callback(os.close, fds[-1])
                self._files[thread] = fds[0], fds[1]
                opened.pop_all()
        return self._files.get(thread)

    def _forget(self, thread: Thread) -> None:
        for fd in self._files.pop(thread, ()):
            os.close(fd)


def listed(roots: Iterable[Root], without: Iterable[int] = ()) -> frozenset[Thread]:
    """Return the threads of processes, and of all below them."""
    found = set()
    seen, pids = set(without), list(roots)
    while pids:
        pid, is_above = pids.pop()
        if pid in seen:
            continue
        seen.add(pid)
        for number in threads.numbers("/proc/%d/task" % pid):
            if not is_above:
                found.add(Thread(pid, number))
            pids += [Root(child) for child in _children(pid, number)]
    return frozenset(found)


def _read(fd: int) -> str:
    try:
        return os.pread(fd, 1 << 12, 0).decode("utf-8", "surrogateescape")
    except OSError:  # the thread has ended
        return ""


def _children(pid: int, thread: int) -> list[int]:
    """Return the processes that a thread has started and that live."""
    if _lists_children:
        text = threads.contents("/proc/%d/task/%d/children" % (pid, thread), True)
        return [int(word) for word in text.split()]
    if thread != pid:
        return []
    every = {each: threads.contents("/proc/%d/stat" % each) for each in threads.numbers("/proc")}
    parents = {each: stat.rpartition(")")[2].split()[1:2] for each, stat in every.items()}
    return [each for each, parent in parents.items() if parent == [str(pid)]]


#: Whether the kernel has CONFIG_PROC_CHILDREN.
_lists_children: bool = os.path.exists("/proc/thread-self/children")
