"""Stops the call that runs on the main thread of the peer, for `peer.debug()`.

A pending call of the interpreter runs there between two steps of Python code. It needs no signal,
which may be the user's, and no `sys.remote_exec`, which wants Python 3.14 and the right to write to
the memory of the peer. While the main thread waits in C code, the prompt is on a thread of its own:
the main thread is held when it comes back, until the user lets it go on.
"""

import ctypes
import sys
from bdb import BdbQuit

from ..link.protocol.unpatched import _thread
from . import debugger, runtime, stack_places, stacks

#: Seconds for the main thread to come to its next step; milliseconds, unless it is in C code.
_STEP_SECONDS = 0.5
#: How often a call may begin just then.
_TRIES = 4
_AWAITS = "the coroutine waits: a step stops it when it goes on"
_IN_C = "the call waits in C code: a step stops it when it has come back from there"
_IDLE = "no call runs on its main thread"

_requests = {}


class Request:
    """What one `peer.debug()` asks for; the thread that takes it stops the main thread."""

    def __init__(self, number):
        self.number = number
        self._free = _thread.allocate_lock()
        self.came_by = False  # the main thread, between two calls, or steps of coroutines
        self.in_vain = False  # enough of that
        self.stopped = _thread.allocate_lock()  # until the main thread has stopped by itself
        self.held = _thread.allocate_lock()  # until the user lets the main thread go on
        self.stopped.acquire()
        self.held.acquire()
        self.steps_on = None  # the debugger in which the main thread goes on

    def take(self):
        return self._free.acquire(False)


def stop(number):
    """Stop the main thread; on another thread."""
    request = _requests[number] = Request(number)
    for _ in range(_TRIES):
        request.came_by = False
        ctypes.pythonapi.Py_AddPendingCall(_callback, None)
        if request.stopped.acquire(True, _STEP_SECONDS):
            return
        if not request.came_by:
            break
    request.in_vain = True
    frame = sys._current_frames().get(debugger.MAIN)
    if not request.take():
        return  # just now
    if frame is None or not stack_places.in_call(frame):
        del _requests[number]
        debugger.say("refused", number, _IDLE)
        return
    try:
        _stop_in_c(request, frame)
    finally:
        request.held.release()


def _stop_in_c(request, frame):
    ctypes.pythonapi.Py_AddPendingCall(_callback, None)  # it may have come by
    own = stack_places.users(frame)
    stack = _of_coroutine() if own is None else []
    found = debugger.new(_AWAITS if stack else _IN_C, request.number)
    found.reset()
    found.pass_loops(stack)
    frame = stack[-1][0] if stack else own or frame
    found.interaction(frame, None)
    if sys.version_info < (3, 13):  # what the user has assigned
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    if found.quitting:
        debugger.raise_in(debugger.MAIN, BdbQuit)
    elif found.session.is_open or found.breaks:
        request.steps_on = found


def _of_coroutine():
    """Return the stack of the oldest coroutine of a call: frames of the user's, with their lines."""
    for task in runtime.runtime.event_loop.tasks().values():
        every = stacks.of_task(getattr(task, "_coro", None), ())
        found = [each for each in every if stack_places.is_users(each[0])]
        if found:
            return found
    return []


def _come_by(_):
    """Stop here, or wait for the user; on the main thread, between two steps of Python code."""
    frame = sys._getframe(1)
    for number, request in list(_requests.items()):
        if not stack_places.in_call(frame):
            request.came_by = True
            continue
        own = stack_places.users(frame)
        if own is None and not request.in_vain:
            request.came_by = True
            continue
        del _requests[number]
        if request.take():
            request.stopped.release()
            debugger.enter(own or frame, None, number)  # nothing after it: it is traced from now on
            return 0
        runtime.runtime.reader.hand_over()
        request.held.acquire()
        if request.steps_on is not None:
            request.steps_on.step_on(frame)
            return 0
    return 0


_callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_come_by)
