"""Frames as plain values: what a report shows of them, from where they are and can be looked at."""

from __future__ import annotations

import sys
from itertools import islice
from types import CodeType
from types import FrameType
from types import TracebackType
from typing import Any

from .variables import Variables

__tracebackhide__ = True

#: Of the import system; Python leaves its frames out of tracebacks as well.
_IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
#: Frames of a traceback that travel, from each of its ends: a RecursionError has thousands.
_FRAMES = 100
#: Lines of source that travel, of a function and of all together, and of a line so many characters.
_OF_FUNCTION = 500
_LINES = 3000
#: Longer lines are cut.
LINE = 500
#: Lines of a function behind the one where its frame is.
_BEHIND = 100


class FrameCollector:
    """What is seen of the frames of an exception and of all that belong to it.

    :param own_files: files whose frames are ours, and left out.
    :param locals: ``"short"`` or ``"full"`` reprs of them are wanted; empty: none.
    """

    def __init__(self, own_files: frozenset[str], locals: str) -> None:
        self._own_files = own_files
        self._variables = Variables(locals == "full") if locals else None
        #: Of each file the lines that are known, by their numbers.
        self.sources: dict[str, dict[int, str]] = {}
        self._left = _LINES

    def traceback(self, step: TracebackType | None) -> list[dict[str, Any]]:
        """Describe the frames of a traceback, outermost first."""
        steps = []
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file not in self._own_files and file not in _IMPORTING:
                steps.append(step)
            step = step.tb_next
        if len(steps) > 2 * _FRAMES:
            steps = steps[:_FRAMES] + steps[-_FRAMES:]
        return [self.frame(step.tb_frame, step.tb_lineno, step.tb_lasti) for step in steps]

    def frame(self, frame: FrameType, line: int, instruction: int) -> dict[str, Any]:
        """Describe a frame that is, or was, at this line and instruction."""
        code = frame.f_code
        self._see(code, line, frame.f_globals)
        return {
            "file": code.co_filename,
            "name": code.co_name,
            "first": code.co_firstlineno,
            "line": line,
            "place": _place(code, instruction),
            "module": frame.f_globals.get("__name__", ""),
            "hidden": _hidden(frame),
            "locals": self._locals_of(frame),
        }

    def _locals_of(self, frame: FrameType) -> dict[str, str] | None:
        if self._variables is not None:
            return self._variables.of(frame)
        code = frame.f_code
        has_some = code.co_nlocals or code.co_cellvars or code.co_freevars
        return None if has_some or code.co_name == "<module>" else {}

    def _see(self, code: CodeType, line: int, names: dict[str, Any]) -> None:
        """Keep the source of the function: who shows a statement has to parse what is around it."""
        seen = self.sources.setdefault(code.co_filename, {})
        if line in seen:
            return
        import linecache  # not at the top: its import is a sixth of the boot

        try:
            linecache.checkcache(code.co_filename)
            lines = linecache.getlines(code.co_filename, names)
        except Exception:  # a loader of the user's may do what it likes
            return
        if not 0 < line <= len(lines):
            return
        first = max(code.co_firstlineno, line - _OF_FUNCTION, 1)
        base = -1 if code.co_name == "<module>" else _indent(lines[first - 1])
        last = min(_end(lines, line, base), first + self._left)
        self._left -= last - first
        for number, text in zip(range(first, last), lines[first - 1 : last - 1]):
            seen[number] = text.rstrip("\n")[:LINE]


def _end(lines: list[str], line: int, base: int) -> int:
    """The number behind the last line of a block: its others are indented more, or close a bracket."""
    last = min(line + _BEHIND, len(lines))
    for number in range(line + 1, last + 1):
        text = lines[number - 1]
        if text.strip() and _indent(text) <= base and text.lstrip()[0] not in ")]}":
            return number
    return last + 1


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _place(code: CodeType, instruction: int) -> tuple[int, int, int] | None:
    """Last line, first and last column of what an instruction stands for, which Python 3.11 and later know."""
    if sys.version_info < (3, 11) or instruction < 0:
        return None
    places = islice(code.co_positions(), instruction // 2, None)
    _, end, column, end_column = next(places, (None,) * 4)
    if end is None or column is None or end_column is None:
        return None
    return end, column, end_column


def _hidden(frame: FrameType) -> bool:
    # Not by f_locals where it is not needed, which makes and keeps a copy of them.
    name = "__tracebackhide__"
    named = name in frame.f_code.co_varnames + frame.f_code.co_cellvars
    value = frame.f_locals.get(name) if named else frame.f_globals.get(name)
    return value is True or value == 1
