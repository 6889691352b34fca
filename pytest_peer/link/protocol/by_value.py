"""Code by value, with cloudpickle; functions keep their module's globals and their file name."""

from __future__ import annotations

import builtins
import functools
import io
import operator
import sys
import types
from typing import Any, Callable, Iterable

from . import messages, module_aliases, reductions

#: Builtins that find globals which the code does not name.
_LOOKING_UP = {"eval", "exec", "globals"}


class Home:
    """A module of which the other end has `known` globals in what stands for it there.

    :param there: what it has of this module and others, by their identities here.
    """

    def __init__(
        self, module: types.ModuleType, name: str, known: Iterable[str], there: dict[int, Any]
    ) -> None:
        self.module = module
        self.name = name
        #: The name of what stands for it.
        self.stand_in: str = name + module_aliases.STAND_IN
        self.known: frozenset[str] = frozenset(known)
        self.there = there
        #: What it has with the next pickle.
        self.sent: dict[int, Any] = {}

    def has(self, obj: Any) -> bool:
        """Return whether it is code of the module, or of one that is imported with it."""
        code = issubclass(type(obj), (type, types.FunctionType))
        return code and ("%s." % obj.__module__).startswith(self.module.__name__ + ".")

    def reference(self, obj: Any) -> Any:
        """Refer to what is not of the module."""
        return NotImplemented if self.has(obj) else reductions.reference(obj, self.name)

    def reduce(self, cloudpickle: Any, pickler: Any, obj: Any) -> Any:
        """Reduce code of the module by value, which cloudpickle would refer to."""
        if not self.has(obj):
            return cloudpickle.Pickler.reducer_override(pickler, obj)
        # Its registry of such modules is everybody's, other threads' too.
        if isinstance(obj, type):
            return cloudpickle.cloudpickle._dynamic_class_reduce(obj)
        return pickler._dynamic_function_reduce(obj)


def pickler(
    cloudpickle: Any, file: Any, buffer_callback: Any, persistent_id: Any, home: Home | None
) -> Any:
    """Return a pickler, with what belongs to pickle's own."""
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]

    def with_file_name(code: types.CodeType) -> tuple[Any, ...]:
        # cloudpickle drops the file name, which tracebacks need to show the source.
        rebuild, args, *rest = reduce_code(code)
        dropped = [isinstance(part, str) and part == "<dynamic-code>" for part in args]
        args = tuple(code.co_filename if one else part for one, part in zip(dropped, args))
        return (rebuild, args, *rest)

    reduce_file = cloudpickle.Pickler.dispatch_table[io.TextIOWrapper]

    def with_stream(file: Any) -> Any:
        # cloudpickle would send the text of another file, without the descriptor.
        known = file is sys.stdout or file is sys.stderr
        return reduce_file(file) if known else reductions.refuse_descriptor(file)

    refer: Any = reductions.reference
    reduce = cloudpickle.Pickler.reducer_override
    if home is not None:
        refer, reduce = home.reference, functools.partial(home.reduce, cloudpickle)

    def with_its_module(pickler: Any, obj: Any) -> Any:
        reduced = refer(obj)
        if reduced is NotImplemented:
            reduced = _with_annotations(pickler, obj, reduce)
            if reduced is not NotImplemented and type(obj) is types.FunctionType:
                return _with_its_module(obj, reduced, cloudpickle, home)
            if reduced is not NotImplemented and len(reduced) > 2 and isinstance(obj, type):
                return _with_slots(obj, reduced)
        return reduced

    others, name = cloudpickle.Pickler.dispatch_table, home.name if home is not None else ""
    table = reductions.table(others, lambda: made.memo, name)
    table[types.CodeType] = with_file_name
    table[functools.cached_property] = _cached_property
    table[io.TextIOWrapper] = with_stream
    lib: Any = sys.modules.get("annotationlib")
    if lib is not None:  # such an object has all globals of its module
        table[lib.ForwardRef] = lambda ref: (lib.ForwardRef, (ref.__forward_arg__,))
    if sys.version_info >= (3, 15):
        table[types.LazyImportType] = lambda lazy: (operator.itemgetter(0), ([lazy.resolve()],))
    members = {
        "dispatch_table": table,
        "reducer_override": with_its_module,
        "persistent_id": staticmethod(persistent_id),
    }
    # In the class: the C pickler looks there when it is made.
    kind: Any = type("Pickler", (cloudpickle.Pickler,), members)
    made = kind(file, messages.PICKLE, buffer_callback)
    return made


def _cached_property(obj: functools.cached_property[Any]) -> tuple[Any, ...]:
    # Before Python 3.12 it has a lock.
    return type(obj), (obj.func,), {k: v for k, v in vars(obj).items() if k != "lock"}


def _make_class(make: Callable[..., type], *args: Any) -> type:
    tracker, _ = args[-2:]
    known = sys.modules[make.__module__]._DYNAMIC_CLASS_TRACKER_BY_ID
    found: type | None = known.get(tracker)
    if found is None:  # else its bases would hear of one more
        found = make(*args)
        _received().add(found)
    return found


def _set_state(set_state: Callable[[type, Any], type], cls: type, state: Any) -> type:
    return set_state(cls, state) if cls in _received() else cls


@functools.lru_cache(maxsize=None)
def _received() -> Any:
    """Return the set of classes that are defined elsewhere: what comes does not change others."""
    import weakref  # not at the top: no boot needs it

    return weakref.WeakSet()


#: By the names of cloudpickle's functions: what to call with them, when a pickle does.
REBUILD_CLASS: dict[str, Callable[..., type]] = {
    "_make_skeleton_class": _make_class,
    "_make_skeleton_enum": _make_class,
    "_class_setstate": _set_state,
}


def _with_annotations(pickler: Any, obj: Any, reduce: Callable[[Any, Any], Any]) -> Any:
    """Reduce code with its annotations, which Python 3.14 evaluates when they are asked for.

    They are texts if one of them cannot be evaluated: for a name that only type checkers import.
    """
    code = isinstance(obj, (type, types.FunctionType))
    annotate = getattr(obj, "__annotate__", None) if code else None
    if annotate is None:
        return reduce(pickler, obj)
    try:
        reduced = reduce(pickler, obj)
        found = {} if reduced is NotImplemented else obj.__annotations__
    except Exception:
        lib = __import__("annotationlib")  # Python 3.14 has it
        found = obj.__annotations__ = lib.get_annotations(obj, format=lib.Format.STRING)
        try:
            reduced = reduce(pickler, obj)
        finally:
            obj.__annotate__ = annotate
    if found and isinstance(obj, type):
        reduced[2][0]["__annotations__"] = found
    return reduced


def _with_slots(cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give a class its slots when it is made, and its qualified name."""
    make, args, (state, slots), *rest = reduced
    # Those of a named tuple are its metaclass's, and empty.
    if (
        "__slots__" in state
        and make.__name__ == "_make_skeleton_class"
        and not issubclass(cls, tuple)
    ):
        args[3]["__slots__"] = state["__slots__"]
    return make, args, ({**state, "__qualname__": cls.__qualname__}, slots), *rest


def _with_its_module(
    fn: types.FunctionType, reduced: tuple[Any, ...], cloudpickle: Any, home: Home | None
) -> tuple[Any, ...]:
    """Replace copies of the globals by those of the function's module, which the peer has."""
    make, args, (state, slots), *rest = reduced
    if home is not None and fn.__globals__ is vars(home.module):
        there = module_aliases.Made(vars, module_aliases.imported(home.stand_in))
        others = {k: v for k, v in slots["__globals__"].items() if k not in home.known}
        return make, (args[0], there, *args[2:]), (state, {**slots, "__globals__": others}), *rest
    name = getattr(fn, "__module__", None)
    module = sys.modules.get(name) if name and name != "__main__" else None
    found = getattr(module, "__dict__", None)
    if found is not fn.__globals__:
        namesakes = module_aliases.named_like(name)
        name = next((name for name, each in namesakes if vars(each) is fn.__globals__), "")
    elif not (found.get("__spec__") or found.get("__file__")):
        name = ""  # the other end cannot import it
    code, _, *others = args
    named = {*cloudpickle.cloudpickle._extract_code_globals(fn.__code__)}
    # The peer's module can have a global that the one here lacks.
    named -= vars(builtins).keys() - _LOOKING_UP
    if name and (slots["__globals__"] or named):
        # Names of pytest's rewriting, in case the peer's module is not rewritten.
        used = {name: value for name, value in slots["__globals__"].items() if name[0] == "@"}
        needed = [each for each in slots["__globals__"] if each not in used]
        needed += [each.__name__ for each in slots["_cloudpickle_submodules"]]
        module_there = module_aliases.imported(name, tuple(needed))
        args = (code, module_aliases.Made(vars, module_there), *others)
        slots = {**slots, "__globals__": used, "_cloudpickle_submodules": []}
    return (make, args, (state, slots), *rest)
