"""What peers do for the state machine of choreography: take and send messages, meet, work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pytest_peer import PeerDown, here

#: What has been taken out of the mailboxes of this peer, by whom.
TAKEN: dict[str, Any] = {}
#: Who waits for one here.
WAITING: set[str] = set()
#: The forked children in which somebody waits.
CHILDREN: dict[str, int] = {}
_forking = threading.Lock()


class ChildError(Exception):
    """The exception of a forked child, as text; or that it was killed."""


def in_child(ident: str, fn: Callable[..., Any], *args: Any) -> Any:
    """Call `fn` in a forked child, and wait for it."""
    with _forking:  # no other child has the writing end, too
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            outcome: tuple[Any, str] = None, "nothing"
            try:
                outcome = fn(*args), ""
            except BaseException as exc:
                outcome = None, f"{type(exc).__name__}: {exc}"
            finally:
                os.write(writing, pickle.dumps(outcome))
                os._exit(0)
        os.close(writing)
    CHILDREN[ident] = child
    with open(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    del CHILDREN[ident]
    if not data:
        raise ChildError("killed")
    value, error = pickle.loads(data)
    if error:
        raise ChildError(error)
    return value


def child(ident: str) -> int:
    return CHILDREN[ident]


def takers() -> tuple[dict[str, Any], set[str]]:
    return TAKEN, WAITING


@contextlib.contextmanager
def _waiting(ident: str) -> Iterator[None]:
    WAITING.add(ident)
    try:
        yield
    finally:
        WAITING.discard(ident)


def _get(box: str, limit: float | None) -> Any:
    return here.mailbox(box).get(limit)


def take(ident: str, box: str, limit: float | None) -> Any:
    with _waiting(ident):
        TAKEN[ident] = message = _get(box, limit)
    return message


async def atake(ident: str, box: str, limit: float | None) -> Any:
    with _waiting(ident):
        TAKEN[ident] = message = await here.mailbox(box).aget(limit)
    return message


def child_takes(ident: str, box: str, limit: float | None) -> Any:
    with _waiting(ident):
        TAKEN[ident] = message = in_child(ident, _get, box, limit)
    return message


def rest(box: str) -> list[Any]:
    """Take all that is there."""
    found = []
    while True:
        try:
            found.append(_get(box, 0))
        except (TimeoutError, PeerDown):  # it is empty, and perhaps closed
            return found


def close(box: str) -> None:
    here.mailbox(box).close()


def send(ident: str, to: str, box: str, messages: list[Any]) -> None:
    """Send to the test, or to the peer with that name."""
    receiver = here.peer(to) if to else here.origin
    for message in messages:
        receiver.send(box, message)


def child_sends(ident: str, to: str, box: str, messages: list[Any]) -> None:
    in_child(ident, send, ident, to, box, messages)


def ask(ident: str, peer: str, fn: Callable[..., Any], *args: Any) -> Any:
    return here.peer(peer).call(fn, ident, *args)


async def aask(ident: str, peer: str, fn: Callable[..., Any], *args: Any) -> Any:
    return await here.peer(peer).acall(fn, ident, *args)


def echo(ident: str, value: int) -> int:
    return value


def _meet(name: str, parties: int, limit: float | None) -> str:
    here.barrier(name, parties, limit)
    return "open"


def meet(ident: str, name: str, parties: int, limit: float | None) -> str:
    return _meet(name, parties, limit)


async def ameet(ident: str, name: str, parties: int, limit: float | None) -> str:
    await here.abarrier(name, parties, limit)
    return "open"


def child_meets(ident: str, name: str, parties: int, limit: float | None) -> str:
    found: str = in_child(ident, _meet, name, parties, limit)
    return found


class Unlucky(Exception):
    """What `work` raises for some values."""


class Failed(Exception):
    """What a point raises."""


def work(value: int) -> int:
    if value % 3 == 0:
        raise Unlucky(value)
    return value * 2


async def awork(value: int) -> int:
    await asyncio.sleep(0)
    return work_of_task(value)


def work_of_task(value: int) -> int:
    if value % 3 == 0:
        raise Unlucky(value)
    return value * 2


def is_even(value: int) -> bool:
    return value % 2 == 0


def do_work(ident: str, value: int) -> int:
    return work(value)


async def ado_work(ident: str, value: int) -> int:
    return await awork(value)


def child_does_work(ident: str, value: int) -> int:
    found: int = in_child(ident, work, value)
    return found


def child_does_awork(ident: str, value: int) -> int:
    found: int = in_child(ident, lambda: asyncio.run(awork(value)))
    return found


def first(value: int) -> int:
    return value


def second(value: int) -> int:
    return value


def mark(number: int) -> None:
    here.mark("passed", number=number)


def exit_at_once(status: int) -> None:
    os._exit(status)
