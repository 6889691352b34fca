"""Hold points and failpoints: which call is meant, who is held where, and until when.

The origin sets a point and takes it away by calls of `set_point` and `remove`. What happens there it
is told by messages of the kind POINT, and it lets a held call go by one. In a child that the peer has
forked, a call asks the peer, which alone counts.
"""

import itertools
import sys
from typing import Any

from ..core.locks import Lock
from ..core.waiting import TaskWaiting, Waiting
from ..link.protocol import children, codec, exceptions, messages
from ..link.protocol.unpatched import _thread, marshal, os, select, threading
from . import point_code, point_targets, runtime

#: Seconds between two looks whether a child that is held still lives.
_LOOK = 0.1
#: What a child is answered when its peer has no such point any more.
_GONE = b"gone"

_points = {}
_lock = Lock()


class Point:
    """A point in a function. `what` is ``"hold"``, ``"fail"`` or ``"pass"``, which only reports."""

    def __init__(self, number, target, what, at, nth, times, when, failure):
        self.number = number
        self.target = target  # its name
        self.at = at
        self._what = what
        self._from, self._until = nth, nth + times
        self._when = when
        self._failure = failure
        self._count = itertools.count(1)
        self.calls = self.refused = self.passed = 0
        self.held = {}  # what is held, by its number
        #: What `when` has raised, and nobody has heard of.
        self.broken: Any = None
        self.passage: Any = None

    def sees(self, args, kwargs):
        """Return whether `when` lets a call through to be counted."""
        self.calls += 1
        try:
            if self._when is None or self._when(*args, **kwargs):
                return True
        except Exception as exc:
            if self.broken is None:
                self.broken = exc
                self.tell("broken", 0, "")
        self.refused += 1
        return False

    def reach(self, passage, args, kwargs, in_task):
        """Count a call that has come here; return what to wait for, or ``None``."""

        def call():
            return point_code.asked(lambda: passage.described(args, kwargs))

        if os.getpid() != runtime.runtime.pid:
            return _Elsewhere(self, call(), in_task)
        return self.reached(call, in_task)

    def reached(self, call, in_task=False):
        """Do so in the peer; `call` returns it as text, for one that is meant."""
        number = self.passed = next(self._count)
        if not self._from <= number < self._until:
            return None
        held = None if self._what == "pass" else Held(self, number, in_task)
        if self._what == "hold":
            with _lock:
                if self.number not in _points:  # it has just been taken away
                    return None
                self.held[number] = held
        elif held is not None:
            held.release(self._failure)
        self.tell("reached", number, call())
        return held

    def leave(self, number):
        """Note that a held call goes on, or has been cancelled."""
        if self.held.pop(number, None) is not None:
            self.tell("left", number, "")

    def tell(self, what, number, call):
        data = marshal.dumps((what, number, call), 2)
        try:
            if os.getpid() == runtime.runtime.pid:
                runtime.runtime.enqueue(messages.POINT, self.number, data, True)
        except OSError:
            pass  # the link is gone, and this process with it


class Held:
    """A call that waits at a point, on its thread or in its task."""

    def __init__(self, point, number, in_task):
        self.point = point
        self.number = number
        self._released = False
        self._failure: Any = None
        self._free = _thread.allocate_lock()
        self._free.acquire()
        self._wake: Any = None
        self._woken: Any = self._prepare() if in_task else None

    def release(self, failure):
        """Let it go on, or raise the exception of which this is the description; once."""
        if self._released:
            return
        self._failure, self._released = failure, True
        try:
            self._free.release()
        except RuntimeError:
            return  # another thread has done so just now
        wake = self._wake
        if wake is not None:
            try:
                wake()
            except Exception:
                pass  # the event loop is closed

    def wait(self):
        """Wait for it, and raise the exception."""
        try:
            peer = runtime.runtime
            on_main = threading.get_ident() == threading.main_thread().ident
            if on_main and not self._released and os.getpid() == peer.pid:
                peer.reader.hand_over()  # another thread reads the link
            with Waiting(self._word()):
                self._free.acquire()
        finally:
            self.point.leave(self.number)
        self._raise()

    async def await_release(self):
        """Do so in a task of asyncio or trio, and elsewhere on the thread."""
        if self._woken is None:
            self.wait()
            return
        try:
            with TaskWaiting(self._word()):
                await self._woken()
        finally:
            self.point.leave(self.number)
        self._raise()

    def _word(self):
        return "held %s" % self.point.target

    def _prepare(self):
        """Return how the task waits, which `_wake` ends; ``None`` if it runs in neither."""
        trio: Any = sys.modules.get("trio")
        try:
            task = trio and trio.lowlevel.current_task()
        except (AttributeError, RuntimeError):
            task = None  # it is being imported, or runs no task
        if task is not None:
            event, token = trio.Event(), trio.lowlevel.current_trio_token()
            self._wake = lambda: token.run_sync_soon(event.set)
            return event.wait
        asyncio: Any = sys.modules.get("asyncio")
        try:
            loop = asyncio.get_running_loop()
            if asyncio.current_task() is None:
                return None
        except (AttributeError, RuntimeError):
            return None
        future = loop.create_future()  # in a cancellation no frame shows that is not the user's
        self._wake = lambda: loop.call_soon_threadsafe(_settle, future)
        return lambda: future

    def _raise(self):
        if self._failure is not None:
            raise _rebuilt(self._failure)


def _settle(future):
    if not future.done():
        future.set_result(None)


class _Elsewhere(Held):
    """A call in a forked child: the peer says whether it is held, and until when."""

    def __init__(self, point, call, in_task):
        super().__init__(point, 0, in_task)
        self._call = call
        if self._woken is not None:
            _thread.start_new_thread(self._ask, ())

    def wait(self):
        self._ask()
        self._raise()

    def _ask(self):
        failure = None
        try:
            data = marshal.dumps((self.point.number, self._call), 2)
            _, answer = children.ask(runtime.runtime.root, messages.POINT, data)
            if answer == _GONE:
                point_code.remove(self.point.passage, self.point)
            else:
                failure = marshal.loads(answer)
        except OSError:
            pass  # the peer is gone
        self.release(failure)


def set_point(number, target, name, what, at, nth, times, when, failure):
    """Set a point; return an error's name and text if there is no such function.

    `target` is the function, or its name, which `name` is in any case.
    """
    try:
        fn = point_targets.found(target)
    except point_targets.NotFound as exc:
        return exc.kind, str(exc)
    if failure is not None:
        _rebuilt(failure)  # it raises now, and not in the code under test
    point = _points[number] = Point(number, name, what, at, nth, times, when, failure)
    runtime.runtime.visited = _visited
    point.passage = point_code.add(fn, point)
    return None


def remove(number):
    """Take a point away, let go whom it holds, and return the numbers of its calls.

    Of all calls, of those that `when` refused, and of those that came to it. What `when` has raised
    is raised here.
    """
    with _lock:
        point = _points.pop(number)
        held = list(point.held.values())
    point_code.remove(point.passage, point)
    for each in held:
        each.release(None)
    if point.broken is not None:
        raise point.broken
    return point.calls, point.refused, point.passed


def discard(number):
    """Do so if it is there, when nobody waits for the answer."""
    if number in _points:
        remove(number)


def why_broken(number):
    """Raise what `when` has raised; it is told once."""
    point = _points[number]
    broken, point.broken = point.broken, None
    if broken is not None:
        raise broken


def received(ident, payload):
    """Let a held call go, as the origin says; on the thread that reads the link."""
    number, failure = marshal.loads(payload)
    point = _points.get(ident)
    held = point.held.get(number) if point is not None else None
    if held is not None:
        held.release(failure)


def _visited(sock, payload):
    """Answer a child whose call has come to a point, when it may go on; on a thread of its own."""
    number, call = marshal.loads(payload)
    point = _points.get(number)
    if point is None:
        return _GONE
    found = point.reached(lambda: call)
    if found is None:
        return marshal.dumps(None, 2)
    closed = select.poll()
    closed.register(sock.fileno(), 0)  # it always tells that the other end is closed
    while not found._free.acquire(True, _LOOK):
        if closed.poll(0):
            break
    point.leave(found.number)
    return marshal.dumps(found._failure, 2)


def _rebuilt(failure):
    try:
        if "whole" in failure:
            return codec.loads(failure["whole"])
        return exceptions.from_parts(failure, ())
    except Exception as exc:
        text = "the exception for a point cannot be rebuilt in the peer: %s: %s"
        raise codec.CannotDecode(text % (type(exc).__name__, exc)) from exc
