"""`cast`: a call without a reply."""

from __future__ import annotations

import asyncio
import operator
import os
import sys
import threading
from typing import Any

import pytest
from mailbox_calls import send, take
from timeouts import LONG

from pytest_peer import EncodeError, Peer, here

BIG = 5 << 20

#: The tests that let casts fail look at stderr.
pytestmark = pytest.mark.filterwarnings("ignore::pytest_peer.UnhandledPeerException")


class OwnError(Exception):
    pass


def fail(text: str) -> None:
    raise OwnError(text)


async def fail_later(text: str) -> None:
    await asyncio.sleep(0)
    raise OwnError(text)


async def send_later(box: str, message: object) -> None:
    await asyncio.sleep(0)
    here.origin.send(box, message)


def send_and_exit(box: str, message: object) -> None:
    here.origin.send(box, message)
    sys.exit(3)


def test_cast_runs_the_function(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send, "done", 1)
    assert peer_factory.mailbox("done").get(LONG) == 1


def test_cast_returns_nothing_and_at_once(peer: Peer) -> None:
    assert peer.cast(take, "never") is None  # type: ignore[func-returns-value]
    assert peer.call(operator.add, 1, 2) == 3


def test_cast_of_a_coroutine_function(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_later, "done", 1)
    assert peer_factory.mailbox("done").get(LONG) == 1


def test_cast_of_a_named_function(peer: Peer) -> None:
    peer.cast("builtins:print", "named")
    peer.stdout.wait_for("named", LONG)


def test_cast_of_a_lambda(peer: Peer, peer_factory: Any) -> None:
    peer.cast(lambda: here.origin.send("done", here.name))
    assert peer_factory.mailbox("done").get(LONG) == peer.name


@pytest.mark.parametrize("function", [fail, fail_later])
def test_exception_of_a_cast_is_written_to_stderr(peer: Peer, function: Any) -> None:
    peer.cast(function, "cast away")
    peer.stderr.wait_for(r"OwnError: cast away\n", LONG)
    assert "Traceback" in peer.stderr.text
    assert f"in {function.__name__}" in peer.stderr.text


def test_exception_of_a_cast_does_not_end_the_peer(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_and_exit, "exits", 1)
    assert peer_factory.mailbox("exits").get(LONG) == 1
    peer.stderr.wait_for("SystemExit: 3", LONG)
    assert peer.call(os.getpid) == peer.pid


def test_cast_of_what_does_not_exist_is_written_to_stderr(peer: Peer) -> None:
    peer.cast("no_such_module:f")
    peer.stderr.wait_for("no_such_module", LONG)


def test_value_of_a_cast_is_not_wanted_and_never_encoded(peer: Peer) -> None:
    peer.cast(threading.Lock)
    peer.cast(fail, "the end")
    text = peer.stderr.wait_for("OwnError: the end", LONG).string
    assert "lock" not in text


def test_unsendable_argument_of_a_cast_raises_at_once(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"argument 0.*lock"):
        shared.cast(repr, threading.Lock())


def test_cast_finds_the_message_sent_before_it(peer: Peer, peer_factory: Any) -> None:
    peer.send("box", b"x" * BIG)
    peer.cast(lambda: here.origin.send("found", len(here.mailbox("box").get(0))))
    assert peer_factory.mailbox("found").get(LONG) == BIG


def test_call_and_cast_are_side_by_side(peer: Peer) -> None:
    peer.cast(print, "printed")
    future = peer.submit(take, "box")
    peer.cast(print, "printed too")
    peer.stdout.wait_for("printed too", LONG)
    peer.send("box", 1)
    assert future.result(LONG) == 1
