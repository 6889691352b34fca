"""Runs the steps of several sessions in one order; a step that waits does not hold up the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...core import threads
from ...core.clock import monotonic, sleep
from ...core.errors import InterleavingStuck, NotBlocked, PeerDown
from ...link.futures import PeerFuture
from . import deadlock, where

if TYPE_CHECKING:
    from ..peer import Peer
    from .blocked import Blocked
    from .interleavings import Interleaving, Step

#: Waits that only another process ends, which runs no step now. Of the others some end by
#: themselves: a server answers, another thread goes on.
_FOR_A_SESSION = ("flock ", "lockf ", "held ", "barrier ", "polling")
#: Seconds for which another wait must last.
_PATIENCE = 0.1
#: Seconds in which who polls looks again: SQLite does after 0.1 s at most.
_POLL_SECONDS = 0.5
_PAUSE = 0.001
#: Seconds between two looks for a deadlock.
_DEADLOCK_PAUSE = 0.05


@dataclass
class InterleavingRun:
    """What the steps of an `Interleaving` have done; ``str`` shows it as isolationtester does."""

    order: Interleaving
    #: For each session its steps' values, by the names of the steps; an exception that a step has
    #: raised is its value.
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The steps that waited, as ``"s1.update"``, in the order in which they did.
    waited: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        return "\n".join([f"starting permutation: {self.order}", *self._lines])

    def note_wait(self, step: Step) -> None:
        """:private:"""
        self.waited.append(str(step))
        self._lines.append(f"step {step}: <waiting ...>")

    def note_end(self, step: Step, value: Any, failure: BaseException | None, late: bool) -> None:
        """:private:"""
        self.results[step.session][step.name] = value if failure is None else failure
        shown = "" if value is None else repr(value)
        if failure is not None:
            shown = f"{type(failure).__name__}: {failure}".partition("\n")[0]
        words = ["<... completed>"] if late else []
        text = " ".join([*words, shown]).strip()
        self._lines.append(f"step {step}: {text}" if text else f"step {step}")


@dataclass
class _Begun:
    """A step that has begun and not ended."""

    step: Step
    peer: Peer
    future: PeerFuture
    blocked: Blocked | None = None

    def __str__(self) -> str:
        if self.blocked is None:
            return f"{self.step} runs"
        held = self.blocked.holder
        has = f", which {held.name} has" if held is not None else ""
        return f"{self.step} waits for {self.blocked.on}{has}"


def run(order: Interleaving, peers: Mapping[str, Peer], timeout: float | None) -> InterleavingRun:
    """Run the steps; see `Interleaving.run`."""
    done = InterleavingRun(order, {session: {} for session in order.sessions})
    todo = list(order.steps)
    waiting: dict[str, _Begun] = {}
    while todo or waiting:
        step = next((each for each in todo if each.session not in waiting), None)
        if step is None:
            _await_one(done, todo, waiting, timeout)
        else:
            todo.remove(step)
            peer = peers[step.session]
            begun = _Begun(step, peer, peer.submit(step.fn))
            if _goes_on(begun, timeout):
                _end(done, begun, late=False)
            else:
                done.note_wait(step)
                waiting[step.session] = begun
        for session in list(_released(waiting, timeout)):
            _end(done, waiting.pop(session), late=True)
    return done


def _goes_on(begun: _Begun, timeout: float | None) -> bool:
    """Return whether a step ends before it waits for another session."""
    future, on, since = begun.future, "", 0.0
    end = None if timeout is None else monotonic() + timeout
    while True:
        begun.blocked = None
        try:
            begun.blocked = future.wait_blocked(_left(end))
        except NotBlocked as exc:
            if future.done():
                return True
            # Its own text has the seconds that were left of the limit.
            text = "\n".join([f"{begun} after {timeout:g} s", exc.stacks]).strip()
            raise InterleavingStuck(text, [str(begun)]) from None
        if begun.blocked.on.startswith(_FOR_A_SESSION):
            return False
        if begun.blocked.on != on:
            on, since = begun.blocked.on, monotonic()
        elif on != "sleep" and monotonic() - since >= _PATIENCE:
            return False
        elif end is not None and monotonic() >= end:
            told = where.of([begun.peer.life], "a step has not ended")
            raise InterleavingStuck(f"{begun} after {timeout:g} s\n{told}", [str(begun)])
        future.wait(min(_PATIENCE, _left(end) or _PATIENCE))


def _released(waiting: Mapping[str, _Begun], timeout: float | None) -> Iterator[str]:
    """Give the sessions whose steps end now that another step has ended, or waits."""
    for session, begun in waiting.items():
        if begun.blocked is not None and begun.blocked.on == "polling":
            _let_it_look(begun)
        if _goes_on(begun, timeout):
            yield session


def _let_it_look(begun: _Begun) -> None:
    """Wait until a thread that polls has looked again, which it does for a moment."""
    place = begun.blocked.thread if begun.blocked is not None else None
    before = _turns(place)
    end = monotonic() + _POLL_SECONDS
    # The first time it may have been awake, and have looked before.
    while not begun.future.done() and monotonic() < end and _turns(place) < before + 2:
        sleep(_PAUSE)


def _turns(place: tuple[int, int] | None) -> int:
    """Return how often a thread has been given a processor; ``0`` if that is not known."""
    words = threads.turns(*place).replace("-", " ").split() if place is not None else []
    return int(words[-1]) if words else 0


def _await_one(
    done: InterleavingRun, todo: list[Step], waiting: Mapping[str, _Begun], timeout: float | None
) -> None:
    """Wait until a step ends, where all sessions wait."""
    end = None if timeout is None else monotonic() + timeout
    lives = [begun.peer.life for begun in waiting.values()]
    while True:
        futures = [begun.future for begun in waiting.values()]
        if wait_for_futures(futures, _DEADLOCK_PAUSE, FIRST_COMPLETED).done:
            return
        cycle = deadlock.told(lives)
        if cycle or (end is not None and monotonic() >= end):
            break
    waits = [str(begun) for begun in waiting.values()]
    lines = ["no step can end:" if cycle else f"no step has ended for {timeout:g} s:"]
    lines += [f"  {line}" for line in waits]
    if todo:
        lines.append(f"  not begun: {' '.join(map(str, todo))}")
    told = "" if cycle else where.of(lives, "no step has ended")
    raise InterleavingStuck("\n".join([*lines, cycle, str(done), told]).strip(), waits)


def _end(done: InterleavingRun, begun: _Begun, *, late: bool) -> None:
    value, failure = begun.future.outcome(0)
    if isinstance(failure, PeerDown):
        failure.add_note(f"in step {begun.step}, of {done.order}")
        raise failure
    done.note_end(begun.step, value, failure, late)


def _left(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - monotonic())
