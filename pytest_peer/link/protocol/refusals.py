"""How the refusal of an object that cannot be pickled is worded, and which part it names."""

from __future__ import annotations

from typing import Any, Callable

#: How many levels down the search for the refused part goes.
_DEPTH = 20


def locate(obj: Any, refused: BaseException, dump: Callable[[Any], bytes]) -> str:
    """Say which part of `obj` is refused: go down while one of the parts is refused as well."""
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
    """Return ``repr(obj)``, or a replacement where that fails."""
    try:
        return repr(obj)
    except Exception as exc:
        return "<%s object, whose repr raised %s>" % (type(obj).__qualname__, type(exc).__name__)
