"""Wait until peers, and all that they have started, are at rest: `Peer.settle`."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ...core import threads
from ...core.clock import monotonic, seconds, sleep, standstill
from ...core.errors import NotSettled, PeerDown, StillBooting
from ...core.sweep import Moment, Root, Sweep, Thread
from ...evidence.stacks import record_all
from ..at_once import at_once
from ..lifecycle import PeerLife
from ..transitions import Phase
from .blocked import unknown
from .culprits import culprits
from .processes import is_far, owner, root_of

T = TypeVar("T")

#: Seconds between two looks.
_PAUSE_SECONDS = 0.0002
_MOST_PAUSE_SECONDS = 0.005
#: Seconds for an agent to say which of its threads wait for us.
_ANSWER_SECONDS = 0.5
#: A peer that has not answered so often, though all of it sleeps, sleeps with the GIL.
_SILENCES = 3
#: How many of the threads that kept running an error names.
_NAMED = 20
_IN_FLIGHT = "a message is on its way to or from"


class Settling:
    """Waits for some peers; `lives` gives those that there are."""

    def __init__(
        self,
        lives: Callable[[], Iterable[PeerLife]],
        watch: Sequence[int] = (),
        ignore_timers: bool = True,
    ) -> None:
        if why := threads.why_unreadable():
            raise unknown(why)
        for pid in watch:
            if not threads.numbers(f"/proc/{pid}/task"):
                raise ValueError(f"watch: there is no process {pid!r}")
        self._lives = lives
        self._watch = watch
        self._ignore_timers = ignore_timers
        self._above: dict[PeerLife, Root | None] = {}
        self._far_busy: list[PeerLife] = []
        self._silent: Counter[PeerLife] = Counter()  # how often each has not answered
        self._quiet = False
        self._looks = 0
        #: What was busy at this look; and how often just that was.
        self._busy: set[Thread | str] = set()
        self._busy_at: Counter[frozenset[Thread | str]] = Counter()
        # Threads that wait for us, with their turns then; of those of the agent's own, no turns.
        self._ours: dict[Thread, str] = {}
        self._sweep = Sweep(self._roots, [os.getpid()])  # it may be below one that is watched

    def wait(self, timeout: float | None) -> None:
        """Return at a moment of rest, or raise `NotSettled`."""
        with contextlib.closing(self._sweep):
            self._wait(seconds("timeout", timeout))

    def _wait(self, limit: float | None) -> None:
        begun, prompts, pause = monotonic(), standstill.count, _PAUSE_SECONDS
        while True:
            far = self._far_looks()
            moment = self._sweep.look(self._look_at_links)
            far_too = not far or (None not in far and self._far_looks() == far)
            late = limit is not None and monotonic() - begun >= limit
            if standstill or prompts != standstill.count:  # a debugger: the limit begins anew
                begun, prompts, late = monotonic(), standstill.count, False
            if self._is_rest(moment) and far_too:
                return
            self._busy_at[frozenset(self._busy)] += 1
            self._busy.clear()
            if late:
                assert limit is not None
                raise self._error(limit)
            sleep(pause)
            pause = min(1.5 * pause, _MOST_PAUSE_SECONDS)

    def _roots(self) -> Iterator[Root]:
        for life in self._lives():
            if not life.process.started or is_far(life):
                continue
            if self._above.get(life) is None:  # that stays as it is, to the end of the peer
                self._above[life] = root_of(life)
            root = self._above[life]
            if root is not None and life.phase < Phase.DOWN:
                yield root
        yield from map(Root, self._watch)

    def _far_looks(self) -> list[object]:
        """Look at the peers of other machines: ``None`` for one that does not rest."""
        return [self._far_look(life) for life in self._lives() if _runs(life) and is_far(life)]

    def _far_look(self, life: PeerLife) -> object:
        timers = not self._ignore_timers
        found = _answer(partial(life.client.agent.rest, timers, _ANSWER_SECONDS))
        if found is None:
            self._busy.add(_silent(life))
            return None
        why, awake, asleep = found
        if why:
            raise unknown(why)
        whom = life.record.whom()
        self._busy.update(f"{whom}, its process {pid}: thread {number}" for pid, number in awake)
        self._far_busy += [life] if awake and life not in self._far_busy else []
        return None if awake else asleep

    def _look_at_links(self) -> None:
        self._quiet = True
        for life in self._lives():
            rests = life.phase in (Phase.RUNNING, Phase.DOWN, Phase.RELEASED)
            if not rests or not life.client.is_quiet():
                self._quiet = False
                self._busy.add(f"{_IN_FLIGHT} {life.record.whom()}")
        for supervisor in {id(life.owner): life.owner for life in self._lives()}.values():
            if what := supervisor.on_its_way():
                self._quiet = False
                self._busy.add(what)

    def _is_rest(self, moment: Moment) -> bool:
        self._looks += 1
        if not moment.awake:
            moment = self._sweep.confirmed(moment)
        self._busy.update(moment.awake)
        if moment.awake or not self._quiet or self._asks_whether_begun():
            return False
        if self._ignore_timers:
            return True
        timed = self._timed(moment)
        self._busy.update(timed)
        return not timed

    def _asks_whether_begun(self) -> bool:
        """Ask peers that may have calls which no thread has begun; return whether there are any.

        For a millisecond a call that came with another one waits, while all threads sleep. A peer
        that has begun all is not asked again, nor one that does not answer though nothing runs
        there; but threads have run since.
        """
        lagging = [
            life for life in self._lives() if _may_lag(life) and self._silent[life] < _SILENCES
        ]
        asked = [partial(life.client.agent.has_begun, _ANSWER_SECONDS) for life in lagging]
        found = at_once([partial(_answer, ask) for ask in asked]) if lagging else []
        for life, (begun, _) in zip(lagging, found, strict=True):
            self._silent[life] += begun is None
            if begun is None:
                self._busy.add(_silent(life))
            elif not begun:
                self._busy.add(f"a call has not begun in {life.record.whom()}")
        return bool(lagging)

    def _timed(self, moment: Moment) -> list[Thread]:
        """Return the threads that will go on by themselves, without those that wait for us."""
        timed: list[Thread] = []
        for each, turns in moment.asleep.items():
            if self._ours.get(each) not in ("", turns) and threads.goes_on(*each, turns):
                timed.append(each)
        for life in self._lives():
            pid = life.process.local_pid()
            of_life = [each for each in timed if each.process == pid]
            ask = partial(life.client.agent.own_waits, _ANSWER_SECONDS)
            found = _answer(ask) if of_life else None
            for own in () if found is None else found.every:
                each = Thread(of_life[0].process, own.thread)
                self._ours[each] = "" if own.word == "agent" else moment.asleep.get(each, "none")
        return timed

    def _agents(self, lives: Sequence[PeerLife]) -> list[Thread]:
        """Return the threads that were busy only because their peer reads its link."""
        busy = {each.process for look in self._busy_at for each in look if isinstance(each, Thread)}
        pids = {life: life.process.local_pid() for life in lives if _runs(life)}
        asked = [life for life, pid in pids.items() if pid in busy]
        ask = [partial(life.client.agent.own_waits, _ANSWER_SECONDS) for life in asked]
        answers = at_once([partial(_answer, each) for each in ask]) if asked else []
        return [
            Thread(pids[life] or 0, own.thread)
            for life, (found, _) in zip(asked, answers, strict=True)
            for own in (() if found is None else found.every)
            if own.word == "agent"
        ]

    def _error(self, limit: float) -> NotSettled:
        lives = list(self._lives())
        lines, running = [], list(self._far_busy)
        for who, count in culprits(self._busy_at, self._agents(lives))[:_NAMED]:
            if isinstance(who, str):
                lines.append(f"{who}, at {count} of {self._looks} looks")
                continue
            of = owner(who.process, lives)
            text = "a process of yours" if of is None else of.record.whom()
            if of is not None and of.process.pid != who.process:
                text += f", its process {who.process}"
            name = threads.contents(f"/proc/{who.process}/task/{who.number}/comm").strip()
            lines.append(f"{text}: thread {who.number} ({name}), at {count} of {self._looks} looks")
            if of is not None and of not in running:
                running.append(of)
        stacks = record_all([life.stacks for life in running], "it was expected to be at rest")
        told = [
            f"{life.record.whom()}:\n{text}" for life, text in zip(running, stacks, strict=True)
        ]
        message = f"not at rest within {limit:g} s; these kept running:"
        return NotSettled(message, lines, "\n".join(told))


def _runs(life: PeerLife) -> bool:
    return life.phase is Phase.RUNNING and not life.process.paused


def _silent(life: PeerLife) -> str:
    return f"{life.record.whom()} does not answer"


def _may_lag(life: PeerLife) -> bool:
    return _runs(life) and life.client.agent.may_lag


def _answer(ask: Callable[[], T]) -> T | None:
    """Return what an agent says, or ``None`` if it does not."""
    try:
        return ask()
    except TimeoutError as exc:
        if exc.args and not isinstance(exc, StillBooting):  # a signal handler's
            raise
    except PeerDown:
        pass
    return None
