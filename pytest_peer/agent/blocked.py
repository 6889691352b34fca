"""Whether a call waits, and for what.

A thread that waits for the GIL is in the kernel as one that waits for a lock. But it looks every
few milliseconds whether others want it too, so its wait has a short limit. A thread that has lent
the GIL waits without a limit until another has it. So a wait for a lock is one if the thread has
not run from before this thread got the GIL until after that.
"""

import sys
from time import sleep

from ..core import patience, threads, waiting
from ..core.clock import monotonic
from ..link.protocol.unpatched import _thread, marshal, os, threading
from . import stacks, waits

#: Seconds between two looks at a thread: it may be about to wait.
_PAUSE = 0.0002
_MOST_PAUSE = 0.005
#: How many of the switches of the GIL a limit takes that is none of these.
_SWITCHES = 3


def asked(what, calls, own_files):
    """Return the encoded answer to a question of the origin's."""
    if what == b"begun":
        return b"" if calls.reader.arrived or not calls.event_loop.has_begun() else b"1"
    if what == b"own":
        return marshal.dumps(_own_waits(calls), 2)
    if what.startswith(b"rest"):
        from . import rest  # only where the origin is elsewhere

        return rest.looked(calls, what.endswith(b"timers"))
    _, number, limit = what.split()
    return of_call(calls, int(number), float(limit), own_files)


def _own_waits(calls):
    """Return what waits in ways of ours, as `OwnWaits` at the origin has it."""
    every = list(waiting.threads.values())
    found = [(each.number, each.word, each.request, each.process) for each in every]
    found.append((calls.reader.number, "agent", 0, 0))
    runs = {ident: number for ident, (_, number) in list(calls.threads.items())}
    for ident, task in calls.event_loop.tasks().items():
        if task is None or not _task_waits(task, set()):
            runs[ident] = _of_loop(calls)[1]
            continue
        runs[ident] = -ident
        own = waits.of_task(task)
        found += [] if own is None else [(-ident, own.word, own.request, 0)]
    return found, list(runs.items())


def of_call(calls, ident, limit, own_files):
    """Look at a call until it waits, for so many seconds at most; see `answer`."""
    unreadable = threads.why_unreadable()
    if unreadable:
        return answer("unknown", unreadable)
    looks, until, pause = patience.Patience(), monotonic() + limit, _PAUSE
    thread = None
    while True:
        found = _looked(calls, ident, own_files)
        if not isinstance(found, tuple):
            return found
        if found[:2] != thread:
            looks, thread = patience.Patience(), found[:2]
        key, number, sight, wait = found
        on = looks.decided(monotonic(), sight, wait)
        if on:
            stack = _stack(key, own_files)
            return answer("waits", on, number, sight.syscall, stack, wait.request)
        if monotonic() > until:
            return answer("runs")
        sleep(pause)
        pause = min(1.5 * pause, _MOST_PAUSE)


def answer(how, on="", number=0, syscall="", stack=(), request=0):
    """Encode: it ``waits``, ``runs``, or is ``absent`` or ``unknown``; the rest of who waits.

    :param request: to the origin, for whose answer it waits; 0 for none.
    """
    return marshal.dumps((how, on, number, syscall, list(stack), request), 2)


def _looked(calls, ident, own_files):
    """Return of the call its thread, that in the kernel, what it does, and what it waits for.

    That is ``None`` if it may run. Or return the answer, if no thread runs the call.
    """
    task = calls.event_loop.task_of(ident)
    if task is None:
        thread = calls.threads.get(ident)
        if thread is None:
            return answer("absent")
        key, number = thread
    else:
        if _is_suspended(task):
            if _task_waits(task, set()) and not getattr(task._loop, "_ready", ()):
                own = waits.of_task(task)
                on, request = ("task", 0) if own is None else (own.word, own.request)
                if on:
                    stack = _written(stacks.of_task(task._coro, own_files))
                    return answer("waits", on, 0, "", stack, request)
            key, number = 0, 0
        else:
            key, number = _of_loop(calls)
    nothing = threads.Sight("R", "", "")
    if not number or not calls.has_begun(ident):
        return key, number, nothing, None
    sight = threads.seen(os.getpid(), number)
    wait = threads.wait_of(os.getpid(), number, sight.syscall) if sight.asleep else None
    # Reading lets others have the GIL, and then this thread gets it. What was read of memory was
    # that of this wait only if the thread is still in it.
    if wait is None or _wants_gil(wait) or (number == os.getpid() and calls.reader.reads_answer()):
        return key, number, nothing, None
    own = waiting.threads.get(key)
    if own is not None and (wait.is_futex or not sight.syscall):
        wait.on, wait.request = own.word, own.request
    if wait.is_futex:
        if own is None and vars(threading).get("_limbo"):
            return key, number, nothing, None  # who has started a thread waits until that begins
        if own is None:
            wait.others = _others(number, calls.reader.number)
        elif own.word.startswith("call "):  # a thread of another peer may end it at any moment
            wait.others = {0: float("nan")}  # and of its times nothing is known here
    # The loop's thread may have left the task meanwhile, and wait for the next.
    if threads.seen(os.getpid(), number) != sight or (task is not None and _is_suspended(task)):
        return key, number, nothing, None
    return key, number, sight, wait


def _others(waiter, reader):
    """Return the threads that run or want the GIL, with their times: one may have the lock.

    Without any, all have slept at the moment between the two looks at them. So has the `reader`,
    which wants the GIL every millisecond: while it gets no processor, one that waits for the GIL
    may do so without a limit.
    """
    pid, without, found = os.getpid(), {_thread.get_native_id(), waiter}, {}
    sights = {each: threads.seen(pid, each) for each in _numbers() - without}
    for each in _numbers() - without:
        sight = sights.get(each)
        wait = threads.wait_of(pid, each, sight.syscall) if sight and sight.asleep else None
        now = threads.seen(pid, each)
        runs = wait is None or (_wants_gil(wait) and each != reader)
        if runs or now != sight:
            found[each] = now.processor_seconds
    return found


def _numbers():
    return set(threads.numbers("/proc/self/task"))


def _wants_gil(wait):
    return wait.is_futex and not wait.limit > _SWITCHES * sys.getswitchinterval()


def _is_suspended(task):
    return not getattr(getattr(task, "_coro", None), "cr_running", False)


def _of_loop(calls):
    """Return the thread that runs the event loop, and its number in the kernel."""
    key = calls.event_loop.thread()
    return key, waits.native_ids().get(key, 0)


def _task_waits(task, known):
    """Return whether a task waits for what is not done: no step of it can come."""
    waiter = getattr(task, "_fut_waiter", None)
    return waiter is not None and _future_waits(waiter, known)


def _future_waits(future, known):
    if future.done():
        return False
    if id(future) in known:
        return True
    known.add(id(future))
    if hasattr(future, "_fut_waiter"):  # it is a task
        if getattr(getattr(future, "_coro", None), "cr_running", False):
            return False
        return _task_waits(future, known)
    # What `gather` waits for.
    children = getattr(future, "_children", None) or ()
    return all(child.done() or _future_waits(child, known) for child in children)


def _stack(key, own_files):
    frame = sys._current_frames().get(key)
    return _written(stacks.of_user(frame, own_files, True)[0] if frame is not None else ())


def _written(frames):
    return [stacks.place(*each) for each in frames]
