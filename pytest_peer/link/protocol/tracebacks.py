"""Tracebacks rebuilt from the description of a peer's frames, for every style of showing them."""

from __future__ import annotations

import ast
import functools
import linecache
from types import CodeType, TracebackType
from typing import Any, Mapping, Sequence

from .frame_info import LINE

#: Files whose source only a peer has that are kept for reports; the oldest is dropped first.
_FILES = 200
_sent: dict[str, dict[int, str]] = {}  # the lines of each file that peers have sent, by number
#: How to show local variables of peers' frames, see `FrameCollector`; the same for all peers.
shown_locals: str = ""
#: What the stand-in of a function raises. No identifier, so that it hides no name of the user's.
_STOP = "@stop"


class _Local(str):
    """The repr of a local variable of a peer; pytest finds recursions by equal ones."""

    __slots__ = ()
    __repr__ = str.__str__


def build(frames: Sequence[dict[str, Any]], files: Mapping[str, str]) -> TracebackType | None:
    """Build a traceback from what `FrameCollector` made; `files` is what `add_sources` returned."""
    following: TracebackType | None = None
    for frame in reversed(frames):
        step = _step(frame, files.get(frame["file"], frame["file"]))
        following = TracebackType(following, step.tb_frame, step.tb_lasti, frame["line"])
    return following


def _step(frame: dict[str, Any], filename: str) -> TracebackType:
    code = _code(filename, frame["name"], frame["first"], frame["line"], frame["place"])
    names = {"__name__": frame["module"], "__file__": filename, _STOP: Exception()}
    if frame["hidden"] or str(frame["module"]).startswith("pytest_peer."):
        names["__tracebackhide__"] = True
    texts = frame["locals"]
    # Unknown local variables must not be equal to each other. pytest does not show names with @.
    variables = {"@unknown": object()} if texts is None else {n: _Local(texts[n]) for n in texts}
    step = None
    try:
        exec(code, names, variables)
    except Exception as stopped:
        step = stopped.__traceback__ and stopped.__traceback__.tb_next
        stopped.__traceback__ = None
    assert step is not None
    return step


@functools.lru_cache(maxsize=256)  # also because pytest finds recursions by equal code
def _code(filename: str, name: str, first: int, line: int, place: Any) -> CodeType:
    """Compile code that raises at this place; `first` is the function's first line."""
    first = min(first, line)
    end, column, end_column = place or (line, -1, -1)
    where = {"lineno": line - first + 1, "end_lineno": max(end, line) - first + 1}
    where.update(col_offset=column, end_col_offset=end_column)
    statement = ast.Raise(exc=ast.Name(_STOP, ast.Load(), **where), cause=None, **where)
    code = compile(ast.Module([statement], []), filename, "exec")
    return code.replace(co_name=name, co_firstlineno=first)


def add_sources(sources: Mapping[str, dict[int, str]], peer: str) -> dict[str, str]:
    """Put lines of a peer's files into linecache; return other names of those that differ here."""
    return {
        name: other
        for name, lines in sources.items()
        if lines and (other := _add(name, lines, peer)) != name
    }


def _add(name: str, lines: dict[int, str], peer: str) -> str:
    if name not in _sent:
        linecache.checkcache(name)
        if not linecache.getlines(name):
            return _keep(name, lines)
        if all(linecache.getline(name, n).rstrip("\n")[:LINE] == lines[n] for n in lines):
            return name
    elif _agree(_sent[name], lines):
        return _keep(name, lines)
    return _keep(f"{name} ({peer})", lines)


def _keep(name: str, lines: dict[int, str]) -> str:
    before = _sent.pop(name, {})
    if not _agree(before, lines):
        before = {}  # the peer's file has changed
    every = _sent[name] = {**before, **lines}
    text = [_shown(every, number) + "\n" for number in range(1, max(every) + 1)]
    # Without a modification time, so that linecache does not look for the file.
    linecache.cache[name] = (sum(map(len, text)), None, text, name)
    for oldest in list(_sent)[:-_FILES]:
        del _sent[oldest]
        linecache.cache.pop(oldest, None)
    return name


def _shown(lines: dict[int, str], number: int) -> str:
    """Return a line, or a placeholder that lets the following lines be parsed."""
    following = lines.get(number + 1, "")
    return lines.get(number, "if 1:" if following[:1].isspace() and following.strip() else "")


def _agree(before: dict[int, str], lines: dict[int, str]) -> bool:
    return all(before.get(number, text) == text for number, text in lines.items())
