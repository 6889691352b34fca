"""multiprocessing: a `Process` that calls the functions that come through a `Pipe`."""

from __future__ import annotations

import multiprocessing
import operator
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path

import far
import far_pipe
from systems.system import Line, System

PIPES = 9  # one for each of eight callers, and the first
BYTES_OF_A_LINE = 21


class _Started:
    """A process, and our ends of its pipes."""

    def __init__(
        self, context: multiprocessing.context.BaseContext, pipes: int = 1, output: bool = False
    ) -> None:
        pairs = [context.Pipe() for _ in range(pipes)]
        self.connections: list[Connection] = [ours for ours, _ in pairs]
        self.output, writes = context.Pipe(duplex=False) if output else (None, None)
        theirs = [other for _, other in pairs]
        self.process = context.Process(target=far_pipe.serve, args=(theirs, writes), daemon=True)
        self.process.start()
        for each in [*theirs, writes]:
            if each is not None:
                each.close()

    def call(self, function: Callable[..., object], *arguments: object, pipe: int = 0) -> object:
        connection = self.connections[pipe]
        connection.send((function, arguments))
        return connection.recv()

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.close()

    def stop(self) -> None:
        self.hang_up()
        self.process.join()
        if self.output is not None:
            self.output.close()


class Processes(System):
    """Processes with one start method."""

    offers = frozenset(["boot", "many", "trips", "together", "payload", "during", "print"])

    def __init__(self, start_method: str) -> None:
        self.name = f"multiprocessing {start_method}"
        self._start_method = start_method

    @cached_property
    def _context(self) -> multiprocessing.context.BaseContext:
        context = multiprocessing.get_context(self._start_method)
        if self._start_method == "forkserver":
            from multiprocessing import forkserver

            context.set_forkserver_preload(["far_pipe", "operator", "multiprocessing.connection"])
            # From a directory where it finds the modules: its search path is not ours.
            before = Path.cwd()
            os.chdir(Path(far_pipe.__file__).parent)
            try:
                forkserver.ensure_running()
            finally:
                os.chdir(before)
        return context

    def boot(self) -> dict[str, float]:
        context = self._context
        began = time.perf_counter()
        started = _Started(context)
        started.call(operator.add, 1, 2)
        booted = time.perf_counter()
        started.stop()
        return {"boot": booted - began, "stop": time.perf_counter() - booted}

    @contextmanager
    def many(self, count: int) -> Iterator[list[int]]:
        all_started = [_Started(self._context) for _ in range(count)]  # does not wait for them
        try:
            for started in all_started:
                started.call(operator.add, 1, 2)
            yield [started.process.pid for started in all_started]
        finally:
            for started in all_started:
                started.hang_up()
            for started in all_started:
                started.stop()

    @contextmanager
    def line(self) -> Iterator[Line]:
        started = _Started(self._context, PIPES, output=True)
        try:
            yield _Line(started)
        finally:
            started.stop()


class _Line(Line):
    def __init__(self, started: _Started) -> None:
        self._started = started
        self._lock = (
            threading.Lock()
        )  # a pipe of their own have only callers that call at the same time
        self._pipes: Iterator[int] = iter(())
        self.pids = [started.process.pid]

    def _call(self, function: Callable[..., object], *arguments: object) -> object:
        with self._lock:
            return self._started.call(function, *arguments)

    def trip(self) -> object:
        return self._call(operator.add, 1, 2)

    def together(self, threads: int, count: int) -> float:
        self._pipes = iter(range(1, threads + 1))
        return super().together(threads, count)

    def caller(self) -> Callable[[], object]:
        pipe = next(self._pipes, None)
        if pipe is None:
            return self.trip
        return lambda: self._started.call(operator.add, 1, 2, pipe=pipe)

    def push(self, payload: bytes) -> object:
        return self._call(len, payload)

    def pull(self, size: int) -> object:
        return self._call(far.payload, size)

    def print(self, count: int) -> None:
        output = self._started.output
        left = count * BYTES_OF_A_LINE
        self._started.connections[0].send((far.print_lines, (count,)))
        while left:
            left -= len(os.read(output.fileno(), 1 << 16))
        self._started.connections[0].recv()
