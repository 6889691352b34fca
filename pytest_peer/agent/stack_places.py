"""Where the frames of a stack are: which are the user's, and what the origin is told of them."""

import bdb
from opcode import opname

from . import call_warnings

#: Where an event loop is when it calls code of the user's.
_OF_LOOPS = ("/asyncio/base_events.py", "/asyncio/events.py", "/asyncio/runners.py")
_PACKAGE = __package__.partition(".")[0]
#: Modules of an event loop, between a call and code of the user's; with what is below them.
LOOP_MODULES = ("asyncio", "selectors")


def where(frame, *rest):
    line = frame.f_lineno if frame is not None else 0
    step = rest[0] if frame is None and rest else None
    step = getattr(step, "__traceback__", step)
    while step is not None:
        frame, line = step.tb_frame, step.tb_lineno
        step = step.tb_next
    if frame is None:
        return "?"
    code = frame.f_code
    return "%s (%s:%s)" % (code.co_name, code.co_filename, line)


def _is_ours(frame):
    return str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE


def in_call(frame):
    """Return whether a thread with this stack runs a call."""
    while frame is not None and not _runs(frame):
        frame = frame.f_back
    return frame is not None


def is_users(frame):
    """Return whether a frame is neither of the agent nor of an event loop."""
    module = str(frame.f_globals.get("__name__")).partition(".")[0]
    return module not in (_PACKAGE, *LOOP_MODULES)


def users(frame):
    """Return the innermost frame of the user's in a stack; ``None`` if only the event loop runs."""
    while frame is not None and not is_users(frame):
        if _runs(frame):
            return frame if frame.f_code.co_name != "_run_loop" else None
        frame = frame.f_back
    return frame


def _runs(frame):
    return _is_ours(frame) and frame.f_code.co_name in call_warnings.RUNNERS


def first_of(frames):
    """Return the place of the first frame that is the user's, of a stack that begins outermost."""
    runners = [place for place, frame in enumerate(frames) if _runs(frame)]
    first = runners[-1] + 1 if runners else 0
    # What calls the user's code between: that loop, or `traced`.
    passed = (*_OF_LOOPS, bdb.__file__)
    while first < len(frames) and (
        _is_ours(frames[first]) or frames[first].f_code.co_filename.endswith(passed)
    ):
        first += 1
    return first if first < len(frames) else 0


def suspends(frame):
    """Return whether a frame that returns only yields or awaits."""
    code = frame.f_code
    if not code.co_flags & 0x2A0:  # generators, coroutines, asynchronous generators
        return False
    name = opname[code.co_code[frame.f_lasti]]
    return "YIELD" in name or "SEND" in name
