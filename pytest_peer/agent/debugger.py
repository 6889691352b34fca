"""Runs pdb in the peer; its terminal is the origin's, by messages of the kind DEBUG.

A session is one debugger on one thread, from the first prompt until the code goes on freely. What
the session says: ``stopped``, ``text``, ``prompt``, ``running`` (until the next stop), ``left``. The
origin answers a prompt by ``line``, or asks ``complete`` before.
"""

import itertools
import pdb
import sys
import types
from collections import deque
from typing import Any

from ..link.protocol import messages
from ..link.protocol.unpatched import _thread, marshal, os, queue, threading
from . import breakpoints, runtime, stack_places

_PACKAGE = __package__.partition(".")[0]
#: Failures whose frames are kept for ``--pdb``.
_KEPT = 4
MAIN: Any = threading.main_thread().ident

#: ``"module:class"`` of ``--pdbcls``; empty for pdb's own.
pdb_class = ""
_sessions = {}
_numbers = itertools.count(1)
_kept: Any = deque(maxlen=_KEPT)


def say(what, number, *rest):
    """Tell the origin."""
    peer = runtime.runtime
    try:
        data = marshal.dumps((what, number, *rest), 2)
        peer.enqueue(messages.DEBUG, next(peer.ids), data, True)
    except OSError:
        pass  # the link is gone, and this process with it


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

    def open(self, where, header, kept, asked):
        """Begin, or go on."""
        self._thread = _thread.get_ident()
        if self.is_open:
            self.say("at", where)
        else:
            self.is_open = True
            _sessions[self.number] = self
            self.say("stopped", runtime.runtime.name, where, header or "", kept, asked)

    def leave(self, quits=False):
        if self.is_open:
            self.is_open = False
            _sessions.pop(self.number, None)
            self._tell_partial()
            self.say("left", quits)

    def say(self, what, *rest):
        if self._thread == MAIN:
            runtime.runtime.reader.hand_over()  # this thread waits, and another one has to read
        say(what, self.number, *rest)

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
        def __init__(self, header=None, asked=0):
            session = self.session = Session()
            super().__init__(stdin=session, stdout=session)
            session.debugger = self
            self.use_rawinput = False
            self.nosigint = True
            self.prompt = "(Pdb %s) " % runtime.runtime.name
            self.skip: Any = {*(self.skip or ()), _PACKAGE + ".*"}
            self._header = header
            self._asked = asked  # the number of the origin's request to stop
            self.kept = 0  # the number of the exception, post mortem
            self._first: Any = None
            self._quits = False
            self._passes = frozenset()  # until the first prompt
            self._stack = []  # at that, where it is of a coroutine that waits

        def pass_loops(self, stack=()):
            """Stop first in code of the user's, and not in an event loop."""
            names = stack_places.LOOP_MODULES
            self._passes = {*names, *("%s.*" % name for name in names)} - self.skip
            self.skip |= self._passes
            self._stack = list(stack)

        def interaction(self, frame, *rest):
            where = stack_places.where(frame, *rest)
            self.session.open(where, self._header, self.kept, self._asked)
            self._header = None
            self.skip -= self._passes
            self._passes = frozenset()
            super().interaction(frame, *rest)
            self._stack = []
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
            if self._stack:
                return self._stack, len(self._stack) - 1
            stack, index = super().get_stack(f, t)
            first = stack_places.first_of([frame for frame, _ in stack])
            return stack[first:], max(0, index - first)

        def user_call(self, frame, argument_list):
            if not self._passes:  # else a coroutine goes on, and what it awaits is not yet there
                super().user_call(frame, argument_list)

        def dispatch_return(self, frame, arg):
            try:
                return super().dispatch_return(frame, arg)
            finally:
                # Behind the peer's first frame there is nothing of the user's to step through.
                if (
                    frame is self._first
                    and not stack_places.suspends(frame)
                    and self.session.is_open
                ):
                    self.set_continue()
                    self.session.leave()

        def step_on(self, frame):
            """Trace `frame` from now on, after a prompt elsewhere; stop there, or at a breakpoint."""
            goes_on = not self.session.is_open
            self.pass_loops()
            self.set_trace(frame)
            if goes_on:  # no call of a function, which would be traced
                self.stopframe, self.stoplineno = self.botframe, -1

        def do_quit(self, arg):
            self._quits = True
            return super().do_quit(arg)

        do_q = do_exit = do_quit

        def do_EOF(self, arg):
            result = super().do_EOF(arg)
            self._quits = False  # from 3.14 on it is `q`; here it fails the test, as before
            return result

        def do_interact(self, arg):
            # It reads from `sys.stdin`.
            streams = sys.stdin, sys.stdout, sys.stderr
            sys.stdin = sys.stdout = sys.stderr = self.session
            try:
                return super().do_interact(arg)
            finally:
                sys.stdin, sys.stdout, sys.stderr = streams

    return PeerDebugger


def new(header, asked):
    """Return a debugger without a session yet."""
    return _class()(header, asked)


def enter(frame, header=None, asked=0):
    """Stop at the next line of `frame`, on its thread."""
    debugger = new(header, asked)
    if asked:
        debugger.pass_loops()
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


def keep(exc):
    """Keep an exception with its frames; return a number that no other life has.

    The oldest is dropped.
    """
    number = int.from_bytes(os.urandom(7), "little")
    _kept.append((number, exc))
    return number


def received(what, number, rest):
    """Take what the origin says; on the thread that reads the link, so nothing here waits."""
    if what == "post mortem":
        _start(_post_mortem, number)
    elif what == "stop":
        _start(_stop_running, number)
    elif what == "forget":
        _kept.clear()
    elif number in _sessions:
        _sessions[number].answered(what, rest)


def _start(target, *args):
    try:
        _thread.start_new_thread(_run, (target, *args))
    except RuntimeError:
        pass  # no more threads: the origin waits for no longer than its limit


def _run(target, *args):
    try:
        target(*args)
    except BaseException:  # an interrupt that came late, or a class of ``--pdbcls``
        sys.excepthook(*sys.exc_info())


def _stop_running(number):
    breakpoints.module("stop_running").stop(number)


def _post_mortem(number):
    exc = next((each for kept, each in list(_kept) if kept == number), None)
    if exc is None:
        say("refused", number, "its frames are kept no more")
        return
    debugger = _class()()
    debugger.reset()
    debugger.kept = number
    debugger.interaction(None, exc if sys.version_info >= (3, 13) else exc.__traceback__)


def _interrupt(thread):
    """Raise KeyboardInterrupt in a thread."""
    if thread == MAIN:
        import signal

        signal.pthread_kill(thread, signal.SIGINT)
    else:
        raise_in(thread, KeyboardInterrupt)


def raise_in(thread, exception):
    """Raise an exception in a thread, at its next step of Python code."""
    import ctypes

    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception(ctypes.c_ulong(thread), ctypes.py_object(exception))
