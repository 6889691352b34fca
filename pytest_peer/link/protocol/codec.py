"""Objects as bytes and back, on both sides: pickle first, cloudpickle for what pickle refuses.

Functions and classes of importable modules travel by reference. Lambdas, closures and definitions
in ``__main__`` travel by value. cloudpickle can do that only between interpreters of the same minor
version: others would crash on the code.
"""

from __future__ import annotations

import copyreg
import sys
import types
from _frozen_importlib import _module_locks  # type: ignore[attr-defined]
from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any, Callable, Iterable, Sequence

from . import by_value, messages, module_aliases, reductions, refusals
from .messages import MultipartMessage, Payload, Segment
from .unpatched import pickle

PROTOCOL = messages.PICKLE
#: Only between the same two does code travel by value.
PYTHON: tuple[Any, ...] = (sys.implementation.name, *sys.version_info[:2])
#: Buffers of this size and more are not copied into a pickle.
BIG = 1 << 16
_BUFFERS = frozenset({bytes, bytearray, memoryview})
_CONTAINERS = frozenset({list, tuple, dict})
#: Modules that are different ones here and at the other end, by name, with the text of the error.
conflicting_modules: dict[str, tuple[types.ModuleType, str]] = {}
#: What stands here for a module of the other end, by the name that the other end has for it.
stand_ins: dict[str, types.ModuleType] = {}
#: In peers: what has come with globals, by its identity at the origin.
arrived: dict[int, Any] = {}
#: In peers: finds the home of code by value by its name and those of the globals that are needed.
find_home: Callable[[str, Iterable[str]], types.ModuleType] | None = None
#: Functions that import a module during unpickling: `module_aliases.imported`, and cloudpickle's.
_IMPORTING = {("importlib", "import_module"), ("cloudpickle.cloudpickle", "subimport")}
#: The home of paths in a pickle of Python 3.13, which no older one has.
_LOCAL, _CONNECTION = "pathlib._local", b"multiprocessing.connection"
#: Equal values of these are as good as the same.
_EQUAL = frozenset({str, bytes, tuple, frozenset})
#: Containers with more members are not searched for buffers: it would cost more than it saves.
_MEMBERS = 64


class CannotEncode(Exception):
    """The object cannot be pickled; the text says which part of it, and why."""


class CannotDecode(Exception):
    """The object cannot be rebuilt here; the text says why."""


def dumps(obj: Any, refusal: str = "", pickling: _Pickling | None = None) -> bytes:
    """Pickle `obj`, or raise `CannotEncode`. `refusal` says why code cannot be sent by value."""
    pickling = pickling or _Pickling(None)
    try:
        data = pickling.dump(obj)
        if b"__main__" not in data:
            return data
    except Exception:
        pass
    return _dumps_code(obj, refusal, pickling)


def dumps_globals(found: dict[str, Any], home: by_value.Home) -> bytes:
    """Pickle globals of a module that the other end cannot import, or raise `CannotEncode`."""
    return _dumps_code(found, "", _Pickling(None, home))


def loads_globals(data: bytes) -> dict[str, Any]:
    """Rebuild globals; the inverse of `dumps_globals`."""
    unpickler = _Unpickler(MultipartMessage(data, []))
    found: dict[str, Any] = unpickler.load()
    arrived.update(unpickler.load())
    return found


def _dumps_code(obj: Any, refusal: str, pickling: _Pickling) -> bytes:
    cloudpickle, why_not = None, refusal
    try:
        cloudpickle = None if refusal else __import__("cloudpickle")
    except ImportError:
        why_not = "cloudpickle, which could send it by value, is not installed here"
    except OSError as exc:  # no descriptor is left
        why_not = "cloudpickle, which could send it by value, cannot be imported: %s" % exc
    dump = partial(pickling.dump, cloudpickle=cloudpickle, reducer_override=_reference_beside_main)
    try:
        return dump(obj)
    except Exception as exc:
        text = refusals.locate(obj, exc, dump)
        raise CannotEncode("\n".join(filter(None, (text, why_not)))) from exc


def _reference_beside_main(obj: Any) -> Any:
    """Refuse code of ``__main__``, which is another module at the other end."""
    if isinstance(obj, (type, types.FunctionType)) and obj.__module__ == "__main__":
        raise pickle.PicklingError("it refers to __main__")
    return reductions.reference(obj)


def big_buffers(values: Iterable[Any]) -> list[Any]:
    """Return the buffers among `values`, or one level down, that `pack` should not copy."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        members: Iterable[Any] = (value,)
        if kind in _CONTAINERS and len(value) <= _MEMBERS:
            members = value.values() if kind is dict else value
        elif kind not in _BUFFERS:
            continue
        buffers = (each for each in members if type(each) in _BUFFERS)
        found.extend(each for each in buffers if type(each) is memoryview or len(each) >= BIG)
    return found


def pack(obj: Any, refusal: str, big: Sequence[Any]) -> Payload:
    """Pickle `obj` as `dumps` does, without copying the `big_buffers`.

    Those of objects that offer them to pickle, as numpy's arrays do, are found anyway.
    """
    # In one step, for what nearly all calls and results are. For what a module stands in for here,
    # pickle would import the module of each class again, which fails, to refer to it.
    if not (big or (find_home is not None and stand_ins)):
        outside: list[Segment] = []
        try:
            data = pickle.dumps(obj, PROTOCOL, buffer_callback=partial(_is_inside, outside))
            # If it has nothing of what `reductions.table` has.
            if not (b"getattr" in data or b"__main__" in data or _CONNECTION in data):
                return MultipartMessage(data, outside) if outside else data
        except Exception:
            pass  # there is another way, or the error names the part
    pickling = _Pickling(big)
    data = dumps(obj, refusal, pickling)
    return MultipartMessage(data, pickling.segments) if pickling.segments else data


def check_callable(fn: object) -> None:
    """Raise a TypeError or ValueError for what is neither callable nor ``"module:qualname"``."""
    if not (all(fn.partition(":")) if isinstance(fn, str) else callable(fn)):
        error = ValueError if isinstance(fn, str) else TypeError
        raise error("expected a callable or 'module:qualname', got %r" % (fn,))


def pack_call(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], refusal: str) -> Payload:
    """Pickle a call as `pack` does; the text of a `CannotEncode` names the argument."""
    fn = reductions.callee(fn)
    try:
        return pack((fn, args, kwargs), refusal, big_buffers((*args, *kwargs.values())))
    except CannotEncode:
        pass
    # Again, part by part, for the message. Outside of the handler, to leave its exception out.
    names = ["the function", *("argument %r" % key for key in (*range(len(args)), *kwargs))]
    for name, part in zip(names, (fn, *args, *kwargs.values())):
        pack_named(name, part, refusal)
    return pack_named("the call", (fn, args, kwargs), refusal)


def pack_named(what: str, obj: Any, refusal: str) -> Payload:
    """Pickle as `pack` does; the text of a `CannotEncode` says `what` cannot travel."""
    try:
        return pack(obj, refusal, big_buffers((obj,)))
    except CannotEncode as exc:
        raise CannotEncode("%s %s" % (what, exc)) from exc.__cause__


def code_refusal(here: Sequence[Any], there: Sequence[Any]) -> str:
    """Return why code cannot travel by value between two Pythons; empty if it can.

    Both are implementation, major and minor version.
    """
    if tuple(here) == tuple(there):
        return ""
    return (
        "code cannot travel by value between %s %d.%d and %s %d.%d: it would crash the "
        "interpreter. Move it to the top level of an importable module, "
        "or use the same Python version on both sides" % (*here, *there)
    )


def loads(payload: Payload) -> Any:
    """Rebuild the object; the inverse of `pack`."""
    if not isinstance(payload, MultipartMessage):
        importing = _module_locks  # has those that are not yet complete
        homes = find_home is not None and b"import_module" in payload  # one try imports it once
        classes = b"_make_skeleton_" in payload
        careful = importing or conflicting_modules or stand_ins or homes or classes
        if not careful and b"pathlib._local" not in payload:
            return pickle.loads(payload)
        payload = MultipartMessage(payload, [])
    return _Unpickler(payload).load()


class _Pickling:
    """Pickle an object and keep the `big` buffers outside of the pickle; none if that is ``None``.

    memoryviews are always kept outside, because pickle refuses them. They become no PickleBuffers:
    Python 3.11's garbage collector crashes on one of a memoryview in a cycle, as a traceback is.
    """

    def __init__(self, big: Sequence[Any] | None, home: by_value.Home | None = None) -> None:
        self._home = home
        self._inside = big is None
        self._big = {id(each): each for each in big} if big else {}

    def dump(self, obj: Any, cloudpickle: Any = None, **members: Callable[[Any], Any]) -> bytes:
        self.segments: list[Segment] = []
        # By identity: what the pickle has instead, and the object, to keep its identity in use.
        self._known: dict[int, tuple[Any, Any]] = {}
        stood_in = find_home is not None and bool(stand_ins)
        file = BytesIO()
        if cloudpickle is not None:
            out = file, self.buffer, self.persistent_id
            pickler = by_value.pickler(cloudpickle, *out, self._home)
        else:
            pickler = _Pickler(file, PROTOCOL, buffer_callback=self.buffer)
            pickler.dispatch_table = reductions.table(copyreg.dispatch_table, lambda: pickler.memo)
            if members or self._big:
                members["persistent_id"] = self.persistent_id
            if stood_in:
                members.setdefault("reducer_override", module_aliases.reference)
            for name, member in members.items():
                setattr(pickler, name, member)
        try:
            pickler.dump(obj)
            if self._home is not None:  # what it has in its memo, for later pickles
                memo = pickler.memo.copy().items()
                sent = {key: each for key, (_, each) in memo if type(each) not in _EQUAL}
                self._home.sent = sent
                pickler.dump(sent)
        finally:
            pickler.clear_memo()
            pickler = None  # its table refers to it
        return file.getvalue()

    def persistent_id(self, obj: Any) -> Any:
        """Return what to write instead of an object, or ``None``; pickle asks for every object."""
        if self._home is not None and id(obj) in self._home.there:
            return (id(obj),)
        if self._inside or (type(obj) is not memoryview and id(obj) not in self._big):
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
        return self._inside or _is_inside(self.segments, buffer)


def _is_inside(outside: list[Segment], buffer: Any) -> bool:
    """Return whether a PickleBuffer shall be in the pickle; pickle asks for every one."""
    view = buffer.raw()
    if len(view) < BIG:
        return True
    outside.append((messages.AS_PICKLEBUFFER, view))
    return False


class _Pickler(pickle.Pickler):
    """A pickler that can have attributes."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, message: MultipartMessage) -> None:
        self._segments = message.segments
        buffers = [part for kind, part in message.segments if kind == messages.AS_PICKLEBUFFER]
        super().__init__(BytesIO(message.data), buffers=buffers)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _IMPORTING:
            return _imported
        _prepare_import(module)
        found = super().find_class("pathlib" if module == _LOCAL else module, name)
        if name in by_value.REBUILD_CLASS and module.startswith("cloudpickle."):
            return partial(by_value.REBUILD_CLASS[name], found)
        return found

    def persistent_load(self, what: Any) -> Any:
        if isinstance(what, int):
            return self._segments[what][1]
        if len(what) == 1:
            return arrived[what[0]]
        number, format, shape, readonly = what
        view = self._segments[number][1]
        if format != "B" or len(shape) != 1:
            view = view.cast(format, shape)
        return view.toreadonly() if readonly else view


def resolved(name: str) -> Any:
    """Return the object that ``"module:qualname"`` names; another form is a ValueError."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise ValueError("expected 'module:qualname', got %r" % (name,))
    return attrgetter(path)(_imported(module))


def _imported(module: str, needed: Iterable[str] | None = None) -> types.ModuleType:
    if module in stand_ins:
        return stand_ins[module]
    _prepare_import(module)
    if needed is not None and find_home is not None:
        return find_home(module, needed)
    __import__(module)  # without importing `importlib`
    return sys.modules[module]


def _prepare_import(name: str) -> None:
    """Refuse a conflicting module, and wait for packages that another thread imports."""
    # Python locks a module before it looks at its package, whose import may need the module. Then
    # one of the threads gets the other's, half imported: for `asyncio.sleep` of `asyncio.tasks`.
    dot = name.find(".")
    while dot > 0:
        # While it is searched for, it has a lock only.
        if name[:dot] in sys.modules or name[:dot] in _module_locks:
            __import__(name[:dot])
        dot = name.find(".", dot + 1)
    if name in conflicting_modules:
        module, text = conflicting_modules[name]
        if sys.modules.get(name) is module:
            raise ImportError(text, name=name)
        conflicting_modules.pop(name, None)  # removed from `sys.modules`, to be imported anew
