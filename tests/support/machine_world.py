"""The peers of one example of the state machine of choreography, and calls that may wait."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import machine_calls as calls
import pytest
from machine_model import TEST
from timeouts import LONG

from pytest_peer import CallTimeout, PeerDown

NAMES = ["p-0", "p-1", "p-2"]
#: Ends that are asked for, and others.
ASKED, UNASKED = ["kill", "stop"], ["exit", "crash", "signal"]
Errors = tuple[type[BaseException], ...]


@dataclass(eq=False)
class Call:
    """A call that may wait."""

    ident: str
    #: Whose call it is; `TEST` for a thread of this process.
    peer: str
    #: On a ``"thread"``, in a ``"task"``, or in a forked ``"child"``.
    way: str
    future: Any
    #: By which way it asks another peer for a message; empty if it asks none.
    inner: str = ""
    limit: float | None = None
    cancelled: bool = False
    #: With what its `Blocked.on` begins.
    on: str = ""
    #: Of the life of the peer that runs it.
    pid: int = 0
    thread: Any = None

    def parked(self) -> bool:
        return self.future.done() or _is_parked(self.thread)


class World:
    """Three peers, of which some live."""

    def __init__(self, factory: Any, example: int) -> None:
        self.factory = factory
        self.peers: dict[str, Any] = {}
        #: Those that have ended though nobody had asked for it.
        self.lost: set[str] = set()
        #: The last futures that were looked at; they have ended.
        self.done: list[Any] = []
        self._example = example
        self._numbers = itertools.count(1)

    def begin(self) -> None:
        group = self.factory.many(len(NAMES), name="p", peer_down="continue", call_timeout=None)
        self.peers = {peer.name: peer for peer in group}

    def name(self, word: str) -> str:
        """Return a name that no other example has."""
        return f"{word}{self._example}"

    def ident(self) -> str:
        return f"c{next(self._numbers)}"

    def lives(self, name: str) -> bool:
        return bool(self.peers[name].state == "running")

    @property
    def living(self) -> set[str]:
        return {name for name in self.peers if self.lives(name)}

    def is_gone(self, call: Call) -> bool:
        """Return whether the life of the peer that has run it has ended."""
        return not self.lives(call.peer) or self.peers[call.peer].pid != call.pid

    def submit(self, peer: str, way: str, fn: Any, *args: Any) -> Call:
        ident, found = self.ident(), self.peers[peer]
        return Call(ident, peer, way, found.submit(fn, ident, *args), pid=found.pid)

    def in_test(self, way: str, fn: Callable[..., Any]) -> Call:
        """Call it on a thread of this process, and return when it has ended or waits."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn())
            except BaseException as exc:
                future.set_exception(exc)

        call = Call(self.ident(), TEST, way, future, thread=threading.Thread(target=run))
        call.thread.start()
        until(call.parked)
        return call

    def rest(self) -> None:
        """Wait until all that has been begun has come to its end, or waits."""
        self.factory.settle(LONG)

    def is_value(self, future: Any, errors: Errors) -> bool:
        """Return whether the call has returned; else it has to have raised one of these."""
        try:
            future.result(LONG)
        except CallTimeout:
            raise
        except BaseException as exc:
            names = tuple(each.__name__ for each in errors)
            in_child = isinstance(exc, calls.ChildError) and str(exc).startswith(names)
            if not in_child and not isinstance(exc, errors):
                raise
            return False
        finally:
            self.done = [*self.done[-4:], future]
        return True

    def end(self, peer: str, how: str) -> None:
        """Let a peer end, and return when it is down."""
        found = self.peers[peer]
        self.lost.discard(peer)
        if how in ASKED:
            getattr(found, how)()
        elif how == "signal":
            os.kill(found.pid, signal.SIGKILL)
        else:
            fn, *args = ("os:_exit", 3) if how == "exit" else ("os:abort",)
            with pytest.raises(PeerDown):
                found.submit(fn, *args).result(LONG)
        if how in UNASKED:
            self.lost.add(peer)
        assert found.wait_down(LONG)

    def restart(self, peer: str) -> bool:
        """Return whether that has ended a life."""
        was_there = self.lives(peer)
        self.peers[peer].restart()
        self.lost.discard(peer)
        return was_there


def blocked_on(way: str, word: str) -> str:
    """Return what `Blocked.on` is of a call that waits in a way of ours."""
    return "read pipe" if way == "child" else word


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.0005)


def _is_parked(thread: threading.Thread) -> bool:
    """Return whether a thread of this process waits, and not for the GIL."""
    before = _switches(thread)
    for _ in range(4):
        time.sleep(0.003)
        if not before or _switches(thread) != before:
            return False
    return True


def _switches(thread: threading.Thread) -> str:
    """Return how often it has waited; nothing if it runs."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/status") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    asleep = any(line.startswith("State:") and "S (" in line for line in lines)
    return "".join(line for line in lines if "ctxt_switches" in line) if asleep else ""
