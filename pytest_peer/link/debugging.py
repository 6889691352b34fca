"""What peers are told of the user's debugger: by the configuration of the agent, and when they ask."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .interpreter import Interpreter


@dataclass
class Kept:
    """Frames of a failure, in the peer of that name, which knows them by `number`."""

    exc: BaseException
    peer: str
    number: int
    #: The exception that a group raises for both, as they are equal.
    shown_as: BaseException | None = None


#: ``"module:class"`` of ``--pdbcls``; empty for pdb's own.
pdb_class: str = ""
#: Whether peers keep the frames of failures, for ``--pdb``; the same for all.
keeps_frames: bool = False
#: The last failures of peers.
kept: deque[Kept] = deque(maxlen=64)
#: The modules of the agent that peers ask for.
_FILES = {
    name: Path(__file__).parent.parent / "agent" / f"{name}.py"
    for name in ("stack_places", "debugger", "stop_running")
}


def debugger(_: Interpreter, name: str) -> tuple[str, bytes, str]:
    """Return file and source of a module of the agent, and `pdb_class`."""
    return str(_FILES[name]), _FILES[name].read_bytes(), pdb_class


def fold(exc: BaseException, others: Iterable[BaseException]) -> None:
    """Have `exc` also stand for the frames of others, which are equal."""
    for each in list(kept):
        if any(each.exc is other for other in others):
            each.shown_as = exc


def frames_of(exc: BaseException) -> list[Kept]:
    """Return the frames that there are of an exception; its own are the first."""
    found = [each for each in list(kept) if each.exc is exc or each.shown_as is exc]
    return sorted(found, key=lambda each: each.exc is not exc)
