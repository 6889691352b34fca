"""Local variables as text: what pytest's ``--showlocals`` shows of them, made where they are."""

from __future__ import annotations

import reprlib
from itertools import islice
from types import FrameType
from typing import Any

__tracebackhide__ = True

#: Variables of a frame; characters of one, in full and where pytest cuts it; characters of an exception with all its frames.
_VARIABLES = 200
_FULL = 100_000
_SHORT = 240
_ALL = 1_000_000


class Variables:
    """Shows those of the frames of an exception.

    :param full: as with ``-vv``; otherwise shortened.
    """

    def __init__(self, full: bool) -> None:
        self._full = full
        self._left = _ALL

    def of(self, frame: FrameType) -> dict[str, str]:
        """Names and texts."""
        # Names with @ are those of pytest's rewritten assertions, which it does not show.
        names = sorted(name for name in frame.f_locals if not name.startswith("@"))
        return {
            name: self._text(frame.f_locals[name])
            for name in names[:_VARIABLES]
            if name != "__builtins__"
        }

    def _text(self, value: Any) -> str:
        try:
            text = _pretty(value) if self._full else _Short().repr(value)
        except Exception as exc:
            text = _failed(value, exc)
        text = text[: self._left] or "..."
        self._left = max(0, self._left - len(text))
        return text


class _Short(reprlib.Repr):
    """As pytest does it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = _SHORT

    def repr(self, x: Any) -> str:
        return _cut(super().repr(x))

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - the base class gives it
        try:
            return _cut(repr(x))
        except Exception as exc:
            return _cut(_failed(x, exc))

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In its own order."""
        if not x or level <= 0:
            return "{...}" if x else "{}"
        parts = [
            "%s: %s" % (self.repr1(key, level - 1), self.repr1(x[key], level - 1))
            for key in islice(x, self.maxdict)
        ]
        return "{%s}" % ", ".join(parts + ["..."] * (len(x) > self.maxdict))


def _pretty(value: Any) -> str:
    import pprint  # not at the top: who shows nothing does not pay for it

    return pprint.pformat(value)[:_FULL]


def _failed(value: Any, exc: BaseException) -> str:
    try:
        why = repr(exc)
    except Exception:
        why = type(exc).__name__
    return "<[%s raised in repr()] %s object at 0x%x>" % (why, type(value).__name__, id(value))


def _cut(text: str) -> str:
    if len(text) <= _SHORT:
        return text
    half = (_SHORT - 3) // 2
    return text[:half] + "..." + text[len(text) - (_SHORT - 3 - half) :]
