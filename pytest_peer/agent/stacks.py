"""Where the threads and tasks of the peer are, as text; and whether a debugger has stopped them."""

import sys
import types

from ..link.protocol.unpatched import threading
from . import call_warnings, failures

_BUSY = "in a function written in C, called by a call"
#: Where an event loop is when it runs no code of the user's.
_OF_LOOPS = ("/asyncio/base_events.py", "/asyncio/events.py", "/selectors.py")
#: Of what a task may wait in: its frame, and what it waits for.
_CHAINS = {
    types.CoroutineType: ("cr_frame", "cr_await"),
    types.GeneratorType: ("gi_frame", "gi_yieldfrom"),
    types.AsyncGeneratorType: ("ag_frame", "ag_await"),
}


def written(own_files, main_busy):
    """Format the stack of every thread and asyncio task, without those of the agent."""
    import traceback  # not at the top: its import is a sixth of the boot

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    order = " (most recent call last)"
    parts = []
    for ident, frame in sys._current_frames().items():
        stack, busy = list(traceback.extract_stack(frame)), _BUSY
        ours = [frame.filename in own_files for frame in stack]
        runners = call_warnings.RUNNERS
        calls = [i for i, frame in enumerate(stack) if ours[i] and frame.name in runners]
        if calls:
            # The agent's own are also the frames that unpickle a call and send its reply. The
            # first may import the user's modules.
            theirs = (i for i in range(calls[-1] + 1, len(stack)) if not ours[i])
            if stack[calls[-1]].name == "_run_loop":
                theirs = (i for i in theirs if not stack[i].filename.endswith(_OF_LOOPS))
                busy = "in the event loop"
            stack = stack[next(theirs, len(stack)) :]
        elif any(ours):
            stack = []  # a thread of the agent that is in no call
        text = "".join(traceback.format_list(stack))
        if not text and ident == threading.main_thread().ident:
            text = "  %s\n" % (busy if main_busy else "waits for a call")
        if text:
            shown = names.get(ident, ident), order if stack else "", text
            parts.append("Thread %s%s:\n%s" % shown)
    for task in failures.tasks():
        # `get_coro` of one that is just being made would crash Python before 3.13.
        loop, coroutine = task._loop, getattr(task, "_coro", None)
        # Where a task runs, the stack of its thread shows.
        if loop and loop.is_running() and not getattr(coroutine, "cr_running", False):
            chain = traceback.StackSummary.extract(_frames(coroutine))
            text = "".join(traceback.format_list(f for f in chain if f.filename not in own_files))
            if text:
                parts.append("Task %s%s:\n%s" % (task.get_name(), order, text))
    return "\n".join(parts)


def debugger():
    """Return the name of a debugger that may have stopped threads; it stops no process."""
    # Of debugpy and PyCharm. It may be the module `__main__`, so what it has imported is looked at.
    pydevd = sys.modules.get("_pydevd_bundle.pydevd_constants")
    # Without the function while it is being imported; what is raised here would end the peer.
    get = getattr(pydevd, "get_global_debugger", None)
    found = get() if get is not None else None
    if found is None:
        return ""
    # After `debugpy.listen` nobody need come. PyCharm's has no such method.
    here = getattr(found, "is_attached", bool)() or not hasattr(found, "is_attached")
    return "pydevd" if here or _waits_for_debugger() else ""


def _waits_for_debugger():
    import traceback

    every = sys._current_frames().values()
    frames = (frame for top in every for frame, _ in traceback.walk_stack(top))
    return any(frame.f_code.co_name in ("wait_for_client", "_wait_for_attach") for frame in frames)


def _frames(waits):
    """Yield the frames of a coroutine and of all that it awaits."""
    import gc

    seen = set()  # what is awaited may refer to what awaits it
    while waits is not None and id(waits) not in seen:
        seen.add(id(waits))
        if type(waits) in _CHAINS:
            frame, waits = (getattr(waits, name) for name in _CHAINS[type(waits)])
            if frame is not None:
                yield frame, frame.f_lineno
        else:  # from an `__await__` or an asynchronous generator
            waits = next((e for e in gc.get_referents(waits) if type(e) in _CHAINS), None)
