"""Look at all threads of many processes, and of what these have started, as if at one moment.

What was read of a thread before and after that moment is the same, and it was asleep: so it slept
all the while. Between the two, all that there is has been listed, and was known before. What is
asleep starts no thread and no process. So at that moment there was nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...core import threads
from ...launch import procfs

#: The most threads whose files stay open, two each: it is faster, and a process has 1024.
_MOST_OPEN = 200


class Thread(NamedTuple):
    """A thread of a process, by their numbers."""

    process: int
    number: int


#: A process, and whether it only stands above others that are looked at.
Root = tuple[int, bool]


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

    def __init__(self, roots: Callable[[], Iterable[Root]]) -> None:
        self._roots = roots
        self._files: dict[Thread, tuple[int, int]] = {}  # ``stat`` and ``schedstat``
        self._known = listed(self._roots())

    def close(self) -> None:
        """Close what is open; may be repeated."""
        for each in list(self._files):
            self._forget(each)

    def look(self, meanwhile: Callable[[], object]) -> Moment:
        """Return who slept, at a moment at which `meanwhile` is called."""
        known, before = self._known, {each: self._turns(each) for each in self._known}
        meanwhile()
        self._known = listed(self._roots())
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
                    path = f"/proc/{thread.process}/task/{thread.number}/{name}"
                    fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                    opened.callback(os.close, fds[-1])
                self._files[thread] = fds[0], fds[1]
                opened.pop_all()
        return self._files.get(thread)

    def _forget(self, thread: Thread) -> None:
        for fd in self._files.pop(thread, ()):
            os.close(fd)


def listed(roots: Iterable[Root]) -> frozenset[Thread]:
    """Return the threads of processes, and of all below them."""
    found = set()
    seen, pids = {os.getpid()}, list(roots)  # it may be below one that is watched
    while pids:
        pid, is_above = pids.pop()
        if pid in seen:
            continue
        seen.add(pid)
        for number in threads.numbers(f"/proc/{pid}/task"):
            if not is_above:
                found.add(Thread(pid, number))
            pids += [(child, False) for child in _children(pid, number)]
    return frozenset(found)


def _read(fd: int) -> str:
    try:
        return os.pread(fd, 1 << 12, 0).decode("utf-8", "surrogateescape")
    except OSError:  # the thread has ended
        return ""


def _children(pid: int, thread: int) -> list[int]:
    """Return the processes that a thread has started and that live."""
    if _lists_children:
        text = threads.contents(f"/proc/{pid}/task/{thread}/children", True)
        return [int(word) for word in text.split()]
    return procfs.children(pid) if thread == pid else []


#: Whether the kernel has CONFIG_PROC_CHILDREN.
_lists_children: bool = os.path.exists("/proc/thread-self/children")
