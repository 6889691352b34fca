"""Code by value, with cloudpickle; functions keep their module's globals and their file name."""

from __future__ import annotations

import builtins
import operator
import sys
import types
from typing import Any, Callable

from . import messages, module_aliases, reductions


def pickler(cloudpickle: Any, file: Any, buffer_callback: Any, persistent_id: Any) -> Any:
    """Return a pickler, with what belongs to pickle's own."""
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]

    def with_file_name(code: types.CodeType) -> tuple[Any, ...]:
        # cloudpickle drops the file name, which tracebacks need to show the source.
        rebuild, args, *rest = reduce_code(code)
        dropped = [isinstance(part, str) and part == "<dynamic-code>" for part in args]
        args = tuple(code.co_filename if one else part for one, part in zip(dropped, args))
        return (rebuild, args, *rest)

    def with_its_module(pickler: Any, obj: Any) -> Any:
        reduced = reductions.reference(obj)
        if reduced is NotImplemented:
            reduced = _with_annotations(pickler, obj, cloudpickle.Pickler.reducer_override)
            if reduced is not NotImplemented and type(obj) is types.FunctionType:
                return _with_its_module(obj, reduced, cloudpickle)
        return reduced

    table = reductions.table(cloudpickle.Pickler.dispatch_table, lambda: made.memo)
    table[types.CodeType] = with_file_name
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


def _with_its_module(
    fn: types.FunctionType, reduced: tuple[Any, ...], cloudpickle: Any
) -> tuple[Any, ...]:
    """Replace copies of the globals by those of the function's module, which the peer has."""
    make, args, (state, slots), *rest = reduced
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
    if name and (slots["__globals__"] or named.difference(vars(builtins))):
        args = (code, module_aliases.Made(vars, module_aliases.imported(name)), *others)
        # Names of pytest's rewriting, in case the peer's module is not rewritten.
        used = {name: value for name, value in slots["__globals__"].items() if name[0] == "@"}
        slots = {**slots, "__globals__": used, "_cloudpickle_submodules": []}
    return (make, args, (state, slots), *rest)
