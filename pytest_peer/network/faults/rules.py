"""Faults that a function of the test decides about, packet by packet."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from ...core.locks import Lock
from ...core.worker import start_thread
from ..switch.packets import Packet
from ..switch.questions import Action, Answer, Question
from .fault import Fault, Hold
from .settings import checked

if TYPE_CHECKING:
    from ..fabric import Fabric

Predicate = Callable[[Packet], object]

#: Seconds for the predicates to decide about what is on its way when counts are asked for.
_COUNTED_SECONDS = 2.0
#: Seconds for them to do so when a rule is healed, or what it holds is asked for.
_HEALED_SECONDS = 10.0


class Judge:
    """Runs the predicates of all rules on one thread, packet after packet."""

    def __init__(
        self, questions: Iterable[Sequence[Question]], answer: Callable[[list[Answer]], object]
    ) -> None:
        self._questions = questions
        self._answer = answer
        self._rules: dict[int, Rule] = {}
        #: Who has it stops the judge between two packets.
        self.lock: Lock = Lock()
        #: Called with a text about the first exception of a predicate; it is empty when that is raised.
        self.on_failure: Callable[[Callable[[], str]], object] = lambda _: None
        self._failures: dict[Rule, BaseException] = {}
        self._judging: Rule | None = None
        self._thread: threading.Thread | None = None

    @property
    def here(self) -> bool:
        """Whether this is its thread, as in a predicate."""
        return threading.current_thread() is self._thread

    def waited_for(self) -> str:
        """Return a text for the predicate that runs now; empty for none."""
        return f"the predicate of the {rule} has not returned" if (rule := self._judging) else ""

    def add(self, rule: Rule) -> None:
        if self._thread is None:
            self._thread = start_thread(self._run, "pytest-peer-rules")
        self._rules[rule.number] = rule

    def forget(self, rule: Rule) -> None:
        self._rules.pop(rule.number, None)

    def failed(self, rule: Rule, exc: BaseException) -> None:
        """Keep the first exception of a predicate: the test fails."""
        if rule not in self._failures:
            self._failures[rule] = exc
            self.on_failure(lambda: self._told(rule))

    def _told(self, rule: Rule) -> str:
        exc = self._failures.get(rule)
        return (
            "".join(traceback.format_exception(exc)) + f"of the predicate of: {rule}" if exc else ""
        )

    def raise_failure(self) -> None:
        """Raise the first exception of a predicate, as an error whatever it is."""
        for rule in list(self._rules.values())[:1]:
            _ = rule.counts  # waits for the predicates
        if self._failures:
            rule, exc = next(iter(self._failures.items()))
            self._failures.clear()
            raise RuntimeError(f"the predicate of the {rule} has raised {exc!r}") from exc

    def _run(self) -> None:
        for questions in self._questions:
            answers = [
                (number, self._met(Packet(frame, source, target)))
                for number, frame, source, target in questions
            ]
            with contextlib.suppress(Exception):  # the network is being closed
                self._answer(answers)

    def _met(self, packet: Packet) -> list[int]:
        """Return the numbers of the rules that a packet meets."""
        with self.lock:
            rules = list(self._rules.values())
        met = []
        for rule in rules:
            self._judging = rule
            if rule.is_met(packet):
                met.append(rule.number)
                if rule.action.stops:
                    break
        self._judging = None
        return met


class Rule(Hold):
    """Drops, delays, doubles, damages or holds the packets for which a predicate is true."""

    def __init__(
        self, fabric: Fabric, predicate: Predicate, action: Action, expect_hits: bool
    ) -> None:
        what = f"rule {_name(predicate)}: {action.described()}"
        Fault.__init__(self, fabric, what, frozenset(), expect_hits)
        self.action = action
        self._predicate = predicate
        self._judge = fabric.judge
        self._most: int | None = None
        self._met = 0
        with self._judge.lock:  # no packet is judged before it is known here and there
            self._judge.add(self)
            self._ask("rule", self.number, action, fabric.seed)
        fabric.remember(self)

    def first(self, count: int) -> Self:
        """Let it touch no more than the first `count` packets; return the rule.

        :raises ValueError: it has touched more already, or `count` is not positive.
        """
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"first: expected a number of packets, got {count!r}")
        with self._judge.lock:
            if count < 1 or self._met > count:
                raise ValueError(f"first: {count} packets, but the rule has met {self._met}")
            self._most = count
        self._what += f", the first {count}"
        return self

    def again(self) -> Rule:
        """Begin another one like it, which touches as many packets at most."""
        made = Rule(self._fabric, self._predicate, self.action, False)
        return made if self._most is None else made.first(self._most)

    def is_met(self, packet: Packet) -> bool:
        """Return whether it touches a packet; called by the judge."""
        if self._full:
            return False
        try:
            met = bool(self._predicate(packet))
        except BaseException as exc:  # also of ``pytest.fail``
            self._judge.failed(self, exc)
            return False
        with self._judge.lock:
            met = met and not self._full  # `first` may have been called meanwhile
            self._met += met
        return met

    @property
    def _full(self) -> bool:
        """Whether it has touched as many packets as it may."""
        return self._most is not None and self._met >= self._most

    @property
    def counts(self) -> Mapping[str, int]:
        """How many packets it has hit, dropped, delayed, and so on; of all that were sent before."""
        if self.healed is None:
            with contextlib.suppress(TimeoutError):
                self._settle(_COUNTED_SECONDS)
        return super().counts

    @property
    def packets(self) -> Sequence[Packet]:
        self._check_holds()
        self._settle(_HEALED_SECONDS)
        return super().packets

    def release(self, *, reverse: bool = False) -> int:
        self._check_holds()
        self._settle(_HEALED_SECONDS)
        return super().release(reverse=reverse)

    def drop(self) -> int:
        self._check_holds()
        self._settle(_HEALED_SECONDS)
        return super().drop()

    def heal(self) -> None:
        """End it; what was sent before still meets it.

        :raises TimeoutError: its predicate, or that of another rule, does not return.
        """
        if self.healed is not None:
            return
        try:
            self._settle(_HEALED_SECONDS)
        finally:
            super().heal()
            self._judge.forget(self)

    def _settle(self, seconds: float) -> None:
        """Wait until the predicates have seen all that was sent so far.

        :raises TimeoutError: names the predicate that does not return.
        """
        if not self._judge.here and not self._ask("settle", seconds):
            why = self._judge.waited_for() or "it has not decided about all packets in time"
            raise TimeoutError(f"{self}: {why}")

    def _check_holds(self) -> None:
        if not self.action.hold:
            raise RuntimeError(f"the {self} keeps no packets: it has no hold=True")


def action(drop: bool, delay: float | None, duplicate: bool, hold: bool, corrupt: bool) -> Action:
    """Check what a rule shall do; raises TypeError or ValueError."""
    flags = {"drop": drop, "duplicate": duplicate, "hold": hold, "corrupt": corrupt}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name}: expected True or False, got {value!r}")
    seconds = checked(delay=delay).get("delay", 0.0)
    found = Action(delay=seconds, **flags)
    named = found.described().split(", ")
    if named == [""]:
        raise ValueError("rule: expected one of drop, delay, duplicate, hold, corrupt")
    if found.stops and len(named) > 1:
        raise ValueError(f"rule: {' and '.join(named)}: drop and hold stand alone")
    return found


def _name(predicate: Predicate) -> str:
    """Return the name of a predicate, and where it is written."""
    name = getattr(predicate, "__name__", type(predicate).__name__)
    code = getattr(predicate, "__code__", None)
    return f"{name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})" if code else name
