"""Threads of this process that are in other namespaces; what we start from them is not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from ..core.locks import Lock

_KINDS = ("net", "uts")


class _Home:
    """The namespaces of this process, by files that are open while a thread is elsewhere."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left = 0
        self._files: list[int] = []

    @contextlib.contextmanager
    def left(self) -> Iterator[None]:
        """Keep them in mind during the block."""
        with self._lock:
            if not self._left:
                self._files = [os.open(_own(kind), os.O_RDONLY | os.O_CLOEXEC) for kind in _KINDS]
            self._left += 1
        try:
            yield
        finally:
            with self._lock:
                self._left -= 1
                while not self._left and self._files:
                    os.close(self._files.pop())

    def files(self, stack: contextlib.ExitStack) -> list[int]:
        """Return copies of the files, closed with the stack; none if no thread is elsewhere."""
        with self._lock:
            return [_closed(stack, os.dup(fd)) for fd in self._files]


_home = _Home()


@contextlib.contextmanager
def elsewhere(paths: Sequence[str]) -> Iterator[None]:
    """Have this thread in the namespaces of these files, of the network and UTS, during the block.

    A thread that is started in the block is there too, and stays.

    :raises OSError: this process has not the right to it.
    """
    with _home.left(), contextlib.ExitStack() as stack:
        _enter(stack, [_opened(stack, path) for path in paths])
        yield


@contextlib.contextmanager
def at_home() -> Iterator[None]:
    """Have this thread in the namespaces of its process: a peer is not where its starter is."""
    with contextlib.ExitStack() as stack:
        if home := _home.files(stack):
            _enter(stack, home)
        yield


def _enter(stack: contextlib.ExitStack, files: Sequence[int]) -> None:
    """Enter namespaces, and those of now when the stack is closed."""
    from . import namespaces  # ctypes, which few need

    for fd in [_opened(stack, _own(kind)) for kind in _KINDS]:
        stack.callback(namespaces.setns, fd)
    for fd in files:
        namespaces.setns(fd)


def _own(kind: str) -> str:
    return f"/proc/thread-self/ns/{kind}"


def _opened(stack: contextlib.ExitStack, path: str) -> int:
    return _closed(stack, os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _closed(stack: contextlib.ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd
