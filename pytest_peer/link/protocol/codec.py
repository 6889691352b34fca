"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle cannot carry.

Functions and classes of importable modules go by reference. Lambdas, closures and what was defined in ``__main__`` go by value,
which cloudpickle can do only between interpreters of the same minor version: elsewhere the code would crash them.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from typing import Any
from typing import Callable
from typing import Iterable
from typing import Sequence

from . import by_value
from . import messages
from . import module_aliases
from .segments import MultipartMessage
from .segments import Payload
from .segments import Segment

__tracebackhide__ = True

PROTOCOL = messages.PICKLE
#: How far down a part that is refused is looked for.
_DEPTH = 20
#: Buffers of this size and more are not copied into a pickle.
BIG = 1 << 16
_BUFFERS = frozenset({bytes, bytearray, memoryview})
_CONTAINERS = frozenset({list, tuple, dict})
_LOOKED_AT = _BUFFERS | _CONTAINERS
#: Modules that are another one here than at the other end, by name, and what to say of that.
strangers: dict[str, tuple[types.ModuleType, str]] = {}
#: What imports a module when something is unpickled: for `shadowed.Imported`, and for a module that cloudpickle meets.
_IMPORTING = {("importlib", "import_module"), ("cloudpickle.cloudpickle", "subimport")}
#: In containers with more members than this nothing is looked for: it would cost more than it gains.
_MEMBERS = 64


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


class CannotDecode(Exception):
    """What came cannot be rebuilt here; the text says why."""


def dumps(obj: Any, refusal: str = "") -> bytes:
    """Pickle `obj`.

    :param refusal: why code cannot be sent by value; empty if it can.
    """
    return _first_that_can(obj, refusal, _dumps, by_value.dumps)


def _dumps(obj: Any, protocol: int) -> bytes:
    try:
        return pickle.dumps(obj, protocol)
    except Exception:
        if not module_aliases.any_loaded():
            raise
        buffer = io.BytesIO()
        pickler: Any = _Pickler(buffer, protocol)
        pickler.reducer_override = module_aliases.reference
        pickler.dump(obj)
        return buffer.getvalue()


def _first_that_can(
    obj: Any,
    refusal: str,
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
    cloudpickle, why_not = (None, refusal) if refusal else by_value.cloudpickle_if_installed()
    if why_not:
        text = _where(obj, refused, lambda part: dump(part, PROTOCOL))
        raise CannotEncode("%s\n%s" % (text, why_not)) from refused
    try:
        return dump_by_value(obj, cloudpickle)
    except Exception as exc:
        text = _where(obj, exc, lambda part: dump_by_value(part, cloudpickle))
        raise CannotEncode(text) from exc


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


def pack(obj: Any, refusal: str, big: Sequence[Any]) -> Payload:
    """Pickle `obj`, but not the big buffers in it: those of `big`, see `big_in`, and those that tell pickle of themselves, as numpy's do.

    :param refusal: why code cannot be sent by value; empty if it can.
    """
    if not big:  # without a pickler made for the purpose, which would ask us about every object
        try:
            data = pickle.dumps(obj, PROTOCOL, buffer_callback=_small)
            if b"__main__" not in data:
                return data
        except Exception:  # there is another way, or it tells of the part that is refused
            pass
    aside = _Aside(big)
    data = _first_that_can(obj, refusal, aside.dumps, aside.dumps_by_value)
    return MultipartMessage(data, aside.segments) if aside.segments else data


def loads(payload: Payload) -> Any:
    """The opposite of `pack`."""
    if isinstance(payload, MultipartMessage):
        return _Unpickler(payload).load()
    if strangers:
        return _Unpickler(MultipartMessage(payload, [])).load()
    return pickle.loads(payload)


class _Big(Exception):
    """There is a buffer that should not be copied."""


def _small(buffer: Any) -> bool:
    if len(buffer.raw()) >= BIG:
        raise _Big
    return True


class _Aside:
    """What is left out of a pickle.

    A memoryview is always, for pickle refuses it. Not as a PickleBuffer, though pickle would take that: the garbage collector
    of Python 3.11 crashes on a PickleBuffer of a memoryview in a reference cycle, as a caught exception's traceback makes them.
    """

    def __init__(self, big: Sequence[Any]) -> None:
        self._big = {id(each): each for each in big}
        self._begin()

    def _begin(self) -> None:
        self.segments: list[Segment] = []
        # By identity: what stands for it in the pickle, and itself, which must live as long as its identity is known.
        self._known: dict[int, tuple[Any, Any]] = {}

    def dumps(self, obj: Any, protocol: int) -> bytes:
        self._begin()
        buffer = io.BytesIO()
        pickler: Any = _Pickler(buffer, protocol, buffer_callback=self.buffer)
        pickler.persistent_id = self.stand_in
        if module_aliases.any_loaded():
            pickler.reducer_override = module_aliases.reference
        pickler.dump(obj)
        return buffer.getvalue()

    def dumps_by_value(self, obj: Any, cloudpickle: Any) -> bytes:
        self._begin()
        return by_value.dumps(
            obj, cloudpickle, self.buffer, persistent_id=staticmethod(self.stand_in)
        )

    def stand_in(self, obj: Any) -> Any:
        """Pickle asks this about every object: what to write instead, or ``None``."""
        if type(obj) is not memoryview and id(obj) not in self._big:
            return None
        if id(obj) not in self._known:
            number = len(self.segments)
            if type(obj) is memoryview:
                flat = obj.cast("B") if obj.c_contiguous else obj.tobytes()
                self.segments.append((messages.AS_BUFFER, flat))
                what: Any = number, obj.format, obj.shape, obj.readonly
            else:
                kind = messages.AS_BYTES if type(obj) is bytes else messages.AS_BYTEARRAY
                self.segments.append((kind, obj))
                what = number
            self._known[id(obj)] = what, obj
        return self._known[id(obj)][0]

    def buffer(self, buffer: Any) -> bool:
        """Pickle asks this about every PickleBuffer: whether it shall be in the pickle."""
        view = buffer.raw()
        if len(view) < BIG:
            return True
        self.segments.append((messages.AS_PICKLEBUFFER, view))
        return False


class _Pickler(pickle.Pickler):
    """One that may be told what to do."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, parcel: MultipartMessage) -> None:
        self._segments = parcel.segments
        buffers = [part for kind, part in parcel.segments if kind == messages.AS_PICKLEBUFFER]
        super().__init__(io.BytesIO(parcel.data), buffers=buffers)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _IMPORTING:
            return _imported
        _refuse_stranger(module)
        return super().find_class(module, name)

    def persistent_load(self, what: Any) -> Any:
        if isinstance(what, int):
            return self._segments[what][1]
        number, format, shape, readonly = what
        view = self._segments[number][1]
        if format != "B" or len(shape) != 1:
            view = view.cast(format, shape)
        return view.toreadonly() if readonly else view


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
    return attribute(_imported(module), path)


def _imported(module: str) -> types.ModuleType:
    _refuse_stranger(module)
    __import__(module)  # `importlib` would have to be imported for it
    return sys.modules[module]


def _refuse_stranger(name: str) -> None:
    if name in strangers:
        module, text = strangers[name]
        if sys.modules.get(name) is module:
            raise ImportError(text, name=name)
        strangers.pop(name, None)  # somebody has taken it away, to have it imported anew
