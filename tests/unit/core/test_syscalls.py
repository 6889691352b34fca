"""A system call and its arguments say what a thread waits for, and for how long at most."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_peer.core.syscalls import Process, judged, parsed

ENDLESS = math.inf
TIME_POINTER, POLLED, ADDRESS = 0x1000, 0x2000, 0x3000


class Fake(Process):
    """Descriptor 3 is a file, 4 a pipe, 5 a connection, 6 listens; it is 100 s o'clock."""

    def file(self, fd: int) -> str:
        return {3: "/x/store.lock", 4: "pipe:[7]", 5: "socket:[8]", 6: "socket:[9]"}[fd]

    def is_pipe(self, fd: int) -> bool:
        return fd == 4

    def socket(self, fd: int) -> tuple[bool, str, str]:
        return fd == 6, "127.0.0.1:80", "" if fd == 6 else "127.0.0.1:5432"

    def address(self, pointer: int, size: int) -> str:
        assert (pointer, size) == (ADDRESS, 16)
        return "10.0.0.1:443"

    def memory(self, pointer: int, size: int) -> bytes:
        if pointer == TIME_POINTER:
            return (130).to_bytes(8, "little") + (500).to_bytes(8, "little")
        assert (pointer, size) == (POLLED, 8)
        return (5).to_bytes(4, "little") + (1).to_bytes(2, "little") + bytes(2)

    def now(self, clock: int) -> float:
        return 100.0 + clock

    def kernel_function(self) -> str:
        return "hrtimer_nanosleep"


def line(number: int, *arguments: int) -> str:
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    return " ".join([str(number), *map(hex, words), "0x7ffd00", "0x7f00"])


# In each, the numbers of x86-64 and aarch64; `None` where there is no such call.
CASES: list[Any] = [
    ((73, 32), (3, 2), "flock /x/store.lock", ENDLESS),
    ((72, 25), (3, 7), "lockf /x/store.lock", ENDLESS),
    ((72, 25), (3, 38), "lockf /x/store.lock", ENDLESS),
    ((72, 25), (3, 6), "fcntl", ENDLESS),
    ((0, 63), (4,), "read pipe", ENDLESS),
    ((0, 63), (5,), "recv 127.0.0.1:5432", ENDLESS),
    ((0, 63), (3,), "read", ENDLESS),
    ((45, 207), (5,), "recv 127.0.0.1:5432", ENDLESS),
    ((47, 212), (5,), "recv 127.0.0.1:5432", ENDLESS),
    ((43, 202), (6,), "accept 127.0.0.1:80", ENDLESS),
    ((288, 242), (6,), "accept 127.0.0.1:80", ENDLESS),
    ((42, 203), (5, ADDRESS, 16), "connect 10.0.0.1:443", ENDLESS),
    ((202, 98), (0x5000, 0x189, 0, 0), "lock", ENDLESS),
    ((202, 98), (0x5000, 0x89, 0, TIME_POINTER), "lock", 29.0),  # a moment of the monotonic clock
    ((202, 98), (0x5000, 0x189, 0, TIME_POINTER), "lock", 30.0),  # of the time of day
    ((202, 98), (0x5000, 0x80, 0, TIME_POINTER), "lock", 130.0),  # a time
    ((61, 260), (4711,), "child 4711", ENDLESS),
    ((61, 260), (0xFFFFFFFF,), "child", ENDLESS),
    ((247, 95), (1, 4711), "child 4711", ENDLESS),
    ((247, 95), (0, 0), "child", ENDLESS),
    ((230, 115), (1, 1, TIME_POINTER), "sleep", 29.0),
    ((230, 115), (1, 0, TIME_POINTER), "sleep", 130.0),
    ((35, 101), (TIME_POINTER,), "sleep", 130.0),
    ((7, None), (POLLED, 1, 5000), "recv 127.0.0.1:5432", 5.0),
    ((7, None), (POLLED, 1, 0xFFFFFFFF), "recv 127.0.0.1:5432", ENDLESS),
    ((7, None), (0, 0, 50), "sleep", 0.05),
    ((7, None), (POLLED, 2, 50), "poll", 0.05),
    ((271, 73), (POLLED, 1, 0), "recv 127.0.0.1:5432", ENDLESS),
    ((23, None), (0, 0, 0, 0, TIME_POINTER), "sleep", 130.0005),
    ((270, 72), (5, 0, 0, 0, TIME_POINTER), "pselect6", 130.0),
    ((270, 72), (0, 0, 0, 0, TIME_POINTER), "sleep", 130.0),
    ((281, 22), (9, 0, 1, 0xFFFFFFFF), "epoll_pwait", ENDLESS),
    ((232, None), (9, 0, 1, 250), "epoll_wait", 0.25),
    ((1, 64), (4,), "write", ENDLESS),
    ((400, 400), (), "system call 400", ENDLESS),
]


EVERY = [
    (machine, number, *rest)
    for numbers, *rest in CASES
    for machine, number in zip(("x86_64", "aarch64"), numbers, strict=True)
    if number is not None
]


@pytest.mark.parametrize(("machine", "number", "arguments", "on", "limit"), EVERY)
def test_words_and_limits(
    machine: str, number: int, arguments: tuple[int, ...], on: str, limit: float
) -> None:
    wait = judged(*parsed(line(number, *arguments), machine), Fake())
    assert wait.on == on
    assert wait.limit == pytest.approx(limit, abs=1e-5)


@pytest.mark.parametrize("text", ["running", "-1 0x7ffd00 0x7f00", ""])
def test_thread_in_no_call(text: str) -> None:
    assert parsed(text, "x86_64") == ("", ())


def test_restarted_call_is_known_by_where_it_is() -> None:
    wait = judged(*parsed(line(219), "x86_64"), Fake())
    assert wait.on == "sleep"
    assert math.isnan(wait.limit)


def test_what_has_been_closed_is_the_call_s_name() -> None:
    class Closed(Fake):
        def file(self, fd: int) -> str:
            raise FileNotFoundError(fd)

    assert judged(*parsed(line(73, 3), "x86_64"), Closed()).on == "flock"


def test_machine_that_is_not_known_has_only_numbers() -> None:
    assert judged(*parsed(line(73, 3), "riscv64"), Fake()).on == "system call 73"
