"""A signal handler raises during calls, hundreds of times: nothing is lost or doubled, and the
link stays usable."""

from __future__ import annotations

import operator
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from timeouts import LONG

import pytest_peer
from pytest_peer import here

# One that hits a finalizer is swallowed there.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TIMES = 300
#: Sends the signal at any moment, also when no thread of this process could run.
SENDER = """
import os, random, sys, time
pid, number, most = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
while os.getppid() == pid:
    time.sleep(random.random() * most)
    os.kill(pid, number)
"""
NUMBER = signal.SIGUSR1


class Interrupted(BaseException):
    """What the handler raises."""


def tell(number: int) -> int:
    here.origin.send("told", number)
    return number


def tell_and_print(number: int) -> int:
    sys.stdout.write(f"{number}\n")  # in one piece: calls that were given up go on beside
    return tell(number)


def return_much(number: int) -> bytes:
    tell(number)
    return bytes(200_000)


@contextmanager
def signals(handler: Callable[..., object], most: float = 0.002) -> Iterator[None]:
    """They come at random moments in the block, `most` seconds apart."""
    before = signal.signal(NUMBER, handler)
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(os.getpid()), str(int(NUMBER)), str(most)]
    )
    try:
        yield
    finally:
        signal.signal(NUMBER, signal.SIG_IGN)
        sender.kill()
        sender.wait()
        signal.signal(NUMBER, before)


def interrupted_times(times: int, step: Callable[[int], object]) -> list[int]:
    """Repeat `step` until so many were interrupted; return the numbers of those that were not."""
    armed = False

    def handler(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False  # one for each step: a second could come before the first is dealt with
            raise Interrupted

    whole: list[int] = []
    number = interrupts = 0
    with signals(handler):
        while interrupts < times:
            number += 1
            try:
                armed = True
                try:
                    step(number)
                finally:  # also when it fails: the report of that must not be interrupted
                    armed = False
                whole.append(number)
            except Interrupted:
                interrupts += 1
    return whole


@pytest.mark.parametrize("function", [tell, tell_and_print, return_much])
def test_interrupted_calls(peer, peer_factory, function: Callable[[int], Any]) -> None:
    answers = {}

    def call(number: int) -> None:
        answers[number] = peer.call_within(LONG, function, number)

    whole = interrupted_times(TIMES, call)
    for number in whole:
        assert answers[number] == (bytes(200_000) if function is return_much else number)
    assert peer.call_within(LONG, operator.add, 1, 2) == 3
    peer.call_within(LONG, tell, -1)
    told = list(iter(lambda: peer_factory.mailbox("told").get(LONG), -1))
    assert len(set(told)) == len(told)
    assert set(whole) <= set(told)
    if function is tell_and_print:
        assert set(map(str, whole)) <= set(peer.stdout.lines)


def test_interrupted_calls_beside_those_of_another_thread(peer) -> None:
    stop, failures, done = threading.Event(), [], 0

    def calls() -> None:
        nonlocal done
        try:
            while not stop.is_set():
                assert peer.call_within(LONG, operator.add, done, 1) == done + 1
                done += 1
        except BaseException as exc:
            failures.append(exc)

    thread = threading.Thread(target=calls)
    thread.start()
    interrupted_times(TIMES, lambda number: peer.call_within(LONG, operator.neg, number))
    before = done
    assert peer.call_within(LONG, operator.add, 1, 2) == 3
    while done == before and thread.is_alive():
        peer.call_within(LONG, operator.add, 1, 2)
    stop.set()
    thread.join()
    assert failures == []


def test_interrupted_messages(peer) -> None:
    """Each comes once or, if the interrupt came before it was sent, not at all; and in order."""
    whole = interrupted_times(TIMES, lambda number: peer.send("box", number))
    peer.send("box", -1)
    came = peer.call_within(LONG, take_all, "box")
    assert came == sorted(set(came))
    assert set(whole) <= set(came)


def take_all(box: str) -> list[int]:
    return list(iter(lambda: here.mailbox(box).get(LONG), -1))


def test_handler_that_makes_calls_of_its_own(peer) -> None:
    """In the middle of a call on the same link."""
    wrong: list[object] = []
    busy = False

    def handler(*_: object) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        value = random.random()
        answers = [peer.call_within(LONG, operator.neg, value) for _ in range(2)]
        wrong.extend(answer for answer in answers if answer != -value)
        busy = False

    with signals(handler, most=0.005):
        for number in range(1500):
            assert peer.call_within(LONG, operator.add, number, 1) == number + 1
    assert wrong == []


def test_peer_that_dies_while_a_call_is_interrupted(peer_factory) -> None:
    for _ in range(5):
        peer = peer_factory(peer_down="continue")
        threading.Timer(random.random() / 20, os.kill, (peer.pid, signal.SIGKILL)).start()
        with pytest.raises(pytest_peer.PeerDown):
            interrupted_times(10**6, lambda number, peer=peer: peer.call(operator.neg, number))
        assert peer.wait_down(LONG).kind == "signaled"


@pytest.mark.parametrize("kind", [TimeoutError, OSError])
def test_call_ends_with_the_exception_of_a_handler(peer: Any, kind: type[Exception]) -> None:
    def handler(*_: object) -> None:
        raise kind("the alarm")

    before = signal.signal(NUMBER, handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), NUMBER))
    timer.start()
    try:
        with pytest.raises(kind, match="the alarm"):
            peer.call_within(LONG, time.sleep, LONG)
    finally:
        timer.join()
        signal.signal(NUMBER, before)
    assert peer.call(operator.neg, 1) == -1
