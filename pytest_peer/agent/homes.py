"""Stands in for modules that cannot be imported here, as homes of code by value.

Code by value uses the globals of its module here. If the module cannot be imported, because it
imports a package that this environment lacks, something stands in for it. It has the globals that
the code names. They come from the origin, once: from then on they are this peer's own. An import
of the module fails as before.
"""

import sys
import types
from _frozen_importlib import ModuleSpec  # the import of `importlib` would cost boot time
from typing import Any

from ..core.locks import Lock
from ..link.protocol import codec, module_aliases

#: What a module raises whose tests are to be skipped.
SKIPS = ("Skipped", "SkipTest")
_ADVICE = (
    "\nThe module %s imports it. Install it in the peer's environment, or put what runs in the peer "
    "into a module that does without it."
)

#: `Runtime.ask`; set by `main`.
ask: Any = None
_lock = Lock()
_failures = {}  # why the import has failed, by the name of what stands in


def find(name, needed):
    """Return the module, or what stands in for it, which then has all globals in `needed`."""
    there = name + module_aliases.STAND_IN
    failure = ""
    # The module comes first, if it could be imported meanwhile.
    if there not in codec.stand_ins or name in sys.modules:
        try:
            while True:
                __import__(name)
                found = sys.modules.get(name)
                if found is not None:  # else it was another thread's import, which has failed
                    return found
        except ImportError as exc:  # what else a module raises here is the peer's word
            failure = "%s: %s" % (type(exc).__name__, exc)
    with _lock:
        if there not in codec.stand_ins:
            _failures[there] = failure
            codec.stand_ins[there] = sys.modules[there] = _stand_in(name)
        stand_in = codec.stand_ins[there]
        missing = [each for each in needed if each not in vars(stand_in)]
        if missing:
            _complete(name, vars(stand_in), missing)
    return stand_in


def _stand_in(name):
    made = types.ModuleType(name.partition(module_aliases.MARK)[0])
    del made.__doc__, made.__loader__  # the code gets the origin's, if it names them
    made.__spec__ = spec = ModuleSpec(made.__name__, None)
    made.__package__ = spec.parent
    return made


def _complete(name, held, missing):
    before = set(held)
    try:
        found = ask("globals", name, missing, list(held), list(codec.arrived))
        if not isinstance(found, bytes):
            raise ImportError(found or "there is no such module any more")
        held.update(codec.loads_globals(found))
    except Exception as exc:
        for each in held.keys() - before:
            del held[each]
        text = "the module %s cannot be imported (%s), and its %s cannot come from the origin: %s"
        why = _failures[name + module_aliases.STAND_IN], ", ".join(missing), exc
        raise ImportError(text % (name, *why), name=name) from exc


def notes(exc):
    """Say of a global that is missing why its module is not here."""
    step: Any = exc.__traceback__ if isinstance(exc, NameError) else None
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    for there, failure in list(_failures.items()) if step is not None else ():
        if step.tb_frame.f_globals is vars(codec.stand_ins[there]):
            name = there[: -len(module_aliases.STAND_IN)]
            return ["the module %s cannot be imported in the peer: %s" % (name, failure)]
    return []


def advice(exc):
    """Say what to do about a module that cannot be imported; empty for another failure."""
    step = exc.__traceback__ if isinstance(exc, ImportError) else None
    while step is not None:
        if step.tb_frame.f_code.co_name == "<module>":
            return _ADVICE % step.tb_frame.f_globals.get("__name__")
        step = step.tb_next
    return ""
