"""Exceptions as plain values: how they travel when they cannot be pickled as they are."""

from __future__ import annotations

import builtins
import operator
import sys
import types
from typing import Any, Sequence

from . import module_aliases, refusals
from .codec import dumps, loads
from .frame_info import FrameCollector

_DEPTH = 20
#: Where the files of this package are, also as the agent has them.
_HOME = __file__.rpartition("/link/")[0] + "/"


def describe(
    exc: BaseException, by_value: str, own_files: frozenset[str], locals: str
) -> dict[str, Any]:
    """Describe an exception, and all that belong to it, as dicts of plain values.

    `pickling.rebuilt` is the inverse. The source of all frames comes along: only this process may
    have the files. The same exception is the same dict wherever it occurs: nested handlers would
    otherwise grow without bounds. `own_files` and `locals` are for the `FrameCollector`.
    """
    frames = FrameCollector(own_files, locals)
    known: dict[int, dict[str, Any]] = {}

    def described(exc: Any, depth: int) -> dict[str, Any]:
        if id(exc) in known:
            return known[id(exc)]
        description = known[id(exc)] = {
            "type": "%s.%s" % (type(exc).__module__, type(exc).__qualname__),
            "repr": refusals.safe_repr(exc),
            "text": formatted(exc),
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


def errors() -> Any:
    """Return the module of our errors, or raise ImportError where this package is not."""
    from pytest_peer.core import errors

    return errors


def public(name: str, otherwise: type[Exception]) -> Any:
    """Return our public error of that name, or `otherwise` if this package cannot be imported."""
    try:
        return getattr(errors(), name)
    except ImportError:
        return otherwise


def unhandled(description: dict[str, Any]) -> str:
    """Return the text of a failure that nobody has seen; none for an exit or a cancellation."""
    none = cancelled(description) or description["type"].endswith(".SystemExit")
    return "" if none else str(description["text"])


def cancelled(description: dict[str, Any]) -> bool:
    """Return whether it is a cancellation, of asyncio or another library."""
    return str(description["type"]).endswith(".CancelledError")


def of_an_end(description: dict[str, Any]) -> bool:
    """Return whether it says that another peer has ended."""
    return str(description["type"]).endswith((".PeerDown", ".BarrierBroken"))


def _is_group(exc: BaseException) -> bool:
    # By name: a peer may be older than exception groups.
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(exc).__mro__)


def formatted(exc: BaseException) -> str:
    """Format an exception, without the frames of this package where there are others."""
    try:
        import traceback  # not at the top: its import is a sixth of the boot

        told = traceback.TracebackException(type(exc), exc, exc.__traceback__)
        _leave_out_ours(told)
        return "".join(told.format())
    except Exception:
        return refusals.safe_repr(exc)


def _leave_out_ours(told: Any) -> None:
    """Leave our frames out of an exception that is told, and of all that belong to it."""
    left = [told]
    while left:
        each = left.pop()
        if each is not None:
            others = [step for step in each.stack or () if not step.filename.startswith(_HOME)]
            if others:
                each.stack[:] = others
            left += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ())]


def portable(exc: BaseException, by_value: str) -> dict[str, Any]:
    """Return the exception in the form that keeps most of it: whole, in parts, or nothing."""
    reference = _reference(type(exc))
    disguised = reference is not None and reference[0] != type(exc).__module__
    found: list[tuple[int, dict[str, Any]]] = []
    if not disguised and not _is_group(exc):
        try:
            whole = dumps(exc, by_value)
            differences = _differences(loads(whole), exc)
            if not differences:
                return {"whole": whole}
            found.append((differences, {"whole": whole}))
        except Exception:
            pass  # pickle refuses a part of it, or its class takes other arguments than `args`
    try:
        parts = _parts(exc, reference, by_value)
        parts["disguised"] = disguised
        copy = from_parts(parts, getattr(exc, "exceptions", ()) if _is_group(exc) else ())
        found.append((_differences(copy, exc), parts))
    except Exception:
        pass  # its class cannot travel, or its base refuses to be made from `args`
    return min(found, key=lambda each: each[0])[1] if found else {}


def _parts(exc: BaseException, reference: tuple[str, str] | None, by_value: str) -> dict[str, Any]:
    left_out = []

    def each(name: str, value: Any) -> Any:
        try:
            data = dumps(value, by_value)
            loads(data)
            return data
        except Exception:  # its class may refuse to be pickled or to be rebuilt
            left_out.append(name)
            return None

    named = ("reference", reference) if reference else ("by value", dumps(type(exc), by_value))
    if _is_group(exc):
        arguments: Any = (getattr(exc, "message", ""),)
    else:  # those of its base: ``args`` is not all of them for OSError
        base: Any = builtin_base(type(exc))
        arguments = base.__reduce__(exc)[1]
    args = [
        each("args[%d]" % index, value) or dumps(refusals.safe_repr(value))
        for index, value in enumerate(arguments)
    ]
    state = {name: each(name, value) for name, value in _state(exc).items()}
    return {
        "class": named,
        "args": args,
        "state": {name: data for name, data in state.items() if data is not None},
        "left_out": left_out,
    }


def from_parts(parts: dict[str, Any], members: Sequence[BaseException]) -> BaseException:
    """Rebuild the exception that `portable` took apart; `members` are those of a group."""
    how, given = parts["class"]
    if how == "reference":
        __import__(given[0])
        cls: Any = operator.attrgetter(given[1])(sys.modules[given[0]])
    else:
        cls = loads(given)
    args = [*map(loads, parts["args"]), *([list(members)] if members else ())]
    # Without its own __new__ and __init__: they may want other arguments than they gave to the base.
    base: Any = builtin_base(cls)
    exc: BaseException = base.__new__(cls, *args)
    base.__init__(exc, *args)
    # The base has set most C fields, and None does not always mean that one is empty.
    known = _state(exc)
    for name, data in parts["state"].items():
        value = loads(data)
        if name not in known or not _equal(known[name], value):
            try:
                object.__setattr__(exc, name, value)
            except Exception:
                pass  # read-only, or the field takes no such value
    return exc


def _differences(copy: Any, exc: BaseException) -> int:
    """Return how many values of a copy are not those of the exception."""
    if type(copy) is not type(exc):
        raise TypeError("a copy of another class")
    ours, theirs = _state(copy), _state(exc)
    count = sum(
        name not in ours or name not in theirs or not _equal(ours[name], theirs[name])
        for name in {*ours, *theirs}
    )
    return count + any(
        refusals.safe_repr(copy, show) != refusals.safe_repr(exc, show) for show in (str, repr)
    )


def _equal(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # arrays have no truth
        return False


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
    # Python does not pickle the object of an AttributeError either: it may be a whole program.
    unsent = ("args", "obj") if isinstance(exc, AttributeError) else ("args",)
    for name in (*unsent, "exceptions", "message") if _is_group(exc) else unsent:
        state.pop(name, None)
    return state


def _reference(cls: type) -> tuple[str, str] | None:
    """Return module and name by which `cls` can be imported, or ``None``."""
    # pytest's outcomes only claim to be builtins.
    others = list(sys.modules) if cls.__module__ == "builtins" else ()
    for module in (cls.__module__, *others):
        if module != "__main__" and module_aliases.is_in(sys.modules.get(module), cls):
            return module, cls.__qualname__
    return None
