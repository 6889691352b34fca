"""The nemesis: it does faults at random while a test runs, and always heals them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ...core.clock import seconds
from ...core.sync import Event
from ...core.worker import start_thread
from . import shrinking
from .deeds import Deed, done

if TYPE_CHECKING:
    from types import TracebackType

    from ..fabric import Fabric

#: Seconds for the last deed to end and to be healed; a restart takes one at most.
_END_SECONDS = 60.0
#: Begins the next deed; ``None`` lets its time pass.
Begin = Callable[[], Deed] | None


class Nemesis:
    """Does faults on a thread of its own while its block lasts; at its end all are healed.

    A deed lasts for a period; then it is healed, and a period later comes the next one.
    """

    def __init__(
        self,
        fabric: Fabric,
        plan: Iterator[Begin],
        period: float,
        seed: int,
        expect_hits: bool,
        *,
        finishes: bool = False,
    ) -> None:
        """:private: use ``peer_network.nemesis``."""
        self._fabric = fabric
        self._plan = plan
        self._period = period
        self._finishes = finishes  # at the end of its block it does what is left to do
        self._over = Event()
        self._ended = Event()
        self._error: BaseException | None = None
        self._begun = False
        #: What it has done so far.
        self.deeds: list[Deed] = []
        #: The seed by which deeds and grudges are drawn: the same one makes the same history.
        self.seed: int = seed
        #: Whether the test fails if all that it did touched nothing.
        self.expect_hits = expect_hits

    def __repr__(self) -> str:
        return f"<nemesis, seed {self.seed}: {len(self.deeds)} deeds>"

    def __str__(self) -> str:
        count = len(self.deeds)
        return f"nemesis with seed {self.seed}: {count} deed{'' if count == 1 else 's'}"

    @property
    def history(self) -> list[str]:
        """What it has done so far: the faults and their hosts, without times."""
        return [str(deed) for deed in self.deeds]

    @property
    def hits(self) -> int:
        """How many packets and peers its deeds have touched."""
        return sum(deed.hits for deed in self.deeds)

    def replay(self) -> Nemesis:
        """Return another nemesis, which does what this one has done so far and no more.

        It does so at the same intervals, to the same hosts. At the end of a block that passes it
        does what is left.
        """
        made = self._part(range(len(self.deeds)), finishes=True)
        self._fabric.nemeses.append(made)
        return made

    def shrink(self, run: Callable[[], object]) -> list[str]:
        """Run a function again with parts of the history, and return what has to be in it to fail.

        Without any one of these deeds it passes; an empty list says that it fails without faults.

        :param run: what fails, which means that it raises; it makes the state that it needs anew.
        :raises ValueError: it does not fail with the whole history.
        """

        def fails(kept: Sequence[int]) -> bool:
            with self._part(kept):
                try:
                    run()
                except Exception:
                    return True
                except BaseException as exc:
                    # `pytest.fail` raises no Exception, and so does the time limit of a test.
                    if type(exc).__name__ == "Failed" and not str(exc).startswith("Timeout"):
                        return True
                    raise
            return False

        every, history = range(len(self.deeds)), self.history
        if not fails(every):
            raise ValueError(f"shrink: it passes with all {len(every)} deeds of the {self}")
        return [history[place] for place in shrinking.smallest(every, fails)]

    def _part(self, kept: Sequence[int], *, finishes: bool = False) -> Nemesis:
        """Return one that does some of the deeds, by their places, each at its time."""
        last = max(kept, default=-1)
        plan = [
            deed.again if place in kept else None
            for place, deed in enumerate(self.deeds[: last + 1])
        ]
        return Nemesis(
            self._fabric, iter(plan), self._period, self.seed, expect_hits=False, finishes=finishes
        )

    # The block

    def __enter__(self) -> Self:
        if self._begun:
            raise RuntimeError("nemesis: its block has begun already; `replay()` is another one")
        start_thread(self._work, "pytest-peer-nemesis")
        self._begun = True
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._finishes and error is None:
            self._ended.wait(None)
        self.end()
        if self._error is None:
            return
        if error is None:
            raise self._error
        error.add_note(f"the nemesis had failed: {self._error!r}")

    def end(self) -> None:
        """Do no more, and wait until all is healed; does nothing if it has ended.

        :raises TimeoutError: a deed does not end within a minute.
        """
        self._over.set()
        if self._begun and not self._ended.wait(_END_SECONDS):
            raise TimeoutError(f"the {self} has not ended within {_END_SECONDS:g} s: a deed hangs")

    def _work(self) -> None:
        draws = self._fabric.draws
        draws[threading.get_ident()] = random.Random(f"{self.seed} nemesis' grudges")
        try:
            for place, begin in enumerate(self._plan):
                if (place and self._over.wait(self._period)) or self._over.is_set():
                    return
                deed = begin() if begin is not None else None
                if deed is not None:
                    self.deeds.append(deed)
                try:
                    self._over.wait(self._period)
                finally:
                    if deed is not None:
                        deed.heal()
        except BaseException as exc:  # raised where its block ends
            self._error = exc
        finally:
            del draws[threading.get_ident()]
            self._ended.set()


def nemesis(
    fabric: Fabric, deeds: Iterable[Any], period: float, seed: int | None, expect_hits: bool
) -> Nemesis:
    """Return a nemesis of a network; see `Network.nemesis`."""
    every = _checked(deeds)
    lasts = seconds("period", period)
    if not lasts:
        raise ValueError(f"period: expected seconds above 0, got {period!r}")
    if seed is None:
        number = len(fabric.nemeses) + 1
        seed = random.Random(f"{fabric.seed} nemesis {number}").getrandbits(32)
    made = Nemesis(fabric, _drawn(fabric, every, seed), lasts, seed, expect_hits)
    fabric.nemeses.append(made)
    return made


def _drawn(fabric: Fabric, deeds: Sequence[Any], seed: int) -> Iterator[Begin]:
    draw = random.Random(f"{seed} nemesis")
    while True:
        chosen: Any = deeds
        while not callable(chosen):
            chosen = draw.choice(chosen)
        yield partial(done, fabric, chosen)


def _checked(deeds: Any) -> Sequence[Any]:
    """Return functions, and sequences of them in turn, or raise what is wrong with them."""
    if not isinstance(deeds, Iterable) or isinstance(deeds, str):
        _refuse(deeds)
    every = [each if callable(each) else _checked(each) for each in deeds]
    if not every:
        raise ValueError("nemesis: expected at least one deed, got none")
    return every


def _refuse(what: object) -> NoReturn:
    raise TypeError(
        "nemesis: expected functions that begin a fault and return it, such as "
        f"`lambda: peer_network.isolate(a)`, `peer_network.halves` or `a.kill`, got {what!r}"
    )
