"""Functions that a peer runs to call another peer while signals interrupt it."""

from __future__ import annotations

import signal
import time
from typing import Any

from pytest_peer import here

#: Seconds between two signals: a call of another peer takes some of these.
_PERIOD = 0.0003


class Interrupted(BaseException):
    """What the signal handler raises."""


def raising(name: str, rounds: int) -> tuple[int, list[Any]]:
    """Call another peer while a handler raises; return how often it did, and wrong answers."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    sibling, interrupted, wrong = here.peer(name), 0, []
    signal.signal(signal.SIGALRM, interrupt)
    for number in range(rounds):
        try:
            signal.setitimer(signal.ITIMER_REAL, _PERIOD * (1 + number % 7) / 7)
            found = sibling.call(abs, number)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            interrupted += 1
        else:
            wrong += [(number, found)] * (found != number)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return interrupted, wrong


def asking(name: str, rounds: int) -> tuple[int, list[Any]]:
    """Call another peer while a handler calls it too; return its calls, and wrong answers."""
    sibling, wrong = here.peer(name), []
    calls = iter(range(rounds * 100))
    answered = 0

    def ask(*_: object) -> None:
        nonlocal answered
        number, answered = next(calls), answered + 1
        wrong.extend([number] * (sibling.call(abs, -number) != number))

    signal.signal(signal.SIGALRM, ask)
    for number in range(rounds):
        signal.setitimer(signal.ITIMER_REAL, _PERIOD * (1 + number % 7) / 7)
        wrong.extend([number] * (sibling.call(abs, number) != number))
    signal.setitimer(signal.ITIMER_REAL, 0)
    return answered, wrong


def call_for(name: str, seconds: float) -> int:
    sibling, until, count = here.peer(name), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        count += sibling.call(abs, -1)
    return count


def nap_and_call(name: str, rounds: int) -> list[int]:
    """Have the standby thread take the link before each call."""
    sibling, found = here.peer(name), []
    for number in range(rounds):
        time.sleep(0.003)
        found.append(sibling.call(abs, number))
    return found


def count_messages(box: str) -> int:
    mailbox, found = here.mailbox(box), 0
    while True:
        try:
            mailbox.get(0)
        except TimeoutError:
            return found
        found += 1
