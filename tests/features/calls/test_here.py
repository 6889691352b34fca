"""`here`: what a function in a peer can ask about its peer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from mailbox_calls import send
from timeouts import LONG

from pytest_peer import Peer, here


def test_here_knows_the_name(shared: Peer) -> None:
    assert shared.call(lambda: here.name) == shared.name


def test_here_works_in_a_thread_of_the_peer(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(lambda: threading.Thread(target=send, args=("thread", 1)).start())
    assert module_peer_factory.mailbox("thread").get(LONG) == 1


@pytest.mark.parametrize(
    "use",
    [lambda: here.name, lambda: here.origin, lambda: here.mailbox("box")],
    ids=["name", "origin", "mailbox"],
)
def test_here_outside_of_a_peer_is_a_runtime_error(use: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="peer"):
        use()


def test_here_has_nothing_else(shared: Peer) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        here.nonsense
    with pytest.raises(AttributeError, match="nonsense"):
        shared.call(lambda: here.nonsense)
