"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle cannot carry.

Functions and classes of importable modules go by reference. Lambdas, closures and what was defined in ``__main__`` go by value,
which cloudpickle can do only between interpreters of the same minor version: elsewhere the code would crash them.
"""

from __future__ import annotations

import copyreg
import io
import operator
import pickle
import types
from typing import Any
from typing import Callable
from typing import Iterable
from typing import Sequence

from . import wire
from .segments import Parcel
from .segments import Payload
from .segments import Segment

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: Python 3.8 knows it as well.
PROTOCOL = 5
#: How far down a part that is refused is looked for.
_DEPTH = 20
#: Buffers of this size and more are not copied into a pickle.
BIG = 1 << 16
_BUFFERS = frozenset({bytes, bytearray, memoryview})
_CONTAINERS = frozenset({list, tuple, dict})
_LOOKED_AT = _BUFFERS | _CONTAINERS
#: In containers with more members than this nothing is looked for: it would cost more than it gains.
_MEMBERS = 64


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


class CannotDecode(Exception):
    """What came cannot be rebuilt here; the text says why."""


def dumps(obj: Any, by_value: str = "") -> bytes:
    """Pickle `obj`.

    :param by_value: why code cannot be sent by value; empty if it can.
    """
    return _first_that_can(obj, by_value, pickle.dumps, _dumps_by_value)


def _first_that_can(
    obj: Any,
    by_value: str,
    dump: Callable[[Any, int], bytes],
    dump_by_value: Callable[[Any, Any], bytes],
) -> bytes:
    try:
        data = dump(obj, PROTOCOL)
    except Exception as exc:
        refused = exc
    else:
        # pickle would refer to __main__, which is another module over there.
        if b"__main__" not in data:
            return data
        refused = pickle.PicklingError("it refers to __main__")
    cloudpickle, why_not = (None, by_value) if by_value else _cloudpickle()
    if why_not:
        text = _where(obj, refused, lambda part: dump(part, PROTOCOL))
        raise CannotEncode("%s\n%s" % (text, why_not)) from refused
    try:
        return dump_by_value(obj, cloudpickle)
    except Exception as exc:
        text = _where(obj, exc, lambda part: dump_by_value(part, cloudpickle))
        raise CannotEncode(text) from exc


def _cloudpickle() -> tuple[Any, str]:
    try:
        import cloudpickle
    except ImportError:
        return None, "cloudpickle, which could send it by value, is not installed here"
    return cloudpickle, ""


def _dumps_by_value(
    obj: Any,
    cloudpickle: Any,
    buffer_callback: Callable[[Any], object] | None = None,
    **members: Any,
) -> bytes:
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]

    def with_file_name(code: types.CodeType) -> tuple[Any, ...]:
        # cloudpickle forgets it. Tracebacks are to show the source, which is where it was on the origin.
        rebuild, args, *rest = reduce_code(code)
        args = tuple(code.co_filename if part == "<dynamic-code>" else part for part in args)
        return (rebuild, args, *rest)

    buffer = io.BytesIO()
    # In the class: the C pickler looks for it when it is made.
    members["dispatch_table"] = {
        **cloudpickle.Pickler.dispatch_table,
        types.CodeType: with_file_name,
        memoryview: _reduced_view,
    }
    pickler = type("Pickler", (cloudpickle.Pickler,), members)
    pickler(buffer, PROTOCOL, buffer_callback).dump(obj)
    return buffer.getvalue()


def big_in(values: Iterable[Any]) -> list[Any]:
    """What of these, or one level down in them, `pack` should not copy."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        if kind not in _LOOKED_AT:
            continue
        if kind not in _CONTAINERS:
            if kind is memoryview or len(value) >= BIG:
                found.append(value)
        elif len(value) <= _MEMBERS:
            members = value.values() if kind is dict else value
            found += [
                each
                for each in members
                if type(each) in _BUFFERS and (type(each) is memoryview or len(each) >= BIG)
            ]
    return found


def pack(obj: Any, by_value: str, big: Sequence[Any]) -> Payload:
    """Pickle `obj`, but not the big buffers in it: those of `big`, see `big_in`, and those that tell pickle of themselves, as numpy's do.

    :param by_value: why code cannot be sent by value; empty if it can.
    """
    aside = _Aside(big)
    if not big:  # without a pickler made for the purpose, which would ask us about every object
        try:
            data = pickle.dumps(obj, PROTOCOL, buffer_callback=aside.buffer)
            if b"__main__" not in data:
                return Parcel(data, aside.segments) if aside.segments else data
        except Exception:  # there is another way, or it tells of the part that is refused
            pass
    data = _first_that_can(obj, by_value, aside.dumps, aside.dumps_by_value)
    return Parcel(data, aside.segments) if aside.segments else data


def loads(payload: Payload) -> Any:
    """The opposite of `pack`."""
    if isinstance(payload, Parcel):
        return _Unpickler(payload).load()
    return pickle.loads(payload)


class _Aside:
    """What is left out of a pickle."""

    def __init__(self, big: Sequence[Any]) -> None:
        self._big = {id(each): each for each in big if type(each) is not memoryview}
        self.segments: list[Segment] = []
        self._numbers: dict[int, int] = {}

    def dumps(self, obj: Any, protocol: int) -> bytes:
        self.segments, self._numbers = [], {}
        buffer = io.BytesIO()
        pickler: Any = _Pickler(buffer, protocol, buffer_callback=self.buffer)
        pickler.dispatch_table = {**copyreg.dispatch_table, memoryview: _reduced_view}
        if self._big:
            pickler.persistent_id = self.number
        pickler.dump(obj)
        return buffer.getvalue()

    def dumps_by_value(self, obj: Any, cloudpickle: Any) -> bytes:
        self.segments, self._numbers = [], {}
        persistent_id = {"persistent_id": staticmethod(self.number)} if self._big else {}
        return _dumps_by_value(obj, cloudpickle, self.buffer, **persistent_id)

    def number(self, obj: Any) -> int | None:
        """Pickle asks this about every object: which segment it is."""
        if id(obj) not in self._big:
            return None
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self.segments)
            kind = wire.AS_BYTES if type(obj) is bytes else wire.AS_BYTEARRAY
            self.segments.append((kind, obj))
        return self._numbers[id(obj)]

    def buffer(self, buffer: Any) -> bool:
        """Pickle asks this about every PickleBuffer: whether it shall be in the pickle."""
        view = buffer.raw()
        if len(view) < BIG:
            return True
        self.segments.append((wire.AS_BUFFER, view))
        return False


class _Pickler(pickle.Pickler):
    """One that may be told what to do."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, parcel: Parcel) -> None:
        self._segments = parcel.segments
        buffers = [part for kind, part in parcel.segments if kind == wire.AS_BUFFER]
        super().__init__(io.BytesIO(parcel.data), buffers=buffers)

    def persistent_load(self, number: int) -> Any:
        return self._segments[number][1]


def _reduced_view(view: memoryview) -> tuple[Any, ...]:
    """How a memoryview is pickled; it is one again over there."""
    format, shape = view.format, list(view.shape or ())
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    elif format != "B" or len(shape) != 1:
        view = view.cast("B")
    if format == "B" and len(shape) == 1:
        return memoryview, (pickle.PickleBuffer(view),)
    return operator.methodcaller("cast", format, shape), (view,)


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
