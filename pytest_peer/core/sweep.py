"""Look at all threads of many processes, and of what these have started, as if at one moment.

Also sent to peers: those of another machine look at themselves.

What was read of a thread before and after that moment is the same, and it was asleep: so it slept
all the while. Between the two, all that there is has been listed, and was known before. What is
asleep starts no thread and no process. So at that moment there was nothing else.

But the kernel says of a thread that it is asleep, or has ended, already while it runs on its way to
that, and notes its times only when it leaves the processor. So where all seem to be asleep, their
system calls have to be read too: before that, the kernel waits until the thread has left it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import threads

#: The most files that stay open: it is faster, and a process may have 1024.
_MOST_OPEN = 400
#: One read gives so much of a file at most.
_PAGE = 1 << 12


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
        self._files = _Files()
        self._known = self._listed()

    def close(self) -> None:
        """Close what is open; may be repeated."""
        self._files.close()

    def look(self, meanwhile: Callable[[], object]) -> Moment:
        """Return who slept, at a moment at which `meanwhile` is called."""
        known, before = self._known, {each: self._turns(each) for each in self._known}
        meanwhile()
        self._known = self._listed()
        asleep = {
            each: turns
            for each, turns in before.items()
            # In this order: what sleeps, and has not run since, has slept before that too.
            if self._state(each) in threads.ASLEEP and self._turns(each) == turns
        }
        self._files.forget(known - self._known)
        return Moment(known | self._known, asleep)

    def confirmed(self, moment: Moment) -> Moment:
        """Return the moment without the sleep of those that have not left their processor yet."""
        asleep = {each: turns for each, turns in moment.asleep.items() if self._off(each, turns)}
        return moment._replace(asleep=asleep)

    def _off(self, thread: Thread, turns: str) -> bool:
        # Where the system call is not shown to this user, the state has to do.
        shown = self._files.read(thread, "syscall")
        return not shown.startswith("running") and self._turns(thread) == turns

    def _listed(self) -> frozenset[Thread]:
        return listed(self._roots(), self._without, self._files.read)

    def _state(self, thread: Thread) -> str:
        return threads.state_in(self._files.read(thread, "stat"))

    def _turns(self, thread: Thread) -> str:
        ran = self._files.read(thread, "schedstat").strip()
        return ran if threads.counts(ran) else threads.turns(*thread)


class _Files:
    """Files of threads, which stay open as far as there is room."""

    def __init__(self) -> None:
        self._open: dict[Thread, dict[str, int]] = {}
        self._count = 0

    def read(self, thread: Thread, name: str) -> str:
        """Return what is in a file of a thread; empty if it has ended."""
        files = self._open.setdefault(thread, {})
        if name not in files:
            try:
                if self._count >= _MOST_OPEN:
                    return _contents(thread, name)
                files[name] = os.open(_path(thread, name), os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return ""
            self._count += 1
        try:
            data = os.pread(files[name], _PAGE, 0)
        except OSError:  # it has ended; its number may get a new owner
            self.forget([thread])
            return ""
        if len(data) >= _PAGE // 2:  # perhaps there is more
            return _contents(thread, name)
        return data.decode("utf-8", "surrogateescape")

    def forget(self, those: Iterable[Thread]) -> None:
        """Close the files of these threads."""
        for each in those:
            for fd in self._open.pop(each, {}).values():
                self._count -= 1
                os.close(fd)

    def close(self) -> None:
        """Close all; may be repeated."""
        self.forget(list(self._open))


def _path(thread: Thread, name: str) -> str:
    return "/proc/%d/task/%d/%s" % (*thread, name)


def _contents(thread: Thread, name: str) -> str:
    return threads.contents(_path(thread, name), True)


def listed(
    roots: Iterable[Root],
    without: Iterable[int] = (),
    read: Callable[[Thread, str], str] = _contents,
) -> frozenset[Thread]:
    """Return the threads of processes, and of all below them; `read` gives their files."""
    found = set()
    seen, pids = set(without), list(roots)
    while pids:
        pid, is_above = pids.pop()
        if pid in seen:
            continue
        seen.add(pid)
        # What only stands above others is a reaper, and has one thread.
        for number in [pid] if is_above else threads.numbers("/proc/%d/task" % pid):
            thread = Thread(pid, number)
            if not is_above:
                found.add(thread)
            pids += [Root(child) for child in _children(thread, read)]
    return frozenset(found)


def _children(thread: Thread, read: Callable[[Thread, str], str]) -> list[int]:
    """Return the processes that a thread has started and that live."""
    if _lists_children:
        return [int(word) for word in read(thread, "children").split()]
    pid = thread.process
    if thread.number != pid:
        return []
    every = {each: threads.contents("/proc/%d/stat" % each) for each in threads.numbers("/proc")}
    parents = {each: stat.rpartition(")")[2].split()[1:2] for each, stat in every.items()}
    return [each for each, parent in parents.items() if parent == [str(pid)]]


#: Whether the kernel has CONFIG_PROC_CHILDREN.
_lists_children: bool = os.path.exists("/proc/thread-self/children")
