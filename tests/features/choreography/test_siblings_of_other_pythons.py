"""Peers of different Pythons call each other; code by value does not cross versions."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import barrier_calls
import pytest
import sibling_calls
from pythons import NEWEST
from timeouts import LONG

from pytest_peer import EncodeError, Peer, here


@pytest.fixture(params=["3.8", NEWEST])
def other(peer_factory: Any, requires_python: Callable[[str], str], request: Any) -> Peer:
    peer: Peer = peer_factory(name="other", exec=requires_python(request.param))
    return peer


def version() -> list[int]:
    return list(sys.version_info[:2])


def send_lambda(name: str) -> Any:
    return here.peer(name).call(lambda: 1)


def make_lambda() -> Any:
    return lambda: 1


def call_returned(name: str) -> Any:
    return here.peer(name).call(make_lambda)()


def test_both_ways(other: Peer, peer: Peer) -> None:
    assert peer.python is not None
    assert other.python is not None
    for verb in (sibling_calls.call, sibling_calls.submit, sibling_calls.acall):
        assert peer.call(verb, "other", version) == list(other.python[:2])
        assert other.call(verb, peer.name, version) == list(peer.python[:2])


def test_exceptions_and_their_frames_pass_through_both(other: Peer, peer: Peer) -> None:
    for one, name in ((peer, "other"), (other, peer.name)):
        with pytest.raises(ValueError, match="told so") as caught:
            one.call(sibling_calls.call, name, sibling_calls.fail, "told so")
        lines = [frame.line for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert lines[-2:] == [
            "return here.peer(name).call(fn, *args, **kwargs)",
            "raise ValueError(text)",
        ]
        assert caught.value.__notes__ == [
            f"raised in peer {name!r}, which peer {one.name!r} has called"
        ]


def test_code_by_value_is_refused(other: Peer, peer: Peer) -> None:
    for one, name in ((peer, "other"), (other, peer.name)):
        with pytest.raises(EncodeError, match="the function cannot be pickled") as caught:
            one.call(send_lambda, name)
        assert "code cannot travel by value between cpython" in str(caught.value)
        with pytest.raises(EncodeError, match="the result cannot be pickled") as caught:
            one.call(call_returned, name)
        assert "Move it to the top level" in str(caught.value)


def test_code_by_value_passes_between_equals(
    peer_factory: Any, requires_python: Callable[[str], str]
) -> None:
    pytest.importorskip("cloudpickle")
    program = requires_python(".".join(map(str, sys.version_info[:2])))
    one, _ = peer_factory.many(2, name="equal", start_method="spawn", exec=[program])
    assert one.call(send_lambda, "equal-1") == 1
    assert one.call(call_returned, "equal-1") == 1


def test_barrier_and_mark(other: Peer, peer: Peer, peer_factory: Any) -> None:
    futures = [each.submit(barrier_calls.come, "mixed", 3) for each in (other, peer)]
    peer_factory.barrier("mixed", 3, LONG)
    assert [future.result(LONG) for future in futures] == ["other", peer.name]
    text, came, _, _ = other.call(barrier_calls.outcome, "late", 2, 0.1)
    assert "other waited for 0.1 s" in text
    assert came == ("other",)
