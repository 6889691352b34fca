"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle refuses.

Functions and classes of importable modules travel by reference. Lambdas, closures and definitions
in ``__main__`` travel by value. cloudpickle can do that only between interpreters of the same minor
version: others would crash on the code.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from typing import Any, Callable, Iterable, Sequence

from . import by_value, messages, references, refusals
from .messages import MultipartMessage, Payload, Segment

__tracebackhide__ = True

PROTOCOL = messages.PICKLE
#: Buffers of this size and more are not copied into a pickle.
BIG = 1 << 16
_BUFFERS = frozenset({bytes, bytearray, memoryview})
_CONTAINERS = frozenset({list, tuple, dict})
_SEARCHED = _BUFFERS | _CONTAINERS
#: Modules that are different ones here and at the other end, by name, with the text of the error.
conflicting_modules: dict[str, tuple[types.ModuleType, str]] = {}
#: Functions that import a module during unpickling: `module_aliases.Imported`, and cloudpickle's.
_IMPORTING = {("importlib", "import_module"), ("cloudpickle.cloudpickle", "subimport")}
#: Containers with more members are not searched for buffers: it would cost more than it saves.
_MEMBERS = 64


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


class CannotDecode(Exception):
    """The object cannot be rebuilt here; the text says why."""


def dumps(obj: Any, refusal: str = "") -> bytes:
    """Pickle `obj`.

    :param refusal: why code cannot be sent by value; empty if it can.
    :raises CannotEncode: a part of it cannot be pickled.
    """
    return _dumps_either_way(obj, refusal, _dumps, by_value.dumps)


def _dumps(obj: Any, protocol: int) -> bytes:
    try:
        return _pickled(obj)
    except Exception:
        pass  # outside of the handler, for an error without this one as its context
    buffer = io.BytesIO()
    pickler: Any = _Pickler(buffer, protocol)
    pickler.reducer_override = references.reference
    pickler.dump(obj)
    return buffer.getvalue()


def _pickled(obj: Any, buffer_callback: Callable[[Any], object] | None = None) -> bytes:
    buffer = io.BytesIO()
    references.update_dispatch_table()
    _Pickler(buffer, PROTOCOL, buffer_callback=buffer_callback).dump(obj)
    return buffer.getvalue()


def _dumps_either_way(
    obj: Any,
    refusal: str,
    dump: Callable[[Any, int], bytes],
    dump_by_value: Callable[[Any, Any], bytes],
) -> bytes:
    try:
        data = dump(obj, PROTOCOL)
        if b"__main__" not in data:
            return data
    except Exception:
        pass
    cloudpickle, why_not = (None, refusal) if refusal else by_value.cloudpickle_if_installed()
    if why_not:

        def dump_checked(part: Any) -> bytes:
            data = dump(part, PROTOCOL)
            if b"__main__" in data and _refers_to_main(data):
                raise pickle.PicklingError("it refers to __main__")
            return data

        try:
            return dump_checked(obj)
        except Exception as exc:
            text = refusals.locate(obj, exc, dump_checked)
            raise CannotEncode("%s\n%s" % (text, why_not)) from exc
    try:
        return dump_by_value(obj, cloudpickle)
    except Exception as exc:
        text = refusals.locate(obj, exc, lambda part: dump_by_value(part, cloudpickle))
        raise CannotEncode(text) from exc


def _refers_to_main(data: bytes) -> bool:
    """Return whether a pickle refers to ``__main__``, which is another module at the other end."""
    import pickletools  # not at the top: few objects need it

    memo: list[Any] = []
    module, last = None, None  # the two objects that were pushed last, if they are strings
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STACK_GLOBAL" and module == "__main__":
            return True
        if name == "MEMOIZE":
            memo.append(last)
        elif name in ("BINGET", "LONG_BINGET"):
            module, last = last, memo[argument or 0]
        elif name != "FRAME":
            module, last = last, argument if isinstance(argument, str) else None
    return False


def big_buffers(values: Iterable[Any]) -> list[Any]:
    """Return the buffers among `values`, or one level down, that `pack` should not copy."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        if kind not in _SEARCHED:
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
    """Pickle `obj` without copying big buffers.

    :param refusal: why code cannot be sent by value; empty if it can.
    :param big: the buffers, see `big_buffers`; those of objects that offer them to pickle, as
        numpy's arrays do, are found anyway.
    :raises CannotEncode: a part of it cannot be pickled.
    """
    if not big:  # without a Python pickler, which would call us for every object
        try:
            data = _pickled(obj, _small)
            if b"__main__" not in data:
                return data
        except Exception:
            pass  # there is another way, or the error names the refused part
    outside = _OutsideBuffers(big)
    data = _dumps_either_way(obj, refusal, outside.dumps, outside.dumps_by_value)
    return MultipartMessage(data, outside.segments) if outside.segments else data


def loads(payload: Payload) -> Any:
    """Rebuild the object; the inverse of `pack`."""
    if isinstance(payload, MultipartMessage):
        return _Unpickler(payload).load()
    if conflicting_modules:
        return _Unpickler(MultipartMessage(payload, [])).load()
    return pickle.loads(payload)


class _Big(Exception):
    """There is a buffer that should not be copied."""


def _small(buffer: Any) -> bool:
    if len(buffer.raw()) >= BIG:
        raise _Big
    return True


class _OutsideBuffers:
    """Pickle an object and keep buffers outside of the pickle.

    memoryviews are always kept outside, because pickle refuses them. They do not become
    PickleBuffers, though pickle would accept these: the garbage collector of Python 3.11 crashes on
    a PickleBuffer of a memoryview in a reference cycle, as the traceback of a caught exception is.
    """

    def __init__(self, big: Sequence[Any]) -> None:
        self._big = {id(each): each for each in big}
        self._begin()

    def _begin(self) -> None:
        self.segments: list[Segment] = []
        # By identity: what the pickle has instead, and the object, to keep its identity in use.
        self._known: dict[int, tuple[Any, Any]] = {}

    def dumps(self, obj: Any, protocol: int) -> bytes:
        self._begin()
        buffer = io.BytesIO()
        pickler: Any = _Pickler(buffer, protocol, buffer_callback=self.buffer)
        pickler.persistent_id = self.persistent_id
        pickler.reducer_override = references.reference
        pickler.dump(obj)
        return buffer.getvalue()

    def dumps_by_value(self, obj: Any, cloudpickle: Any) -> bytes:
        self._begin()
        return by_value.dumps(
            obj, cloudpickle, self.buffer, persistent_id=staticmethod(self.persistent_id)
        )

    def persistent_id(self, obj: Any) -> Any:
        """Return what to write instead of an object, or ``None``; pickle asks for every object."""
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
        """Return whether a PickleBuffer shall be in the pickle; pickle asks for every one."""
        view = buffer.raw()
        if len(view) < BIG:
            return True
        self.segments.append((messages.AS_PICKLEBUFFER, view))
        return False


class _Pickler(pickle.Pickler):
    """A pickler that can have attributes, and refers to methods of what modules hold."""

    dispatch_table = references.dispatch_table


class _Unpickler(pickle.Unpickler):
    def __init__(self, message: MultipartMessage) -> None:
        self._segments = message.segments
        buffers = [part for kind, part in message.segments if kind == messages.AS_PICKLEBUFFER]
        super().__init__(io.BytesIO(message.data), buffers=buffers)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _IMPORTING:
            return _imported
        _check_for_conflict(module)
        return super().find_class(module, name)

    def persistent_load(self, what: Any) -> Any:
        if isinstance(what, int):
            return self._segments[what][1]
        number, format, shape, readonly = what
        view = self._segments[number][1]
        if format != "B" or len(shape) != 1:
            view = view.cast(format, shape)
        return view.toreadonly() if readonly else view


def attribute(obj: Any, path: str) -> Any:
    """Follow a dotted path."""
    for name in path.split("."):
        obj = getattr(obj, name)
    return obj


def resolved(name: str) -> Any:
    """Return the object that ``"module:qualname"`` names.

    :raises ValueError: `name` is not of that form.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise ValueError("expected 'module:qualname', got %r" % (name,))
    return attribute(_imported(module), path)


def _imported(module: str) -> types.ModuleType:
    _check_for_conflict(module)
    __import__(module)  # without importing `importlib`
    return sys.modules[module]


def _check_for_conflict(name: str) -> None:
    if name in conflicting_modules:
        module, text = conflicting_modules[name]
        if sys.modules.get(name) is module:
            raise ImportError(text, name=name)
        conflicting_modules.pop(name, None)  # removed from `sys.modules`, to be imported anew
