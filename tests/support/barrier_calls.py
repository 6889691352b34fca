"""Functions that a peer runs at barriers, and for marks."""

from __future__ import annotations

import asyncio
from typing import Any

from timeouts import LONG

from pytest_peer import BarrierBroken, here


def come(name: str, parties: int, timeout: float | None = LONG, rounds: int = 1) -> str:
    """Tell the test, and come to the barrier."""
    for _ in range(rounds):
        here.mark("comes", barrier=name)
        here.barrier(name, parties, timeout)
    return here.name


async def acome(name: str, parties: int, timeout: float | None = LONG) -> str:
    here.mark("comes", barrier=name)
    await here.abarrier(name, parties, timeout)
    return here.name


async def outcome(name: str, parties: int, timeout: float | None = LONG) -> Any:
    """Come, tell the test when that is done, and return how it has broken."""
    task = asyncio.ensure_future(here.abarrier(name, parties, timeout))
    await asyncio.sleep(0)  # it has asked
    here.mark("has come", by=here.name)
    try:
        await task
    except BarrierBroken as exc:
        return str(exc.args[0]), exc.came, exc.missing, exc.stacks
    return "open"


def send_when_open(name: str, parties: str) -> None:
    here.barrier(name, int(parties), LONG)
    here.origin.send("open", here.name)


def mark_done() -> None:
    here.mark("done", by="child")
