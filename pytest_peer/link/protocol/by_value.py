"""Code by value, which cloudpickle can do: functions with the globals of their module, and the name of the file they are from."""

from __future__ import annotations

import io
import sys
import types
from typing import Any
from typing import Callable

from . import messages
from . import module_aliases

__tracebackhide__ = True


def cloudpickle_if_installed() -> tuple[Any, str]:
    """The module, or why there is none."""
    try:
        import cloudpickle
    except ImportError:
        return None, "cloudpickle, which could send it by value, is not installed here"
    return cloudpickle, ""


def dumps(
    obj: Any,
    cloudpickle: Any,
    buffer_callback: Callable[[Any], object] | None = None,
    **members: Any,
) -> bytes:
    """Pickle `obj`.

    :param members: of the pickler.
    """
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]
    reduce_function = cloudpickle.Pickler._dynamic_function_reduce

    def with_its_module(pickler: Any, fn: types.FunctionType) -> tuple[Any, ...]:
        # cloudpickle sends copies of the globals. The function is to have those of its module, which lives over there as well.
        make, args, (state, slots), *rest = reduce_function(pickler, fn)
        module = _module_of(fn)
        if module and slots["__globals__"]:
            code, _, *others = args
            args = (code, _GlobalsOf(module), *others)
            # Of pytest's rewriting, in case that the module over there is not rewritten.
            used = {name: value for name, value in slots["__globals__"].items() if name[0] == "@"}
            slots = {**slots, "__globals__": used, "_cloudpickle_submodules": []}
        return (make, args, (state, slots), *rest)

    def with_file_name(code: types.CodeType) -> tuple[Any, ...]:
        # cloudpickle forgets it. Tracebacks are to show the source, which is where it was on the origin.
        rebuild, args, *rest = reduce_code(code)
        args = tuple(code.co_filename if part == "<dynamic-code>" else part for part in args)
        return (rebuild, args, *rest)

    def by_a_second_name(pickler: Any, obj: Any) -> Any:
        found = module_aliases.reference(obj)
        return reducer_override(pickler, obj) if found is NotImplemented else found

    reducer_override = cloudpickle.Pickler.reducer_override
    if module_aliases.any_loaded():
        members["reducer_override"] = by_a_second_name
    buffer = io.BytesIO()
    # In the class: the C pickler looks for it when it is made.
    table = {**cloudpickle.Pickler.dispatch_table, types.CodeType: with_file_name}
    members["dispatch_table"] = table
    members["_dynamic_function_reduce"] = with_its_module
    pickler = type("Pickler", (cloudpickle.Pickler,), members)
    pickler(buffer, messages.PICKLE, buffer_callback).dump(obj)
    return buffer.getvalue()


def _module_of(fn: types.FunctionType) -> str:
    """The module whose globals the function uses; empty if the other end cannot import it."""
    name = getattr(fn, "__module__", None)
    module = sys.modules.get(name) if name and name != "__main__" else None
    found = getattr(module, "__dict__", None)
    if found is not fn.__globals__:
        return module_aliases.with_globals(fn)
    if not (found.get("__spec__") or found.get("__file__")):
        return ""
    return str(name)


class _GlobalsOf:
    """Stands for the globals of a module, in a pickle."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __reduce__(self) -> Any:
        return vars, (module_aliases.Imported(self._module),)
