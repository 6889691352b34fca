"""Functions that a peer runs to use other peers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from mailbox_calls import take

from pytest_peer import here


def call(name: str, fn: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> Any:
    return here.peer(name).call(fn, *args, **kwargs)


def submit(name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return here.peer(name).submit(fn, *args, **kwargs).result()


async def acall(name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await here.peer(name).acall(fn, *args, **kwargs)


def cast(name: str, fn: Callable[..., Any], *args: Any) -> None:
    here.peer(name).cast(fn, *args)


def send(name: str, box: str, *messages: Any) -> None:
    peer = here.peer(name)
    for message in messages:
        peer.send(box, message)


def about(*args: Any, **kwargs: Any) -> Any:
    return here.name, os.getpid(), args, kwargs


def fail(text: str) -> None:
    raise ValueError(text)


def send_back(message: Any) -> None:
    here.origin.send("back", (here.name, message))


def report_and_wait(box: str) -> Any:
    here.origin.send("waits", here.name)
    return take(box)


async def wait_for_ages() -> None:
    here.origin.send("waits", here.name)
    try:
        await asyncio.sleep(1000)
    finally:
        here.origin.send("ended", here.name)


def use_all_verbs() -> None:
    other = here.peer("sibling-1")
    values = [other.call(os.getpid), other.submit(os.getpid).result()]
    values.append(asyncio.run(other.acall(os.getpid)))
    other.cast(send_back, "cast")
    other.send("box", "sent")
    here.origin.send("values", values)
