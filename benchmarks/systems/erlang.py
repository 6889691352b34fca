"""Erlang's `peer`, the original."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from rounds import Missing
from systems.system import Line, System

PROGRAM = Path(__file__).with_name("peer_figures.erl")
FIRST_WITH_PEER = 25
#: Standard I/O moves about 3 MB/s, because it encodes every four bits as a byte.
MOST_BYTES_OVER_STANDARD_IO = 1_000_000
#: Each line is a request with a reply: about a thousand a second.
SHARE_OF_LINES = 50


class Erlang(System):
    """Peers of Erlang with one connection: ``"standard_io"`` or ``"tcp"``."""

    offers = frozenset(["boot", "many", "trips", "together", "payload", "print"])

    def __init__(self, connection: str) -> None:
        self.name = f"Erlang {connection}"
        self._connection = connection
        self._machine: _Machine | None = None

    def version(self) -> str:
        return f"Erlang/OTP {_release()}" if shutil.which("erl") else ""

    def boot(self) -> dict[str, float]:
        boot, stop = self._always().ask("boot", self._connection)
        return {"boot": boot * 1e-9, "stop": stop * 1e-9}

    @contextmanager
    def many(self, count: int) -> Iterator[list[int]]:
        machine = self._always()
        _, *pids = machine.ask("many", self._connection, count)
        yield pids
        machine.ask("gone", self._connection)

    @contextmanager
    def line(self) -> Iterator[Line]:
        machine = _Machine()  # inherits the processor of now
        try:
            yield _Line(machine, self._connection)
        finally:
            machine.stop()

    def _always(self) -> _Machine:
        if self._machine is None:
            self._machine = _Machine()
        return self._machine

    def close(self) -> None:
        if self._machine is not None:
            self._machine.stop()
            self._machine = None


class _Machine:
    """A virtual machine that takes figures on request."""

    def __init__(self) -> None:
        for program in ("erl", "erlc"):
            if shutil.which(program) is None:
                raise Missing(f"{program}: not installed")
        if _release() < FIRST_WITH_PEER:
            raise Missing(f"Erlang/OTP {_release()} has no peer")
        self._process = subprocess.Popen(
            ["erl", "-noshell", "-pa", _compiled().name, "-s", PROGRAM.stem, "main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, connection: str, *numbers: int) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, connection, *numbers, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"erl ended: {command} {connection} {numbers}")
        return [int(word) for word in answer.split()]

    def stop(self) -> None:
        self._process.communicate()  # ends with its input, and its peers with it


@cache
def _release() -> int:
    command = ["erl", "-noshell", "-eval", "io:put_chars(erlang:system_info(otp_release)), halt()."]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="peer-figures-")  # removed at exit
    subprocess.run(["erlc", "-o", directory.name, PROGRAM], check=True)
    return directory


class _Line(Line):
    def __init__(self, machine: _Machine, connection: str) -> None:
        self._machine = machine
        self._connection = connection
        self.pids = self._ask("pid")

    def _ask(self, command: str, *numbers: int) -> list[int]:
        return self._machine.ask(command, self._connection, *numbers)

    def trips(self, count: int) -> list[float]:
        return [each * 1e-9 for each in self._ask("trips", count)]

    def together(self, threads: int, count: int) -> float:
        return self._ask("together", threads, count)[0] * 1e-9

    def seconds_to_push(self, size: int) -> float:
        return self._moved("push", size)

    def seconds_to_pull(self, size: int) -> float:
        return self._moved("pull", size)

    def _moved(self, command: str, size: int) -> float:
        if self._connection == "standard_io" and size > MOST_BYTES_OVER_STANDARD_IO:
            raise Missing("takes too long: 3 MB/s")
        return self._ask(command, size)[0] * 1e-9

    def lines_per_second(self, count: int) -> float:
        count = max(1, count // SHARE_OF_LINES)
        return count / self._ask("print", count)[0] * 1e9
