"""Where code in a peer enters the debugger, which comes from the origin when it is first needed."""

import sys
from typing import Any

from ..core.clock import standstill
from ..link.protocol.unpatched import _thread, marshal, os
from . import runtime

_PACKAGE = "pytest_peer_agent.agent."
_MODULES = ("stack_places", "debugger", "stop_running")
#: Those with a function ``set_trace``.
MODULES = ("pdb", "pytest")
#: What of ``PYTHONBREAKPOINT`` means pdb.
_PDB = (None, "", "pdb.set_trace")
_CHILD = "%s in process %d, which peer %s has forked, does nothing: only peers can be debugged\n"
_loading = _thread.allocate_lock()


def install():
    """Have ``breakpoint()`` and ``set_trace`` of pdb and pytest open a prompt at the origin."""
    if sys.breakpointhook is sys.__breakpointhook__:  # else it is an editor's debugger
        sys.breakpointhook = _hook
    watch()


def watch():
    """Do the same for `pdb` and `pytest`, if they have been imported."""
    for name in MODULES:
        module: Any = sys.modules.get(name)
        # Not by `getattr`: a lazy module may import then.
        if "set_trace" in getattr(module, "__dict__", ()):
            module.set_trace = set_trace


def spec_of(name, ours):
    """Find one of `MODULES`, not by finders of `ours`; it gets our ``set_trace`` in its import."""
    for finder in [each for each in sys.meta_path if each not in ours]:
        spec: Any = getattr(finder, "find_spec", lambda *_: None)(name, None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Watching(spec.loader)
            return spec
    return None


class _Watching:
    def __init__(self, loader):
        self._loader = loader

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        watch()

    def __getattr__(self, name):
        return getattr(self._loader, name)


def _hook(*args, **kwargs):
    chosen = None if sys.flags.ignore_environment else os.environ.get("PYTHONBREAKPOINT")
    if chosen not in _PDB:
        return sys.__breakpointhook__(*args, **kwargs)
    return _enter(sys._getframe(1), "breakpoint()", kwargs.get("header"))


def set_trace(*, header=None, **_):
    """Open a prompt in the caller, as ``pdb.set_trace`` does."""
    return _enter(sys._getframe(1), "set_trace()", header)


def _enter(frame, what, header):
    peer = runtime.runtime
    if peer is None or peer.enqueue is None or os.getpid() != peer.pid:
        name = peer.name if peer is not None else "?"
        sys.stderr.write(_CHILD % (what, os.getpid(), name))
        return
    debugger().enter(frame, header)  # nothing after it: it is traced from now on


def debugger():
    """Return the module `debugger`."""
    return module("debugger")


def module(name):
    """Return a module of the debugger; they come from the origin, each after those it imports."""
    for each in _MODULES[: _MODULES.index(name) + 1]:
        if _PACKAGE + each not in sys.modules:
            with _loading:
                if _PACKAGE + each not in sys.modules:
                    _load(each)
    return sys.modules[_PACKAGE + name]


def _load(name):
    filename, source, pdb_class = runtime.runtime.ask("debugger", name)
    found: Any = type(sys)(_PACKAGE + name)
    found.__file__ = filename
    found.__package__ = __package__
    exec(compile(source, filename, "exec"), found.__dict__)
    found.pdb_class = pdb_class
    sys.modules[found.__name__] = found


def traced(fn, *args, **kwargs):
    """Call `fn`, and stop at its first line, for ``--trace``."""
    return debugger().traced(fn, args, kwargs)


def keep(exc):
    """Keep the frames of an exception for ``--pdb``; return the peer's name and their number."""
    try:
        return runtime.runtime.name, debugger().keep(exc)
    except Exception:  # a forked child, or the origin does not respond
        return None


def received(payload):
    """Take what the origin says to a debugger; on the thread that reads the link."""
    what, number, *rest = marshal.loads(payload)
    if what == "standstill":
        (standstill.begin if number else standstill.end)(what)
        return
    found = sys.modules.get(_PACKAGE + "debugger")
    if found is not None:
        found.received(what, number, rest)
        return
    try:
        _thread.start_new_thread(_receive, (what, number, rest))  # as it asks the origin
    except RuntimeError:
        pass  # no more threads: the origin waits for no longer than its limit


def _receive(what, number, rest):
    debugger().received(what, number, rest)
