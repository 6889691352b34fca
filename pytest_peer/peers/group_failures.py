"""The failures of a group as one exception: in the order of time, equal ones once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from traceback import walk_tb
from typing import TYPE_CHECKING

from ..core.errors import CallTimeout, PeerDown
from ..core.names import listed
from ..evidence.stack_text import comparable, parts
from ..link import debugging

if TYPE_CHECKING:
    from .lifecycle import PeerLife

#: Exceptions that are no failures, but what becomes of a test: pytest's and unittest's.
_OUTCOMES_OF_TESTS = {
    ("builtins", "Skipped"),
    ("_pytest.outcomes", "XFailed"),
    ("unittest.case", "SkipTest"),
}
#: Seconds by which the origin may learn of a death later than other peers, which then fail.
_NOTICED_LATER = 0.1


@dataclass
class Failure:
    """What the life of the member at `index` has raised, and when (`monotonic`)."""

    index: int
    life: PeerLife
    exc: BaseException
    when: float

    @property
    def name(self) -> str:
        return self.life.options.name

    def begun(self) -> float:
        """Return when what it tells of has happened."""
        record = self.life.record
        if isinstance(self.exc, PeerDown) and self.exc.reason is getattr(record, "reason", None):
            return record.end_begun - (_NOTICED_LATER if self.life.died_unasked else 0.0)
        return self.when

    def brief(self) -> str:
        """Return a line without the peer's name."""
        if isinstance(self.exc, PeerDown) and self.exc.reason is not None:
            return str(self.exc.reason)
        first = next(iter(str(self.exc).splitlines()), "").replace(
            f" from {self.life.record.whom()}", ""
        )
        return f"{type(self.exc).__name__}: {first}".removesuffix(": ")

    def key(self) -> object:
        """Return what is the same of two failures that differ in nothing but the peer."""
        if isinstance(self.exc, CallTimeout):  # wherever each member has waited
            texts = [self.exc.args[0], *(part.body for part in parts(self.exc.stacks))]
        else:
            texts = [str(self.exc), *getattr(self.exc, "__notes__", ())]
        text = comparable("\n".join(texts).replace(self.life.record.whom(), ""))
        places = [(f.f_code.co_filename, line) for f, line in walk_tb(self.exc.__traceback__)]
        return type(self.exc), text, *places


def is_no_failure(exc: BaseException) -> bool:
    """Return whether it says what becomes of a test, and not that something has failed."""
    return (type(exc).__module__, type(exc).__name__) in _OUTCOMES_OF_TESTS


def raise_for(failures: Iterable[Failure], size: int) -> None:
    """Raise what a group of that `size` raises for these failures, if there are any."""
    every = sorted(failures, key=Failure.begun)
    if not every:
        return
    if all(is_no_failure(failure.exc) for failure in every):
        raise every[0].exc  # without a note, which would become part of the reason
    first = f"{'first ' if every[1:] else ''}{every[0].name}: {every[0].brief()}"
    # An ExceptionGroup, unless a function raised SystemExit or the like.
    raise BaseExceptionGroup(f"{len(every)} of {size} peers failed, {first}", list(_folded(every)))


def _folded(every: Sequence[Failure]) -> Iterator[BaseException]:
    """Yield an exception for all that are equal; it names the peers."""
    equal: dict[object, list[Failure]] = {}
    for failure in every:
        equal.setdefault(failure.key(), []).append(failure)
    for one, *others in equal.values():
        exc = one.exc
        debugging.fold(exc, [each.exc for each in others])
        names = tuple(each.name for each in sorted(others, key=lambda each: each.index))
        notes = getattr(exc, "__notes__", ())
        if not any(one.name in text for text in (str(exc), *notes)):
            exc.add_note(f"in {one.life!r}")
        if names:
            exc.add_note(f"the same in {listed(names)}")
            if isinstance(exc, CallTimeout):
                exc.others = names
        yield exc
