"""Runs pdb in the peer; its terminal is the origin's, by messages of the kind DEBUG.

A session is one debugger on one thread, from the first prompt until the code goes on freely. What
the session says: ``stopped``, ``text``, ``prompt``, ``running`` (until the next stop), ``left``. The
origin answers a prompt by ``line``, or asks ``complete`` before.
"""

import bdb
import itertools
import pdb
import sys
import types
from collections import deque
from opcode import opname
from typing import Any

from ..link.protocol import messages
from ..link.protocol.unpatched import _thread, marshal, queue, threading
from . import call_warnings, runtime

#: Where an event loop is when it calls code of the user's.
_OF_LOOPS = ("/asyncio/base_events.py", "/asyncio/events.py", "/asyncio/runners.py")
_PACKAGE = __package__.partition(".")[0]
#: Failures whose frames are kept for ``--pdb``.
_KEPT = 4
_MAIN = threading.main_thread().ident

#: ``"module:class"`` of ``--pdbcls``; empty for pdb's own.
pdb_class = ""
_sessions = {}
_numbers = itertools.count(1)
_wanted = False  # whether the running call is to be stopped
_callbacks = []  # the C function that stops it
_kept: Any = deque(maxlen=_KEPT)


class Session:
    """The terminal of one debugger: its stdin and its stdout."""

    encoding = "utf-8"

    def __init__(self):
        self.number = next(_numbers)
        self.is_open = False
        self.debugger: Any = None
        self._partial = ""  # the last line that has no end yet: perhaps a prompt
        self._answers: Any = queue.SimpleQueue()
        self._thread = 0
        self._reads = False

    def open(self, where, header, kept=0):
        """Begin, or go on."""
        self._thread = _thread.get_ident()
        if self.is_open:
            self.say("at", where)
        else:
            self.is_open = True
            _sessions[self.number] = self
            self.say("stopped", runtime.runtime.name, where, header or "", kept)

    def leave(self, quits=False):
        if self.is_open:
            self.is_open = False
            _sessions.pop(self.number, None)
            self._tell_partial()
            self.say("left", quits)

    def say(self, what, *rest):
        peer = runtime.runtime
        if self._thread == _MAIN:
            peer.reader.hand_over()  # this thread waits, and another one has to read
        try:
            data = marshal.dumps((what, self.number, *rest), 2)
            peer.enqueue(messages.DEBUG, next(peer.ids), data, True)
        except OSError:
            pass  # the link is gone, and this process with it

    def answered(self, what, rest):
        """Take what the origin says; on the thread that reads the link."""
        if what == "interrupt":
            if not self._reads:
                _interrupt(self._thread)
        else:
            self._answers.put((what, *rest))

    # As a file

    def write(self, text):
        lines, end, rest = text.rpartition("\n")
        if end:
            self.say("text", self._partial + lines + end)
            self._partial = rest
        else:
            self._partial += text
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False

    def readline(self, size=-1):  # noqa: ARG002
        prompt, self._partial = self._partial, ""
        self._reads = True
        try:
            self.say("prompt", prompt)
            while True:
                what, *rest = self._answers.get()
                if what == "line":
                    return rest[0]
                self.say("matches", self._matches(*rest))
        finally:
            self._reads = False

    def _tell_partial(self):
        if self._partial:
            self.write("\n")

    def _matches(self, text, line, begin, end):
        debugger = self.debugger
        try:
            command, _, _ = debugger.parseline(line)
            if begin > 0 and command:
                complete = getattr(debugger, "complete_" + command, debugger.completedefault)
                return [str(each) for each in complete(text, line, begin, end)]
            return [str(each) for each in debugger.completenames(text, line, begin, end)]
        except Exception:
            return []


def _class():
    """Return the class of debuggers, with our terminal and without our frames."""
    base: Any = pdb.Pdb
    if pdb_class:
        module, _, name = pdb_class.partition(":")
        try:
            base = __import__(module, None, None, ["*"])
            for part in name.split("."):
                base = getattr(base, part)
        except Exception as exc:
            sys.stderr.write("--pdbcls: %s cannot be imported: %r\n" % (pdb_class, exc))
            base = pdb.Pdb

    class PeerDebugger(base):  # type: ignore[misc]
        def __init__(self, header=None):
            session = self.session = Session()
            super().__init__(stdin=session, stdout=session)
            session.debugger = self
            self.use_rawinput = False
            self.nosigint = True
            self.prompt = "(Pdb %s) " % runtime.runtime.name
            self.skip: Any = {*(self.skip or ()), _PACKAGE + ".*"}
            self._header = header
            self.kept = 0  # the number of the exception, post mortem
            self._first: Any = None
            self._quits = False

        def interaction(self, frame, *rest):
            where = _where(frame, *rest)
            self.session.open(where, self._header, self.kept)
            self._header = None
            super().interaction(frame, *rest)
            goes_on = self.stopframe is self.botframe and self.stoplineno == -1
            if frame is None:  # post mortem, where pytest takes the end of file for `q`
                self.session.leave(bool(self.quitting))
            elif self.quitting or goes_on:
                self.session.leave(self._quits)
            else:
                self.session.say("running")

        def setup(self, f, tb):
            result = super().setup(f, tb)
            self._first = self.stack[0][0] if self.stack else None
            return result

        def get_stack(self, f, t):
            stack, index = super().get_stack(f, t)
            first = _first_of([frame for frame, _ in stack])
            return stack[first:], max(0, index - first)

        def dispatch_return(self, frame, arg):
            try:
                return super().dispatch_return(frame, arg)
            finally:
                # Behind the peer's first frame there is nothing of the user's to step through.
                if frame is self._first and not _suspends(frame) and self.session.is_open:
                    self.set_continue()
                    self.session.leave()

        def do_quit(self, arg):
            self._quits = True
            return super().do_quit(arg)

        do_q = do_exit = do_quit

        def do_interact(self, arg):
            # It reads from `sys.stdin`.
            streams = sys.stdin, sys.stdout, sys.stderr
            sys.stdin = sys.stdout = sys.stderr = self.session
            try:
                return super().do_interact(arg)
            finally:
                sys.stdin, sys.stdout, sys.stderr = streams

    return PeerDebugger


def enter(frame, header=None):
    """Stop at the next line of `frame`, on its thread."""
    debugger = _class()(header)
    debugger.set_trace(frame)  # nothing after it: it is traced from now on


def traced(fn, args, kwargs):
    """Call a function, and stop at the first line that it runs."""
    debugger = _class()()
    value = debugger.runcall(fn, *args, **kwargs)
    return _traced(value) if type(value) is types.CoroutineType else value


async def _traced(coroutine):
    debugger = _class()()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    return await coroutine


def _stop():
    """Stop the call that runs on the main thread, at its next line."""
    global _wanted
    _wanted = True
    import ctypes

    if not _callbacks:
        _callbacks.append(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_callback))
    ctypes.pythonapi.Py_AddPendingCall(_callbacks[0], None)


def _callback(_):
    """Stop, on the main thread, between two steps of the code that it has interrupted."""
    global _wanted
    frame = sys._getframe(1)
    wanted, _wanted = _wanted, False
    runs, each = False, frame  # type: Any, Any
    while each is not None:
        runs = runs or (_is_ours(each) and each.f_code.co_name in call_warnings.RUNNERS)
        each = each.f_back
    if wanted and runs:
        enter(frame)
    return 0


def keep(exc):
    """Keep an exception with its frames; return its number. The oldest is dropped."""
    number = next(_numbers)
    _kept.append((number, exc))
    return number


def received(what, number, rest):
    """Take what the origin says; on the thread that reads the link, so nothing here waits."""
    global _wanted
    if what == "post mortem":
        _start(_post_mortem, number)
    elif what == "stop":
        _start(_stop)
    elif what == "stop no more":
        _wanted = False
    elif what == "forget":
        _kept.clear()
    elif number in _sessions:
        _sessions[number].answered(what, rest)


def _start(target, *args):
    try:
        _thread.start_new_thread(target, args)
    except RuntimeError:
        pass  # no more threads: the origin waits for no longer than its limit


def _post_mortem(number):
    exc = next((each for kept, each in list(_kept) if kept == number), None)
    debugger = _class()()
    debugger.reset()
    debugger.kept = number
    if exc is not None:
        debugger.interaction(None, exc if sys.version_info >= (3, 13) else exc.__traceback__)


def _interrupt(thread):
    """Raise KeyboardInterrupt in a thread."""
    if thread == _MAIN:
        import signal

        signal.pthread_kill(thread, signal.SIGINT)
    else:
        import ctypes

        set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
        set_exception(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


def _where(frame, *rest):
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


def _first_of(frames):
    """Return the place of the first frame that is the user's, of a stack that begins outermost."""
    runners = [
        place
        for place, frame in enumerate(frames)
        if _is_ours(frame) and frame.f_code.co_name in call_warnings.RUNNERS
    ]
    first = runners[-1] + 1 if runners else 0
    # What calls the user's code between: that loop, or `traced`.
    passed = (*_OF_LOOPS, bdb.__file__)
    while first < len(frames) and (
        _is_ours(frames[first]) or frames[first].f_code.co_filename.endswith(passed)
    ):
        first += 1
    return first if first < len(frames) else 0


def _suspends(frame):
    """Return whether a frame that returns only yields or awaits."""
    code = frame.f_code
    if not code.co_flags & 0x2A0:  # generators, coroutines, asynchronous generators
        return False
    name = opname[code.co_code[frame.f_lasti]]
    return "YIELD" in name or "SEND" in name
