"""Tracebacks made again of what the peer told of its frames, for every style in which they are shown."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Mapping
from collections.abc import Sequence
from types import CodeType
from types import TracebackType
from typing import Any

from .protocol.frame_info import LINE

__tracebackhide__ = True

#: Files of which only a peer has the source that are kept for reports; the oldest is forgotten first.
_FILES = 200
#: How locals of a peer's frames are shown, see `FrameCollector`; what reports show is the same for all peers of a process.
shown_locals: str = ""
#: No identifier, so that it hides no name of the user's.
_STOP = "@stop"


class _Stop(Exception):
    """Stops what stands for a function of the peer where that was."""


class _Local:
    """A local variable of a peer, as it is shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def __eq__(
        self, other: object
    ) -> bool:  # pytest finds a recursion by frames whose locals are equal
        return isinstance(other, _Local) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def made(frames: Sequence[dict[str, Any]], files: Mapping[str, str]) -> TracebackType | None:
    """A traceback of frames that `sights` has described.

    :param files: names by which they are known here, where that is not their own; see `known`.
    """
    following: TracebackType | None = None
    for frame in reversed(frames):
        step = _step(frame, files.get(frame["file"], frame["file"]))
        following = TracebackType(following, step.tb_frame, step.tb_lasti, frame["line"])
    return following


def _step(frame: dict[str, Any], filename: str) -> TracebackType:
    line, first = frame["line"], min(frame["first"], frame["line"])
    end, column, end_column = frame["place"] or (line, -1, -1)
    code = _code(filename, frame["name"], first, line, max(end, line), column, end_column)
    names = {"__name__": frame["module"], "__file__": filename, _STOP: _Stop()}
    if frame["hidden"]:
        names["__tracebackhide__"] = True
    told = frame["locals"]
    # Locals that are not known are not equal to each other. A name like this is not shown.
    variables = {"@unknown": object()} if told is None else {n: _Local(told[n]) for n in told}
    step = None
    try:
        exec(code, names, variables)
    except _Stop as stopped:
        step = stopped.__traceback__.tb_next if stopped.__traceback__ is not None else None
        stopped.__traceback__ = None
    assert step is not None
    return step


@functools.lru_cache(
    maxsize=256
)  # the same for the same function: pytest looks for recursions by it
def _code(
    filename: str, name: str, first: int, line: int, end: int, column: int, end_column: int
) -> CodeType:
    """Code that raises at this place; `first` is the function's first line."""
    place = {
        "lineno": line - first + 1,
        "end_lineno": (end if column >= 0 else line) - first + 1,
        "col_offset": column,
        "end_col_offset": end_column,
    }
    statement = ast.Raise(exc=ast.Name(_STOP, ast.Load(), **place), cause=None, **place)
    code = compile(ast.Module([statement], []), filename, "exec")
    return code.replace(co_name=name, co_firstlineno=first)


class Sources:
    """Lines that peers have told, put where everything that shows source looks for it: into ``linecache``."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, str]] = {}

    def known(self, told: Mapping[str, dict[int, str]], whose: str) -> dict[str, str]:
        """See to it that these lines can be shown.

        :param told: of each file of the peer the lines it has told, by their numbers.
        :param whose: names the peer.
        :returns: names for those files that are not what the same name means here.
        """
        return {
            name: other
            for name, lines in told.items()
            if lines and (other := self._known(name, lines, whose)) != name
        }

    def _known(self, name: str, lines: dict[int, str], whose: str) -> str:
        if name not in self._files:
            linecache.checkcache(name)
            here = linecache.getlines(name)
            if not here:
                return self._keep(name, lines)
            if all(
                number <= len(here) and here[number - 1].rstrip("\n")[:LINE] == text
                for number, text in lines.items()
            ):
                return name
        elif _agree(self._files[name], lines):
            return self._keep(name, lines)
        return self._keep(f"{name} ({whose})", lines)

    def _keep(self, name: str, lines: dict[int, str]) -> str:
        before = self._files.pop(name, {})
        if not _agree(before, lines):
            before = {}  # the file has changed over there
        every = self._files[name] = {**before, **lines}
        text = [_shown(every, number) + "\n" for number in range(1, max(every) + 1)]
        # Without a time: so it is not looked for on the disk.
        linecache.cache[name] = (sum(map(len, text)), None, text, name)
        while len(self._files) > _FILES:
            oldest = next(iter(self._files))
            del self._files[oldest]
            linecache.cache.pop(oldest, None)
        return name


def _shown(lines: dict[int, str], number: int) -> str:
    """A line, or what stands for it where it is not known: what follows has to be parsed."""
    following = lines.get(number + 1, "")
    return lines.get(number, "if 1:" if following[:1].isspace() and following.strip() else "")


def _agree(before: dict[int, str], lines: dict[int, str]) -> bool:
    return all(before.get(number, text) == text for number, text in lines.items())


sources: Sources = Sources()
