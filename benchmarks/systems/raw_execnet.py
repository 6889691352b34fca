"""execnet itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import execnet

from systems.system import Line, System, at_once

ECHO = "for item in channel: channel.send(item)"
SINK = "for item in channel: channel.send(len(item))"
SOURCE = """
made = {}
for size in channel:
    if size not in made:
        made[size] = b"x" * size
    channel.send(made[size])
"""
LINES = """
for count in channel:
    for number in range(count):
        channel.send("line %015d" % number)
"""
PID = "import os; channel.send(os.getpid())"
SECONDS_TO_END = 5.0


@contextmanager
def _group() -> Iterator[execnet.Group]:
    group = execnet.Group()
    try:
        yield group
    finally:
        group.terminate(timeout=SECONDS_TO_END)


def _exchange(channel: execnet.Channel, item: object) -> object:
    channel.send(item)
    return channel.receive()


class Execnet(System):
    name = "execnet"
    offers = frozenset(
        ["boot", "many", "trips", "together", "pipelined", "payload", "during", "print"]
    )

    def version(self) -> str:
        return f"execnet {execnet.__version__}"

    def boot(self) -> dict[str, float]:
        with _group() as group:
            began = time.perf_counter()
            _exchange(group.makegateway("popen").remote_exec(ECHO), 1)
            booted = time.perf_counter()
        return {"boot": booted - began, "stop": time.perf_counter() - booted}

    @contextmanager
    def many(self, count: int) -> Iterator[list[int]]:
        pids: list[int] = []
        with _group() as group:

            def start() -> None:
                gateway = group.makegateway("popen")
                pids.append(gateway.remote_exec(PID).receive())

            at_once([start] * count)
            yield pids

    @contextmanager
    def line(self) -> Iterator[Line]:
        with _group() as group:
            yield _Line(group.makegateway("popen"))


class _Line(Line):
    def __init__(self, gateway: execnet.Gateway) -> None:
        self._gateway = gateway
        self._echo = gateway.remote_exec(ECHO)  # the first has the main thread
        self._sink = gateway.remote_exec(SINK)
        self._source = gateway.remote_exec(SOURCE)
        self._lines = gateway.remote_exec(LINES)
        self.pids = [gateway.remote_exec(PID).receive()]

    def trip(self) -> object:
        return _exchange(self._echo, 1)

    def caller(self) -> Callable[[], object]:
        return partial(_exchange, self._gateway.remote_exec(ECHO), 1)

    def push(self, payload: bytes) -> object:
        return _exchange(self._sink, payload)

    def pull(self, size: int) -> object:
        return _exchange(self._source, size)

    def pipelined(self, count: int) -> None:
        for _ in range(count):
            self._echo.send(1)
        for _ in range(count):
            self._echo.receive()

    def print(self, count: int) -> None:
        self._lines.send(count)
        for _ in range(count):
            self._lines.receive()
