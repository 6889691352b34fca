"""Messages arrive in both directions; one that cannot be sent or rebuilt is an error."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from typing import Any

import pytest
from mailbox_calls import send, take
from timeouts import LONG

import pytest_peer
from pytest_peer import DecodeError, EncodeError, Peer, here


class RefusesUnpickling:
    def __setstate__(self, state: object) -> None:
        raise LookupError("not rebuilt")

    def __init__(self) -> None:
        self.state = 1


async def send_later(box: str, message: object) -> None:
    await asyncio.sleep(0)
    here.origin.send(box, message)


def send_what_cannot_be_sent() -> str:
    try:
        here.origin.send("box", [1, threading.Lock()])
    except pytest_peer.EncodeError as exc:
        return str(exc)
    return "sent"


def take_what_cannot_be_rebuilt(box: str) -> tuple[str, Any]:
    try:
        take(box)
    except pytest_peer.DecodeError as exc:
        return str(exc), take(box)
    return "rebuilt", None


# Messages


@pytest.mark.parametrize(
    "message", [None, False, 0, "", "text", b"\0", {"a": [1, (2,)]}, KeyError, math.inf]
)
def test_any_message_arrives_and_comes_back(
    shared: Peer, module_peer_factory: Any, message: object
) -> None:
    shared.send("echo", message)
    shared.call(lambda: here.origin.send("echoed", here.mailbox("echo").get(LONG)))
    assert module_peer_factory.mailbox("echoed").get(LONG) == message


def test_function_as_a_message(shared: Peer) -> None:
    shared.send("function", lambda x: x + 1)
    assert shared.call(lambda: here.mailbox("function").get(LONG)(1)) == 2


def test_message_to_the_peer_waits_for_its_mailbox(shared: Peer) -> None:
    shared.send("nobody", 1)
    assert shared.call(take, "nobody", 0) == 1


def test_message_to_the_test_waits_for_its_mailbox(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "nobody yet", 1)
    assert module_peer_factory.mailbox("nobody yet").get(0) == 1


def test_message_wakes_a_waiting_thread(shared: Peer) -> None:
    future = shared.submit(take, "wake")
    shared.send("wake", 1)
    assert future.result(LONG) == 1


def test_message_is_taken_once(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "once", 1)
    box = module_peer_factory.mailbox("once")
    assert box.get(LONG) == 1
    with pytest.raises(TimeoutError):
        box.get(0)


def test_message_sent_before_the_answer_is_there_with_the_answer(
    shared: Peer, module_peer_factory: Any
) -> None:
    box = module_peer_factory.mailbox("with the answer")
    for number in range(100):
        shared.call(send, "with the answer", number)
        assert box.get(0) == number


def test_message_from_a_coroutine(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send_later, "later", 1)
    assert module_peer_factory.mailbox("later").get(LONG) == 1


# What cannot be sent


def test_message_that_cannot_be_sent_is_an_error_at_once(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the message.*lock.* at \[1\]"):
        shared.send("box", [1, threading.Lock()])
    assert shared.call(os.getpid) == shared.pid


def test_unsendable_message_of_the_peer_raises_there(shared: Peer) -> None:
    assert "the message" in (text := shared.call(send_what_cannot_be_sent))
    assert "[1]" in text


def test_message_of_the_peer_that_cannot_be_sent_says_so_here(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the message.*lock"):
        shared.call(lambda: here.origin.send("box", threading.Lock()))


def test_message_that_cannot_be_rebuilt_here(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(lambda: send("rebuilt", RefusesUnpickling(), 2))
    box = module_peer_factory.mailbox("rebuilt")
    with pytest.raises(DecodeError, match="not rebuilt"):
        box.get(LONG)
    assert box.get(LONG) == 2


def test_message_that_cannot_be_rebuilt_there(shared: Peer) -> None:
    shared.send("rebuilt", RefusesUnpickling())
    shared.send("rebuilt", 2)
    text, then = shared.call(take_what_cannot_be_rebuilt, "rebuilt")
    assert "not rebuilt" in text
    assert then == 2
