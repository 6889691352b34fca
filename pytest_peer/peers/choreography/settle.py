"""Wait until peers, and all that they have started, are at rest: `Peer.settle`."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...core import threads
from ...core.clock import monotonic, seconds, sleep, standstill
from ...core.errors import NotSettled, PeerDown, PeerError, StillBooting
from ...evidence.stacks import record_all
from ..lifecycle import PeerLife
from ..transitions import Phase
from .blocked import unknown
from .processes import owner, root_of
from .sweep import Moment, Root, Sweep, Thread

#: Seconds between two looks.
_PAUSE_SECONDS = 0.0002
_MOST_PAUSE_SECONDS = 0.005
#: Seconds for an agent to say which of its threads wait for us.
_ANSWER_SECONDS = 0.5
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
        self._quiet = False
        self._looks = 0
        self._busy: Counter[Thread | str] = Counter()
        # Threads that wait for us, with their turns then; of those of the agent's own, no turns.
        self._ours: dict[Thread, str] = {}
        self._sweep = Sweep(self._roots)

    def wait(self, timeout: float | None) -> None:
        """Return at a moment of rest, or raise `NotSettled`."""
        with contextlib.closing(self._sweep):
            self._wait(seconds("timeout", timeout))

    def _wait(self, limit: float | None) -> None:
        begun, prompts, pause = monotonic(), standstill.count, _PAUSE_SECONDS
        while True:
            moment = self._sweep.look(self._look_at_links)
            late = limit is not None and monotonic() - begun >= limit
            if standstill or prompts != standstill.count:  # a debugger: the limit begins anew
                begun, prompts, late = monotonic(), standstill.count, False
            if self._is_rest(moment):
                return
            if late:
                assert limit is not None
                raise self._error(limit)
            sleep(pause)
            pause = min(1.5 * pause, _MOST_PAUSE_SECONDS)

    def _roots(self) -> Iterator[Root]:
        for life in self._lives():
            if life.process.started and life.process.elsewhere:
                raise PeerError(f"{life.record.whom()} is on another machine; it cannot be watched")
            if self._above.get(life) is None:  # that stays as it is, to the end of the peer
                self._above[life] = root_of(life)
            root = self._above[life]
            if root is not None and life.phase < Phase.DOWN:
                yield root
        yield from ((pid, False) for pid in self._watch)

    def _look_at_links(self) -> None:
        self._quiet = True
        for life in self._lives():
            rests = life.phase in (Phase.RUNNING, Phase.DOWN, Phase.RELEASED)
            if not rests or not life.client.is_quiet():
                self._quiet = False
                self._busy[f"{_IN_FLIGHT} {life.record.whom()}"] += 1

    def _is_rest(self, moment: Moment) -> bool:
        self._looks += 1
        self._busy.update(moment.awake)
        if moment.awake or not self._quiet:
            return False
        if self._ignore_timers:
            return True
        timed = self._timed(moment)
        self._busy.update(timed)
        return not timed

    def _timed(self, moment: Moment) -> list[Thread]:
        """Return the threads that will go on by themselves, without those that wait for us."""
        timed: list[Thread] = []
        for each, turns in moment.asleep.items():
            wait = threads.wait_of(*each, threads.syscall(*each))
            if (
                wait is not None
                and not wait.limit > 1e9
                and self._ours.get(each) not in ("", turns)
            ):
                timed.append(each)
        for life in self._lives():
            of_life = [each for each in timed if each.process == life.process.pid]
            for number, word in _ours(life) if of_life else ():
                each = Thread(of_life[0].process, number)
                self._ours[each] = "" if word == "agent" else moment.asleep.get(each, "none")
        return timed

    def _error(self, limit: float) -> NotSettled:
        lives = {life.process.pid: life for life in self._lives() if life.process.pid is not None}
        lines, running = [], []
        for who, count in self._busy.most_common(_NAMED):
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


def _ours(life: PeerLife) -> Iterable[tuple[int, str]]:
    try:
        return life.client.agent.own_waits(_ANSWER_SECONDS)
    except TimeoutError as exc:
        if exc.args and not isinstance(exc, StillBooting):  # a signal handler's
            raise
    except PeerDown:
        pass
    return ()
