"""Where the threads and tasks of the peer are, as text; and whether a debugger has stopped them."""

import sys
import types
from time import sleep

from ..link.protocol.unpatched import threading
from . import call_warnings, failures

_IDLE = "waits for a call"
_BUSY = "in a function written in C, called by a call"
_IN_LOOP = "in the event loop"
_BARE = "in `threading`, or in a function written in C"
_ORDER = " (most recent call last)"
#: Its frames say how a thread waits; that of the caller says for what.
_THREADING = threading.Thread.run.__code__.co_filename
#: Seconds for the agent's event loop to run again: it stops for each reply.
_MOMENT = 0.01
_IMPORTLIB = "<frozen importlib"  # as Python itself leaves it out
#: Where an event loop is when it runs no code of the user's.
_OF_LOOPS = ("/asyncio/base_events.py", "/asyncio/events.py", "/selectors.py")
#: Of what a task may wait in: its frame, and what it waits for.
_CHAINS = {
    types.CoroutineType: ("cr_frame", "cr_await"),
    types.GeneratorType: ("gi_frame", "gi_yieldfrom"),
    types.AsyncGeneratorType: ("ag_frame", "ag_await"),
}


def _is_ours(frame, own_files):
    # `pytest_peer` itself, too, where it is installed.
    module = frame.f_globals.get("__name__")
    ours = type(module) is str and module.partition(".")[0] == "pytest_peer"
    return ours or (frame.f_code.co_filename in own_files and _with_points(frame) is None)


def _with_points(frame):
    """Return the code of the user's for which this frame passes points; ``None`` for any other."""
    point_code = sys.modules.get("%s.point_code" % __package__)
    return None if point_code is None else point_code.own_of(frame.f_code)


def _each_once(places):
    """Return these without the frames that pass points for a function that runs itself.

    Else such a frame stands for it: it is held before it begins, or after it.
    """
    codes = [frame.f_code for frame, _ in places]
    owns = [_with_points(frame) for frame, _ in places]
    runs = [own is not None and own in codes[i:] for i, own in enumerate(owns)]
    return [each for each, again in zip(places, runs) if not again]


def place(frame, line):
    """Return the file, the line and the function of a frame, as the user wrote them."""
    own = _with_points(frame)
    if own is not None:
        return own.co_filename, own.co_firstlineno, own.co_name
    return frame.f_code.co_filename, line, frame.f_code.co_name


def _formatted(places):
    import traceback  # not at the top: its import is a sixth of the boot

    summary = traceback.StackSummary.extract(iter(places))
    for i, each in enumerate(places):
        if _with_points(each[0]) is not None:
            summary[i] = traceback.FrameSummary(*place(*each))
    return "".join(traceback.format_list(summary))


def of_user(top, own_files, on_main):
    """Return the frames of a thread that are the user's, and where it is if there are none.

    That is `None` for a thread of the agent that is in no call.
    """
    import traceback

    frames = list(traceback.walk_stack(top))[::-1]
    files = [frame.f_code.co_filename for frame, _ in frames]
    ours = [_is_ours(frame, own_files) for frame, _ in frames]
    functions = [frame.f_code.co_name if own else "" for (frame, _), own in zip(frames, ours)]
    calls = [i for i, name in enumerate(functions) if name in call_warnings.RUNNERS]
    begun_by = [own for own, file in zip(ours, files) if file != _THREADING][:1]
    first, where = 0, _BARE
    if calls:
        # The agent's own are also the frames that unpickle a call and send its reply. The first
        # may import the user's modules.
        theirs = (i for i in range(calls[-1] + 1, len(frames)) if not ours[i])
        where = _BUSY
        if functions[calls[-1]] == "_run_loop":
            theirs = (i for i in theirs if not files[i].endswith(_OF_LOOPS))
            where = _IN_LOOP
        first = next(theirs, len(frames))
    elif on_main or begun_by == [True]:
        return [], None
    hidden = [own or file == _THREADING or _IMPORTLIB in file for own, file in zip(ours, files)]
    return _each_once([frames[i] for i in range(first, len(frames)) if not hidden[i]]), where


def written(own_files, main_busy):
    """Format the stack of every thread and asyncio task, without those of the agent."""
    from . import waits

    threads = threading.enumerate()
    names = {thread.ident: thread.name for thread in threads}
    main = threading.main_thread().ident
    # A thread has waited for something if it has stayed there until its frames were read.
    numbers = waits.native_ids()
    before = waits.seen(numbers.values())
    if main_busy or len(numbers) > 1:
        sleep(waits.seconds())
    found = []
    for ident, frame in sys._current_frames().items():
        frames, in_call = of_user(frame, own_files, ident == main)
        text = _formatted(frames)
        order = _ORDER if text else ""
        if not text and ident == main:
            text = "  %s\n" % (in_call or _BUSY if main_busy else _IDLE)
        elif not text and in_call is not None and in_call != _IN_LOOP:
            text = "  %s\n" % in_call
        if text:
            found.append((ident, order, text))
    after = waits.seen(numbers.values())
    parts = []
    for ident, order, text in found:
        number = numbers.get(ident)
        idles = text.strip() in (_IDLE, _IN_LOOP)
        stays = number in after and not idles and after[number] == before.get(number)
        on = waits.described(ident, number, after[number]) if stays else ""
        what = names.get(ident, ident), " blocked on %s" % on if on else "", order, text
        parts.append("Thread %s%s%s:\n%s" % what)
    tasks = [task for task in failures.tasks() if task._loop and not task.done()]
    if not all(task._loop.is_running() for task in tasks):
        sleep(_MOMENT)
    for task in tasks:
        # `get_coro` of one that is just being made would crash Python before 3.13.
        coroutine = getattr(task, "_coro", None)
        # Where a task runs, the stack of its thread shows.
        if task._loop.is_running() and not getattr(coroutine, "cr_running", False):
            text = _formatted(of_task(coroutine, own_files))
            if text:
                own = waits.of_task(task)
                on = " blocked on %s" % own.word if own is not None and own.word else ""
                parts.append("Task %s%s%s:\n%s" % (task.get_name(), on, _ORDER, text))
    return "\n".join(parts).rstrip()


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


def of_task(coroutine, own_files):
    """Return the frames of a task that are the user's, each with its line."""
    return _each_once([each for each in _frames(coroutine) if not _is_ours(each[0], own_files)])


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
