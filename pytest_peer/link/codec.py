"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle cannot carry.

Functions and classes of importable modules go by reference. Lambdas, closures and what was defined in ``__main__`` go by value,
which cloudpickle can do only between interpreters of the same minor version: elsewhere the code would crash them.
"""

from __future__ import annotations

import builtins
import io
import pickle
import sys
import types
from typing import Any
from typing import Callable

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: Python 3.8 knows it as well.
PROTOCOL = 5
#: Frames of a traceback that travel, from each of its ends: a RecursionError has thousands.
_FRAMES = 100
_DEPTH = 20


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


class CannotDecode(Exception):
    """What came cannot be rebuilt here; the text says why."""


def dumps(obj: Any, by_value: str = "") -> bytes:
    """Pickle `obj`.

    :param by_value: why code cannot be sent by value; empty if it can.
    """
    try:
        data = pickle.dumps(obj, PROTOCOL)
    except Exception as exc:
        refused = exc
    else:
        # pickle would refer to __main__, which is another module over there.
        if b"__main__" not in data:
            return data
        refused = pickle.PicklingError("it refers to __main__")
    if by_value:
        raise CannotEncode("%s\n%s" % (_where(obj, refused, pickle.dumps), by_value)) from refused
    try:
        import cloudpickle
    except ImportError:
        text = "\ncloudpickle, which could send it by value, is not installed here"
        raise CannotEncode(_where(obj, refused, pickle.dumps) + text) from refused
    try:
        return _dumps_by_value(obj, cloudpickle)
    except Exception as exc:
        raise CannotEncode(_where(obj, exc, cloudpickle.dumps)) from exc


def _dumps_by_value(obj: Any, cloudpickle: Any) -> bytes:
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]

    def with_file_name(code: types.CodeType) -> tuple[Any, ...]:
        # cloudpickle forgets it. Tracebacks are to show the source, which is where it was on the origin.
        rebuild, args, *rest = reduce_code(code)
        args = tuple(code.co_filename if part == "<dynamic-code>" else part for part in args)
        return (rebuild, args, *rest)

    buffer = io.BytesIO()
    table = {**cloudpickle.Pickler.dispatch_table, types.CodeType: with_file_name}
    # In the class: the C pickler looks for it when it is made.
    pickler = type("Pickler", (cloudpickle.Pickler,), {"dispatch_table": table})
    pickler(buffer, PROTOCOL).dump(obj)
    return buffer.getvalue()


def _where(obj: Any, refused: BaseException, dump: Callable[[Any], bytes]) -> str:
    """Say which part of `obj` is refused: go down as long as a part is refused as well."""
    path = ""
    for _ in range(_DEPTH):
        for step, part in _parts(obj):
            try:
                dump(part)
            except Exception as exc:
                obj, refused = part, exc
                path += step
                break
        else:
            break
    what = "%s of type %s" % (_short_repr(obj), type(obj).__qualname__)
    where = " at %s" % path if path else ""
    return "cannot be pickled: %s%s (%s: %s)" % (what, where, type(refused).__name__, refused)


def _parts(obj: Any) -> list[tuple[str, Any]]:
    if isinstance(obj, dict):
        return [("[%s]" % _short_repr(key), value) for key, value in obj.items()]
    if isinstance(obj, (list, tuple)):
        return [("[%d]" % index, value) for index, value in enumerate(obj)]
    if isinstance(obj, (set, frozenset)):
        return [("{...}", value) for value in obj]
    state = getattr(obj, "__dict__", None)
    if isinstance(state, dict) and not isinstance(obj, type):
        return [(".%s" % name, value) for name, value in state.items()]
    return []


def _short_repr(obj: Any) -> str:
    text = safe_repr(obj)
    return text if len(text) <= 80 else text[:77] + "..."


def safe_repr(obj: Any) -> str:
    """``repr(obj)``, also when that fails."""
    try:
        return repr(obj)
    except Exception as exc:
        return "<%s object, whose repr raised %s>" % (type(obj).__qualname__, type(exc).__name__)


class Describer:
    """Describes an exception with all that belongs to it as dicts of plain values; `pickling.Rebuilder` is the opposite.

    An exception that is met again is the same dict again: handlers nested in handlers would else grow without bounds.

    :param by_value: why code cannot be sent by value; empty if it can.
    :param own_files: files whose frames are ours, and left out of the tracebacks.
    """

    def __init__(self, by_value: str, own_files: frozenset[str]) -> None:
        self._by_value = by_value
        self._own_files = own_files
        self._known: dict[int, dict[str, Any]] = {}

    def describe(self, exc: BaseException, depth: int = 0) -> dict[str, Any]:
        """Describe `exc`."""
        if id(exc) in self._known:
            return self._known[id(exc)]
        description = self._known[id(exc)] = {
            "type": "%s.%s" % (type(exc).__module__, type(exc).__qualname__),
            "repr": safe_repr(exc),
            "text": _formatted(exc, self._own_files),
            "frames": _frames(exc, self._own_files),
            "notes": [str(note) for note in getattr(exc, "__notes__", ())],
            "suppress": exc.__suppress_context__,
        }
        description.update(_travelling(exc, self._by_value))
        if depth < _DEPTH:
            for name, other in (("cause", exc.__cause__), ("context", exc.__context__)):
                if other is not None:
                    description[name] = self.describe(other, depth + 1)
            if _is_group(exc):
                members: Any = exc
                description["members"] = [
                    self.describe(each, depth + 1) for each in members.exceptions
                ]
        return description


def _is_group(exc: BaseException) -> bool:
    # By its looks: a peer may be older than exception groups.
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(exc).__mro__)


def _formatted(exc: BaseException, own_files: frozenset[str]) -> str:
    step = exc.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename in own_files:
        step = step.tb_next
    try:
        import traceback  # not at the top: its import is a sixth of the boot

        return "".join(traceback.format_exception(type(exc), exc, step))
    except Exception:
        return safe_repr(exc)


def _frames(exc: BaseException, own_files: frozenset[str]) -> list[tuple[str, str, int, str]]:
    frames = []
    step = exc.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename not in own_files:
            frames.append(
                (
                    code.co_filename,
                    code.co_name,
                    step.tb_lineno,
                    step.tb_frame.f_globals.get("__name__", ""),
                )
            )
        step = step.tb_next
    return frames if len(frames) <= 2 * _FRAMES else frames[:_FRAMES] + frames[-_FRAMES:]


def _travelling(exc: BaseException, by_value: str) -> dict[str, Any]:
    """The exception itself, in the first of three ways in which it can travel: whole, in parts, not at all."""
    cls = type(exc)
    reference = _reference(cls)
    disguised = reference is not None and reference[0] != cls.__module__
    if not disguised and not _is_group(exc):
        try:
            whole = dumps(exc, by_value)
            if _same(pickle.loads(whole), exc):
                return {"whole": whole}
        except (
            Exception
        ):  # something in it cannot be pickled, or its class takes other arguments than `args`
            pass
    try:
        named = ("reference", reference) if reference else ("by value", dumps(cls, by_value))
        state, left_out = {}, []
        for name, value in _state(exc).items():
            try:
                state[name] = dumps(value, by_value)
            except CannotEncode:
                left_out.append(name)
        return {
            "class": named,
            "args": dumps(exc.args[:1] if _is_group(exc) else _arguments(exc), by_value),
            "state": state,
            "left_out": left_out,
            "disguised": disguised,
        }
    except Exception:
        return {}


def _same(copy: Any, exc: BaseException) -> bool:
    return (
        type(copy) is type(exc)
        and (str(copy), safe_repr(copy)) == (str(exc), safe_repr(exc))
        and sorted(_state(copy)) == sorted(_state(exc))
    )


def builtin_base(cls: type) -> type:
    """The closest builtin exception class that `cls` is derived from."""
    bases: list[type] = [
        base for base in cls.__mro__ if base is getattr(builtins, base.__name__, None)
    ]
    return bases[0]


def _arguments(exc: BaseException) -> tuple[Any, ...]:
    """What its builtin base class wants to be initialised with; ``args`` is not all of it for OSError."""
    base: Any = builtin_base(type(exc))
    return tuple(base.__reduce__(exc)[1])


def _state(exc: BaseException) -> dict[str, Any]:
    """Attributes, also those in slots and in the fields of C classes."""
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
    """Module and name under which `cls` can be found, or ``None``."""
    module, name = cls.__module__, cls.__qualname__
    if module != "__main__" and module in sys.modules:
        try:
            if attribute(sys.modules[module], name) is cls:
                return module, name
        except AttributeError:
            pass
    if module == "builtins":  # which it is not: pytest's outcomes disguise themselves
        for module, found in list(sys.modules.items()):
            if getattr(found, name, None) is cls:
                return module, name
    return None


def attribute(obj: Any, path: str) -> Any:
    """Follow a dotted path."""
    for name in path.split("."):
        obj = getattr(obj, name)
    return obj


def resolved(name: str) -> Any:
    """The object that ``"module:qualname"`` names.

    :raises ValueError: not of that form.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise ValueError("expected 'module:qualname', got %r" % (name,))
    import importlib

    return attribute(importlib.import_module(module), path)
