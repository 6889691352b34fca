"""Runs calls on the main thread, and on threads of their own while it is busy.

So calls never wait for each other, and those that follow each other run on the main thread, as
signal handlers and GUI toolkits need it. An `EventLoop` runs coroutines.
"""

import atexit
import sys
import types
from time import monotonic, sleep

from ..core.locks import Lock
from ..link.protocol import codec, exceptions, messages
from ..link.protocol.unpatched import _thread, os, pickle, threading
from . import (
    assertions,
    breakpoints,
    call_warnings,
    coverage,
    failures,
    homes,
    soft_assertions,
)
from .coroutines import EventLoop
from .reader import LinkReader
from .runtime import guarded

_start = threading.Thread.start
#: What that needs of its module, where gevent and tests may replace it.
_NEEDED = "Condition Event Lock _allocate_lock _start_joinable_thread _start_new_thread get_ident"


def _start_thread(name, target, *args):
    """Start a thread. `threading` does not know it if the code under test has patched that."""
    now, before = vars(sys.modules["threading"]), vars(threading)
    changed = [now.get(each) for each in _NEEDED.split() if now.get(each) is not before.get(each)]
    # What debuggers start is a thread all the same.
    if all("pydev" in str(getattr(each, "__module__", "")) for each in changed):
        _start(threading.Thread(None, guarded, name, (target, *args), daemon=True))
    else:
        _thread.start_new_thread(*coverage.traced(target, args))


#: Seconds in which a function that fails does not fail because peers are being stopped.
_YOUNG = 0.05
_ENDLESS = float("inf")
_PAUSE = 0.001
#: Seconds that calls and failures have at the end, for each; they need milliseconds.
LAST_SECONDS = 1.0


class Dispatcher:
    """Runs calls, and sends their replies; for `read` see `LinkReader`."""

    def __init__(self, runtime, own_files, read, fd, receiver):
        self._runtime = runtime
        self._own_files = own_files
        self.reader = LinkReader(read, self._run_beside, fd, receiver)
        self.lock = Lock()
        self._running = 0
        self._finishing = False
        self._all_done = threading.Condition(self.lock)
        self.event_loop = EventLoop(self)
        self._pid = os.getpid()
        self._young = {}  # until when `wait_begun` waits for a call, by its number
        #: On which thread a call runs that is no coroutine, and its number in the kernel.
        self.threads = {}
        self._main = _thread.get_ident(), self._pid

    @property
    def root(self):
        """The process below which all is that the peer has started."""
        return self._runtime.root

    def accept(self, job):
        """Add a call; on the thread that reads the link, so it neither waits nor raises."""
        with self.lock:
            self._running += 1
        self.reader.arrived.append(job)

    def main_loop(self):
        """Run calls until `end`, and its argument then; on the main thread."""
        while True:
            job = self.reader.next()
            if callable(job):
                job()
                return
            self._run(job, True)
            del job  # or its arguments would live until the next call

    def run_arrived(self):
        self._run(self.reader.arrived.popleft(), True)

    def wait_all_done(self):
        with self.lock:
            self._finishing = True
            while self._running:
                self._all_done.wait()

    def _run_beside(self, job):
        try:
            _start_thread("peer-call-%d" % job[1], self._run, job, False)
        except RuntimeError:
            return False
        return True

    def _run(self, job, on_main):
        kind, ident, payload = job
        del job  # arguments live no longer than their call
        coroutine = None
        self._young[ident] = _ENDLESS
        self.threads[ident] = self._main if on_main else _own_thread()
        if kind == messages.CALL:
            call_warnings.begin(ident)
        try:
            try:
                fn, args, kwargs = codec.loads(payload)
                if isinstance(fn, str):
                    fn = codec.resolved(fn)
            except BaseException as exc:
                self.end_if_forked(exc, on_main)
                # A module may skip its tests when it is imported, by pytest or unittest.
                if type(exc).__name__ in homes.SKIPS:
                    raise
                text = "the call cannot be rebuilt in the peer: %s: %s%s"
                why = type(exc).__name__, exc, homes.advice(exc)
                raise codec.CannotDecode(text % why) from exc
            del payload
            assertions.watch()  # the call may have imported pytest
            soft_assertions.watch()
            self.begun(ident)
            value = fn(*args, **kwargs)
            self.end_if_forked(None, on_main)
            del fn, args, kwargs
            reply, data = messages.RESULT, b""
            if type(value) is types.CoroutineType:
                self._young[ident] = _ENDLESS
                del self.threads[ident]  # what the coroutine does is not this thread's
                self.event_loop.prepare(_start_thread)
                self.begun(ident)  # the loop may be blocked
                coroutine = value
            elif kind != messages.CAST:
                data = self.packed(value, ident)
            del value
        except BaseException as exc:
            self.end_if_forked(exc, on_main)
            if failures.ending:
                return
            reply, data = self.described(exc, ident)
        else:
            if coroutine is not None:
                self.event_loop.run(kind, ident, coroutine, on_main)
                return
        self.reply(kind, ident, reply, data, on_main)

    def wait_begun(self):
        """Wait a moment for calls that have only begun, or have failed: it is to be reported."""
        for _ in range(int(LAST_SECONDS / _PAUSE)):  # by no clock, which a test may have stopped
            if all(until < monotonic() for until in list(self._young.values())):
                break
            sleep(_PAUSE)

    def end_if_forked(self, exc, on_main):
        """End a child that the call has forked, as an interpreter whose program has ended so."""
        if os.getpid() == self._pid:
            return
        if not isinstance(exc, SystemExit):
            if exc is not None:
                tb = exc.__traceback__.tb_next  # without this module's frame
                sys.excepthook(type(exc), exc.with_traceback(tb), tb)
            exc = SystemExit(int(exc is not None))
        if on_main:
            raise exc  # to the interpreter
        status = 0 if exc.code is None else exc.code
        if not isinstance(status, int):
            sys.stderr.write("%s\n" % (status,))
            status = 1
        end(threading._shutdown, status & 0xFF)  # type: ignore[attr-defined]

    def described(self, exc, ident):
        brief, self._young[ident] = self._young[ident] > monotonic(), _ENDLESS
        call_warnings.end()  # what a module without a loader makes Python 3.15 warn of is no news
        try:
            description = exceptions.describe(
                exc, self._runtime.refusal(ident), self._own_files, self._runtime.locals
            )
        except BaseException as failed:
            text = "%s, and describing it failed: %r" % (type(exc).__qualname__, failed)
            description = {"type": type(exc).__qualname__, "repr": text, "text": text, "frames": []}
        else:
            description["notes"] += homes.notes(exc)
        if isinstance(exc, codec.CannotEncode):
            text = str(exc) if str(exc).startswith("the ") else "the result %s" % exc
            description["special"] = ("EncodeError", text)
        elif isinstance(exc, codec.CannotDecode):
            description["special"] = ("DecodeError", str(exc))
        if self._runtime.keeps_frames:
            description["kept"] = breakpoints.keep(exc)
        description["brief"] = brief
        description["coroutine"] = self.event_loop.has(ident)
        return messages.EXCEPTION, pickle.dumps(description, codec.PROTOCOL)

    def reply(self, kind, ident, reply, data, on_main):
        """Send the reply of a call, which ends with that."""
        self._runtime.callers.pop(ident, None)
        self.event_loop.cancelled.discard(ident)
        self.threads.pop(ident, None)
        call_warnings.end()
        attempt(soft_assertions.collect)
        flush()
        if call_warnings.recorded:
            call_warnings.send(self._runtime, ident)
        if kind == messages.CAST:
            if reply == messages.EXCEPTION:
                description = pickle.loads(data)
                if exceptions.unhandled(description):
                    failures.report("in a cast", description["text"], not description["brief"])
                try:
                    sys.stderr.write("exception in a cast:\n%s" % description["text"])
                    sys.stderr.flush()
                except Exception:  # the user may have replaced or closed it
                    pass
            self._end_call(on_main)
            del self._young[ident]
            return
        try:
            if all(type(part) is bytes for _, part in getattr(data, "segments", ())):
                self._end_call(on_main)
                self._runtime.enqueue(reply, ident, data)
                return
            # The buffers are those of the peer's own objects, which the next call may change. So
            # this call ends when they have been sent.
            sent = threading.Lock()
            sent.acquire()

            def copied():
                self._end_call(on_main)
                sent.release()

            self._runtime.enqueue(reply, ident, data, on_copy=copied)
            sent.acquire()
        except OSError:
            pass  # the link is gone, and this process with it
        finally:
            del self._young[ident]

    def packed(self, value, ident):
        return codec.pack(value, self._runtime.refusal(ident), codec.big_buffers((value,)))

    def _end_call(self, on_main):
        if on_main:
            self.reader.free()
        with self.lock:
            self._running -= 1
            if self._finishing and not self._running:
                self._all_done.notify_all()

    def has_begun(self, ident):
        """Return whether the code of the user's has begun, and has not failed."""
        return self._young.get(ident, _ENDLESS) != _ENDLESS

    def begun(self, ident):
        """Note that the code of the user's has begun."""
        self._young[ident] = monotonic() + _YOUNG


def _own_thread():
    return _thread.get_ident(), _thread.get_native_id()


def flush():
    """Write out what a call printed; before its reply."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def attempt(*steps):
    """Call all `steps`, in order. What one raises is shown, and does not stop the others."""
    for step in steps:
        try:
            step()
        except BaseException:
            sys.excepthook(*sys.exc_info())


def end(before, status, *after):
    """Call all these and the atexit callbacks, and exit without a wait for threads and calls."""
    attempt(flush, before, atexit._run_exitfuncs, flush, *after)
    os._exit(status)
