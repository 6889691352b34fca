"""Threads of the test that are on a host: libraries there open sockets of their own.

A thread of a privileged process enters the host's namespace. An ordinary user's may not: for it,
Python's own functions that make sockets get them from the host. In both cases the names of the
network resolve by Python's functions, which other threads have as they were.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...core.locks import Lock
from ...launch.elsewhere import elsewhere
from .resolving import Names

#: Makes a socket of a host from family, type and protocol; returns its descriptor.
Maker = Callable[[int, int, int], int]
#: What a socket of this process could not be for a host; others are the same everywhere.
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, socket.AF_NETLINK)
_NAMING = ("gethostbyname", "gethostbyname_ex", "gethostbyaddr", "gethostname")
_ADDRESSED = ("connect", "connect_ex", "bind", "sendto")

_thread = threading.local()


class Site:
    """A host, as the thread that is there sees it."""

    def __init__(self, names: Names, make: Maker, files: Sequence[str] | None) -> None:
        """Say how it is entered: by the namespaces of `files`, or with sockets from `make`."""
        self.names = names
        self.files = files
        self.make: Maker | None = make if files is None else None

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread there during the block."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_replacements)
            if self.files is not None:
                stack.enter_context(elsewhere(self.files))
            stack.enter_context(self._seen())
            yield

    def run(self, function: Callable[[], object]) -> None:
        """Run what a new thread runs, which a thread there has started; the kernel has moved it."""
        with _replacements, self._seen():
            function()

    @contextlib.contextmanager
    def _seen(self) -> Iterator[None]:
        before = _here()
        _thread.site = self
        try:
            yield
        finally:
            _thread.site = before


def _here() -> Site | None:
    return getattr(_thread, "site", None)


class _Replacements:
    """Has in place, while a thread is on a host, what looks where its thread is."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._undo = contextlib.ExitStack()
        os.register_at_fork(after_in_child=self._after_fork)

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._install()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._undo.close()

    def _after_fork(self) -> None:
        self._lock = Lock()
        self._users = min(self._users, 1)  # the others' threads are the parent's

    def _install(self) -> None:
        self._replace(socket.socket, "__init__", _init(socket.socket.__init__))
        self._replace(threading.Thread, "start", _start(threading.Thread.start))
        self._replace(_socket, "getaddrinfo", _of_site(_socket.getaddrinfo, "getaddrinfo"))
        for name in _NAMING:
            # Both modules have the same function, as before: it can be sent by the name of one.
            low, high = getattr(_socket, name), getattr(socket, name)
            new = _of_site(low, name)
            self._replace(_socket, name, new)
            self._replace(socket, name, new if high is low else _of_site(high, name))
        for name in _ADDRESSED:
            self._replace(socket.socket, name, _addressed(getattr(socket.socket, name)))

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        missing = object()
        old = vars(owner).get(name, missing)
        setattr(owner, name, new)

        def undo() -> None:
            if vars(owner).get(name) is not new:
                return  # somebody has replaced it since, who has seen ours
            if old is missing:
                delattr(owner, name)
            else:
                setattr(owner, name, old)

        self._undo.callback(undo)


_replacements = _Replacements()


def _init(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(
        self: socket.socket,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        site = _here()
        if fileno is not None or site is None or site.make is None:
            return original(self, family, type, proto, fileno)
        family = socket.AF_INET if family == -1 else family
        if family not in _FAMILIES:
            return original(self, family, type, proto)
        type = socket.SOCK_STREAM if type == -1 else type
        proto = 0 if proto == -1 else proto
        made = site.make(family, type, proto)
        try:
            return original(self, family, type, proto, made)
        except BaseException:
            os.close(made)
            raise

    return __init__


def _start(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        site = _here()
        if site is not None:  # as a kernel has it, a thread is where it was started
            self.run = functools.partial(site.run, self.run)  # type: ignore[method-assign]
        original(self)

    return start


def _of_site(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **options: Any) -> Any:
        site = _here()
        function = original if site is None else getattr(site.names, name)
        return function(*args, **options)

    return call


def _addressed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: socket.socket, *args: Any) -> Any:
        site = _here()
        if site is not None and args:
            args = (*args[:-1], site.names.translated(args[-1], self.family))
        return original(self, *args)

    call.__module__ = socket.__name__  # what a type in C has says nothing of its module
    return call
