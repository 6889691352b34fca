"""Frames as plain values: everything that a report shows of them, collected where they are."""

from __future__ import annotations

import reprlib
import sys
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any, Callable

from .refusals import safe_repr

#: The import system, whose frames Python leaves out of tracebacks as well.
_IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
#: Frames of a traceback that travel, from each of its ends: a RecursionError has thousands.
_FRAMES = 100
#: Lines of source that travel: of one function, and of all together.
_OF_FUNCTION = 500
_LINES = 3000
LINE = 500  # characters, after which longer ones are cut
_BEHIND = 100  # lines of a function after the line of its frame
#: Characters of one variable with ``-vv`` and otherwise, as pytest cuts it, and of all together.
_FULL = 100_000
_SHORT = 240
_ALL = 1_000_000


class FrameCollector:
    """Describe the frames of an exception and all that belong to it, but those in `own_files`.

    :param locals: ``"short"`` or ``"full"`` reprs of local variables; empty for none.
    """

    def __init__(self, own_files: frozenset[str], locals: str) -> None:
        self._own_files = own_files
        self._shown = {"": None, "short": _short, "full": _full}[locals]
        self._characters = _ALL
        #: The known lines of each file, by their numbers.
        self.sources: dict[str, dict[int, str]] = {}
        self._lines = _LINES

    def traceback(self, step: TracebackType | None) -> list[dict[str, Any]]:
        """Describe the frames of a traceback, outermost first."""
        steps = []
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file not in self._own_files and file not in _IMPORTING:
                steps.append(step)
            step = step.tb_next
        del steps[_FRAMES:-_FRAMES]
        return [self.frame(step.tb_frame, step.tb_lineno, step.tb_lasti) for step in steps]

    def frame(self, frame: FrameType, line: int, instruction: int) -> dict[str, Any]:
        """Describe a frame that is, or was, at this line and instruction."""
        code = frame.f_code
        self._collect_source(code, line, frame.f_globals)
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
        if self._shown is None:
            code = frame.f_code
            has_some = code.co_nlocals or code.co_cellvars or code.co_freevars
            # The last is that of a frame of another peer.
            unknown = has_some or code.co_name == "<module>" or "@unknown" in frame.f_locals
            return None if unknown else {}
        # pytest hides names with @, those of its rewritten assertions.
        values = dict(frame.f_locals)
        names = [name for name in sorted(values) if name[:1] != "@" and name != "__builtins__"]
        texts = {}
        for name in names:
            texts[name] = _safely(self._shown, values[name])[: self._characters] or "..."
            self._characters = max(0, self._characters - len(texts[name]))
        return texts

    def _collect_source(self, code: CodeType, line: int, names: dict[str, Any]) -> None:
        """Keep the source of the function: to show a statement, its surroundings are parsed."""
        seen = self.sources.setdefault(code.co_filename, {})
        if line in seen:
            return
        import linecache  # not at the top: its import is a sixth of the boot

        try:
            linecache.checkcache(code.co_filename)
            lines = linecache.getlines(code.co_filename, names)
        except Exception:  # a loader of the user's may raise anything
            return
        if not 0 < line <= len(lines):
            return
        first = max(code.co_firstlineno, line - _OF_FUNCTION, 1)
        base = -1 if code.co_name == "<module>" else _indent(lines[first - 1])
        last = min(_end(lines, line, base), first + self._lines)
        self._lines -= last - first
        for number, text in zip(range(first, last), lines[first - 1 : last - 1]):
            seen[number] = text.rstrip("\n")[:LINE]


def _end(lines: list[str], line: int, base: int) -> int:
    """Return the number after a block, whose lines are indented more or close a bracket."""
    last = min(line + _BEHIND, len(lines))
    for number in range(line + 1, last + 1):
        text = lines[number - 1]
        if text.strip() and _indent(text) <= base and text.lstrip()[0] not in ")]}":
            return number
    return last + 1


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _place(code: CodeType, instruction: int) -> tuple[int | None, ...] | None:
    """Return last line, first and last column of an instruction; known since Python 3.11."""
    if sys.version_info < (3, 11) or instruction < 0:
        return None
    places = islice(code.co_positions(), instruction // 2, None)
    _, *place = next(places, (None,) * 4)
    return None if None in place else tuple(place)


def _hidden(frame: FrameType) -> bool:
    # By f_locals only where necessary: that makes and keeps a copy of them.
    name = "__tracebackhide__"
    named = name in frame.f_code.co_varnames + frame.f_code.co_cellvars
    value = frame.f_locals.get(name) if named else frame.f_globals.get(name)
    return value is True or value == 1


class _ShortRepr(reprlib.Repr):
    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - reprlib passes it
        return _safely(repr, x)


def _short(value: Any) -> str:
    """Shorten as pytest does, in the middle."""
    shortener = _ShortRepr()
    shortener.maxstring = _SHORT
    text = shortener.repr(value)
    half = (_SHORT - 3) // 2
    return text if len(text) <= _SHORT else text[:half] + "..." + text[-half:]


def _full(value: Any) -> str:
    import pprint  # not at the top: only ``-vv`` needs it

    return pprint.pformat(value)[:_FULL]


def _safely(shown: Callable[[Any], str], value: Any) -> str:
    try:
        return shown(value)
    except Exception as exc:
        text = "<[%s raised in repr()] %s object at 0x%x>"
        return text % (safe_repr(exc), type(value).__name__, id(value))
