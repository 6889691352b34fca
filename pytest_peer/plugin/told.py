"""What the failure of a test tells: a report does not say it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core.errors import CallTimeout, PeerDown
from ..evidence.stack_text import Part, comparable

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife


class Told:
    """The exceptions that pytest shows for a failure, as far as they tell of peers."""

    def __init__(self, exc: BaseException | None) -> None:
        every = list(_shown(exc, set()))
        self._text = comparable("\n".join(map(_text, every)))
        # The same object as in the record of a life.
        self._reasons = {id(each.reason) for each in every if isinstance(each, PeerDown)}

    def death(self, life: PeerLife) -> bool:
        """Whether a call has raised that this life is over, and why."""
        return id(getattr(life.record, "reason", None)) in self._reasons

    def text(self, text: str) -> bool:
        """Whether that text has been shown, of whatever peer."""
        return comparable(text) in self._text

    def stack(self, life: PeerLife, part: Part) -> bool:
        """Whether that stack has been shown as one of this peer."""
        return life.options.name in self._text and comparable(part.body) in self._text


def _text(exc: BaseException) -> str:
    others = exc.others if isinstance(exc, CallTimeout) else ()
    try:
        return "\n".join([str(exc), *getattr(exc, "__notes__", ()), *others])
    except Exception:  # of a class of the user's
        return ""


def _shown(exc: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an exception and all that are shown with it."""
    if exc is None or id(exc) in seen:
        return
    seen.add(id(exc))
    yield exc
    yield from _shown(exc.__cause__, seen)
    if not exc.__suppress_context__:
        yield from _shown(exc.__context__, seen)
    for member in exc.exceptions if isinstance(exc, BaseExceptionGroup) else ():
        yield from _shown(member, seen)
