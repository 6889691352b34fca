"""Find the processes that have what a thread waits for: a file lock, an end of a pipe or socket."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ...core import threads
from ...core.syscalls import Wait

#: The words of waits, and the kinds of locks in ``fdinfo`` that they wait for.
_LOCKS = {"flock": ("FLOCK",), "lockf": ("POSIX", "OFDLCK")}
_WRITES = (os.O_WRONLY, os.O_RDWR)


def holders(pid: int, wait: Wait, among: Iterable[int]) -> set[int]:
    """Return those processes that have what a thread of `pid` waits for, without `pid` itself."""
    word = wait.on.partition(" ")[0]
    others = [each for each in among if each != pid]
    if wait.fd < 0:
        return set()
    try:
        if word in _LOCKS:
            return _lockers(_identity(pid, wait.fd), _LOCKS[word], others)
        if wait.on == "read pipe":
            return _writers(_identity(pid, wait.fd), others)
        if word == "recv":
            return _other_end(pid, wait.fd, others)
    except OSError:  # it has just been closed, or is another user's
        pass
    return set()


def _lockers(file: tuple[int, int], kinds: tuple[str, ...], among: Iterable[int]) -> set[int]:
    return {
        pid
        for pid, fd in _having(file, among)
        for line in _described(pid, fd)
        if line.startswith("lock:") and any(kind in line for kind in kinds)
    }


def _writers(pipe: tuple[int, int], among: Iterable[int]) -> set[int]:
    found = set()
    for pid, fd in _having(pipe, among):
        flags = [line.split()[1] for line in _described(pid, fd) if line.startswith("flags:")]
        if flags and int(flags[0], 8) & os.O_ACCMODE in _WRITES:
            found.add(pid)
    return found


def _other_end(pid: int, fd: int, among: Iterable[int]) -> set[int]:
    _, local, remote = threads.socket_of(pid, fd)
    if not (local and remote):
        return set()
    networks: dict[str, list[int]] = {}
    for each in among:
        networks.setdefault(_network(each), []).append(each)
    found = set()
    for pids in networks.values():
        for _, own, other, inode in threads.sockets(pids[0]):
            if (own, other) == (remote, local):
                found |= {each for each in pids if f"socket:[{inode}]" in _links(each)}
    return found


def _having(file: tuple[int, int], among: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield each process and descriptor by which it has that file."""
    for pid in among:
        for fd in threads.numbers(f"/proc/{pid}/fd"):
            try:
                if _identity(pid, fd) == file:
                    yield pid, fd
            except OSError:
                pass


def _identity(pid: int, fd: int) -> tuple[int, int]:
    found = os.stat(f"/proc/{pid}/fd/{fd}")
    return found.st_dev, found.st_ino


def _described(pid: int, fd: int) -> list[str]:
    return threads.contents(f"/proc/{pid}/fdinfo/{fd}", True).splitlines()


def _network(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _links(pid: int) -> set[str]:
    found = set()
    for fd in threads.numbers(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return found
