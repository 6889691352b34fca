"""Exceptions as plain values: how they travel when they cannot be pickled as they are."""

from __future__ import annotations

import builtins
import operator
import pickle
import sys
import types
from typing import Any

from . import refusals
from .codec import CannotEncode, dumps
from .frame_info import FrameCollector

_DEPTH = 20


def describe(
    exc: BaseException, by_value: str, own_files: frozenset[str], locals: str
) -> dict[str, Any]:
    """Describe an exception, and all that belong to it, as dicts of plain values.

    `pickling.rebuilt` is the inverse. The source of all frames comes along: only this process may
    have the files. The same exception is the same dict wherever it occurs: nested handlers would
    otherwise grow without bounds.

    :param by_value: why code cannot be sent by value; empty if it can.
    :param own_files: files of this package, whose frames are left out of the tracebacks.
    :param locals: how to show local variables, see `FrameCollector`.
    """
    frames = FrameCollector(own_files, locals)
    known: dict[int, dict[str, Any]] = {}

    def described(exc: Any, depth: int) -> dict[str, Any]:
        if id(exc) in known:
            return known[id(exc)]
        description = known[id(exc)] = {
            "type": "%s.%s" % (type(exc).__module__, type(exc).__qualname__),
            "repr": refusals.safe_repr(exc),
            "text": _formatted(exc, own_files),
            "frames": frames.traceback(exc.__traceback__),
            "notes": [str(note) for note in getattr(exc, "__notes__", ())],
            "suppress": exc.__suppress_context__,
            **portable(exc, by_value),
        }
        if depth < _DEPTH:
            for name, other in (("cause", exc.__cause__), ("context", exc.__context__)):
                if other is not None:
                    description[name] = described(other, depth + 1)
            if _is_group(exc):
                description["members"] = [described(each, depth + 1) for each in exc.exceptions]
        return description

    description = described(exc, 0)
    description["sources"] = frames.sources
    return description


def _is_group(exc: BaseException) -> bool:
    # By name: a peer may be older than exception groups.
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(exc).__mro__)


def _formatted(exc: BaseException, own_files: frozenset[str]) -> str:
    step = exc.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename in own_files:
        step = step.tb_next
    try:
        import traceback  # not at the top: its import is a sixth of the boot

        return "".join(traceback.format_exception(type(exc), exc, step))
    except Exception:
        return refusals.safe_repr(exc)


def portable(exc: BaseException, by_value: str) -> dict[str, Any]:
    """Return the exception in the first form that can travel: whole, in parts, or nothing."""
    cls = type(exc)
    reference = _reference(cls)
    disguised = reference is not None and reference[0] != cls.__module__
    if not disguised and not _is_group(exc):
        try:
            whole = dumps(exc, by_value)
            if _same(pickle.loads(whole), exc):
                return {"whole": whole}
        except Exception:
            pass  # pickle refuses a part of it, or its class takes other arguments than `args`
    try:
        named = ("reference", reference) if reference else ("by value", dumps(cls, by_value))
        if _is_group(exc):
            args = exc.args[:1]
        else:  # those of its base: ``args`` is not all of them for OSError
            base: Any = builtin_base(cls)
            args = base.__reduce__(exc)[1]
        state, left_out = {}, []
        for name, value in _state(exc).items():
            try:
                state[name] = dumps(value, by_value)
            except CannotEncode:
                left_out.append(name)
        return {
            "class": named,
            "args": dumps(tuple(args), by_value),
            "state": state,
            "left_out": left_out,
            "disguised": disguised,
        }
    except Exception:
        return {}


def _same(copy: Any, exc: BaseException) -> bool:
    return (
        type(copy) is type(exc)
        and (str(copy), refusals.safe_repr(copy)) == (str(exc), refusals.safe_repr(exc))
        and sorted(_state(copy)) == sorted(_state(exc))
    )


def builtin_base(cls: type) -> type:
    """Return the closest builtin exception class that `cls` is derived from."""
    bases: list[type] = [b for b in cls.__mro__ if b is getattr(builtins, b.__name__, None)]
    return bases[0]


def _state(exc: BaseException) -> dict[str, Any]:
    """Return its attributes, including those in slots and in the fields of C classes."""
    state = {}
    for cls in type(exc).__mro__:
        for name, field in vars(cls).items():
            if not name.startswith("__") and isinstance(
                field, (types.MemberDescriptorType, types.GetSetDescriptorType)
            ):
                try:
                    state[name] = field.__get__(exc, type(exc))
                except AttributeError:
                    continue
    state.update({k: v for k, v in getattr(exc, "__dict__", {}).items() if k != "__notes__"})
    for name in ("args", "exceptions", "message") if _is_group(exc) else ("args",):
        state.pop(name, None)
    return state


def _reference(cls: type) -> tuple[str, str] | None:
    """Return module and name by which `cls` can be imported, or ``None``."""
    name = cls.__qualname__
    # pytest's outcomes only claim to be builtins.
    others = list(sys.modules) if cls.__module__ == "builtins" else ()
    for module in (cls.__module__, *others):
        try:
            if module != "__main__" and operator.attrgetter(name)(sys.modules[module]) is cls:
                return module, name
        except (AttributeError, KeyError):
            pass
    return None
