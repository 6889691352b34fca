"""Signals in a peer whose main thread waits for another peer's answer: it reads the link itself."""

from __future__ import annotations

import os
from typing import Any

import pytest
from interrupted_calls import asking, call_for, count_messages, nap_and_call, raising
from sibling_calls import call, send_back

from pytest_peer import Peer

_ROUNDS = 1500


@pytest.fixture
def pair(peer_factory: Any) -> tuple[Peer, Peer]:
    one, other = peer_factory.many(2)
    return one, other


def test_handlers_that_raise_lose_no_answer(pair: tuple[Peer, Peer]) -> None:
    one, other = pair
    interrupted, wrong = one.call(raising, other.name, _ROUNDS)
    assert not wrong
    assert interrupted
    assert one.call(call, other.name, os.getpid) == other.pid


def test_handlers_that_call_too_get_their_answers(pair: tuple[Peer, Peer]) -> None:
    one, other = pair
    asked, wrong = one.call(asking, other.name, _ROUNDS // 5)
    assert not wrong
    assert asked


def test_calls_from_the_test_arrive_meanwhile(pair: tuple[Peer, Peer]) -> None:
    one, other = pair
    busy = one.submit(call_for, other.name, 1.0)
    count = 0
    while not busy.done():
        assert one.call(abs, -count) == count
        one.send("box", count)
        count += 1
    assert busy.result() > 0
    assert count > 0
    assert one.call(count_messages, "box") == count


def test_calls_arrive_between_naps(pair: tuple[Peer, Peer], peer_factory: Any) -> None:
    one, other = pair
    back = peer_factory.mailbox("back")
    napping = one.submit(nap_and_call, other.name, 100)
    while not napping.done():
        one.call(send_back, "between")
        assert back.get(5) == (one.name, "between")
    assert napping.result() == list(range(100))
