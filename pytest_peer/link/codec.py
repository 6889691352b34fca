"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle cannot carry.

Functions and classes of importable modules go by reference. Lambdas, closures and what was defined in ``__main__`` go by value,
which cloudpickle can do only between interpreters of the same minor version: elsewhere the code would crash them.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any
from typing import Callable

#: Python 3.8 knows it as well.
PROTOCOL = 5
#: Frames of a traceback that travel, from each of its ends: a RecursionError has thousands.
_FRAMES = 100
_DEPTH = 20


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


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
        return cloudpickle.dumps(obj, PROTOCOL)  # type: ignore[no-any-return]
    except Exception as exc:
        raise CannotEncode(_where(obj, exc, cloudpickle.dumps)) from exc


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


def described(
    exc: BaseException, by_value: str, own_files: frozenset[str], depth: int = 0
) -> dict[str, Any]:
    """An exception as a dict of plain values, with all that belongs to it; `pickling.rebuilt` makes an exception of it.

    :param own_files: files whose frames are ours, and left out of the traceback.
    """
    related = (
        {}
        if depth >= _DEPTH
        else {
            "cause": exc.__cause__,
            "context": None if exc.__suppress_context__ else exc.__context__,
        }
    )
    members = getattr(exc, "exceptions", None) if depth < _DEPTH else None
    if not isinstance(members, tuple) or not all(
        isinstance(member, BaseException) for member in members
    ):
        members = None
    return {
        "type": "%s.%s" % (type(exc).__module__, type(exc).__qualname__),
        "repr": safe_repr(exc),
        "text": _formatted(exc, own_files),
        "frames": _frames(exc, own_files),
        "notes": [str(note) for note in getattr(exc, "__notes__", ())],
        "suppress": exc.__suppress_context__,
        "members": members
        and [described(member, by_value, own_files, depth + 1) for member in members],
        **_travelling(exc, by_value),
        **{
            name: described(other, by_value, own_files, depth + 1) if other is not None else None
            for name, other in related.items()
        },
    }


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
    if not (reference is not None and reference[0] == "pytest") and not hasattr(exc, "exceptions"):
        try:
            whole = dumps(exc, by_value)
            if type(pickle.loads(whole)) is cls:
                return {"whole": whole}
        except Exception:
            pass
    try:
        named = (
            ("reference", reference)
            if reference is not None
            else ("by value", dumps(cls, by_value))
        )
        state, left_out = {}, []
        for name, value in getattr(exc, "__dict__", {}).items():
            if name == "__notes__":
                continue
            try:
                state[name] = dumps(value, by_value)
            except CannotEncode:
                left_out.append(name)
        args = (exc.args[0],) if hasattr(exc, "exceptions") else exc.args
        return {"class": named, "args": dumps(args, by_value), "state": state, "left_out": left_out}
    except Exception:
        return {}


def _reference(cls: type) -> tuple[str, str] | None:
    """Module and name under which `cls` can be found, or ``None``."""
    candidates = [(cls.__module__, cls.__qualname__)]
    if cls.__module__ == "builtins":
        # pytest's outcomes call themselves builtins, which they are not.
        candidates += [
            ("pytest", name + ".Exception") for name in ("skip", "fail", "xfail", "exit")
        ]
    for module, name in candidates:
        if module != "__main__" and module in sys.modules:
            try:
                if attribute(sys.modules[module], name) is cls:
                    return module, name
            except AttributeError:
                continue
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
