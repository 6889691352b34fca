"""Runs calls: the first on the main thread, those that come while it is busy for long on threads of their own, coroutines on a loop.

So calls never wait for each other, and calls made one after the other all run on the main thread, which signal handlers,
sqlite3 connections and GUI toolkits insist on.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import types

from ..link.protocol import codec
from ..link.protocol import exceptions
from ..link.protocol import messages
from ..link.protocol.messages import MultipartMessage
from ..link.protocol.messages import snapshot
from . import assertions
from . import call_warnings
from .reader import Reading

#: What a module raises on its import to say that it is not for here: pytest's and unittest's.
_SKIPS = ("Skipped", "SkipTest")


class Dispatcher:
    """`accept` is called by who reads the link and must neither wait nor raise.

    :param read: reads the link once, and waits for that.
    """

    def __init__(self, runtime, own_files, read):
        self._runtime = runtime
        self._own_files = own_files
        #: Who reads the link.
        self.reading = Reading(read, self._run_beside)
        self._explains = False
        self._lock = threading.Lock()
        self._running = 0
        self._finishing = False
        self._all_done = threading.Condition(self._lock)
        self._loop = None
        self._tasks = set()

    def accept(self, job):
        with self._lock:
            self._running += 1
        self.reading.arrived(job)

    def main_loop(self):
        """Run jobs until `end`; on the main thread."""
        while True:
            job = self.reading.next()
            if callable(job):
                return job
            self._run(job, True)
            del job  # or what the call was given would live until the next comes

    def run_arrived(self):
        """Run the call that has arrived, without the main loop."""
        self._run(self.reading.take(), True)

    def end(self, finish):
        """Make the main thread leave its loop and call `finish`; return whether it is free to do so now."""
        return self.reading.end(finish)

    def retire(self):
        """Called by who reads the link: the main thread must not wait for the link any more."""
        self.reading.retire()

    def main_busy(self):
        """Whether the main thread is in a call."""
        return self.reading.busy

    def wait_all_done(self):
        """Wait until no call runs any more."""
        with self._lock:
            self._finishing = True
            while self._running:
                self._all_done.wait()

    def _run_beside(self, job):
        try:
            threading.Thread(
                target=self._run, args=(job, False), name="peer-call-%d" % job[1], daemon=True
            ).start()
        except RuntimeError:
            return False
        return True

    def _run(self, job, on_main):
        kind, ident, payload = job
        del job  # what the call was given lives no longer than the call
        try:
            try:
                fn, args, kwargs = codec.loads(payload)
                if isinstance(fn, str):
                    fn = codec.resolved(fn)
            except BaseException as exc:
                if type(exc).__name__ in _SKIPS:
                    raise
                raise codec.CannotDecode(
                    "the call cannot be rebuilt in the peer: %s: %s" % (type(exc).__name__, exc)
                ) from exc
            del payload
            if not self._explains:  # the call may have imported pytest
                self._explains = assertions.watch()
            value = fn(*args, **kwargs)
            del fn, args, kwargs
            if type(value) is types.CoroutineType:
                self._start_task(kind, ident, value, on_main)
                return
            reply = messages.RESULT
            data = b"" if kind == messages.CAST else self._packed(value)
            del value
        except BaseException as exc:
            reply, data = self._raised(exc)
        self._reply(kind, ident, reply, data, on_main)

    def _raised(self, exc):
        try:
            description = exceptions.Describer(
                self._runtime.by_value, self._own_files, self._runtime.locals
            ).describe(exc)
        except BaseException as failed:
            text = "%s, and describing it failed: %r" % (type(exc).__qualname__, failed)
            description = {"type": type(exc).__qualname__, "repr": text, "text": text, "frames": []}
        if isinstance(exc, codec.CannotEncode):
            description["special"] = (
                "EncodeError",
                str(exc) if str(exc).startswith("the ") else "the result %s" % exc,
            )
        elif isinstance(exc, codec.CannotDecode):
            description["special"] = ("DecodeError", str(exc))
        return messages.EXCEPTION, pickle.dumps(description, codec.PROTOCOL)

    def _reply(self, kind, ident, reply, data, on_main):
        flush()
        if call_warnings.recorded:
            call_warnings.tell(self._runtime, ident)
        if kind == messages.CAST:
            if reply == messages.EXCEPTION:
                complain("exception in a cast:\n%s" % pickle.loads(data)["text"])
            self._over(on_main)
            return
        over = functools.partial(self._over, on_main)
        try:
            if isinstance(data, MultipartMessage) and data.changeable():
                self._send_and_wait(reply, ident, data, over)
            else:
                over()
                self._runtime.enqueue(reply, ident, data)
        except OSError:
            pass  # the link is gone, and this process with it

    def _send_and_wait(self, reply, ident, data, over):
        # Its buffers are those of the peer's own objects, which the next call may change: until they are sent, this one is not over.
        sent = threading.Lock()
        sent.acquire()

        def copied():
            over()
            sent.release()

        self._runtime.enqueue(reply, ident, data, on_copied=copied)
        sent.acquire()

    def _packed(self, value):
        return codec.pack(value, self._runtime.by_value, codec.big_buffers((value,)))

    def _over(self, on_main):
        if on_main:
            self.reading.free()
        with self._lock:
            self._running -= 1
            if self._finishing and not self._running:
                self._all_done.notify_all()

    def _start_task(self, kind, ident, coroutine, on_main):
        import asyncio

        with self._lock:
            self._running += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._run_loop, args=(asyncio,), name="peer-event-loop", daemon=True
                ).start()
        self._over(on_main)  # before its reply
        self._loop.call_soon_threadsafe(self._create_task, kind, ident, coroutine)

    def _run_loop(self, asyncio):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _create_task(self, kind, ident, coroutine):
        task = self._loop.create_task(self._drive(kind, ident, coroutine))
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _drive(self, kind, ident, coroutine):
        live = call_warnings.follow(ident) if kind == messages.CALL else []
        try:
            value = await coroutine
            reply = messages.RESULT
            # The loop has other things to do than to wait until it is sent.
            data = b"" if kind == messages.CAST else snapshot(self._packed(value))
        except BaseException as exc:
            reply, data = self._raised(exc)
        live.clear()
        self._reply(kind, ident, reply, data, False)


def complain(text):
    """Write to the peer's stderr, if it has one."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:  # the user may have replaced or closed it
        pass


def flush():
    """What a call printed has left this process before its reply does."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def stacks(own_files, main_busy):
    """Every thread's stack, without our own threads and frames."""
    import traceback  # not at the top: its import is a sixth of the boot

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        stack = traceback.extract_stack(frame)
        ours = [frame for frame in stack if frame.filename in own_files]
        calls = [
            index
            for index, frame in enumerate(stack)
            if frame in ours and frame.name in ("_run", "_drive")
        ]
        if ours and not calls:
            stack = []  # a thread of ours that is in no call
        if calls:
            # Ours too is what takes a call apart and sends its reply; but the first may import the user's modules.
            theirs = (i for i in range(calls[-1] + 1, len(stack)) if stack[i] not in ours)
            stack = stack[next(theirs, len(stack)) :]
        text = "".join(traceback.format_list(stack))
        if ident == threading.main_thread().ident and not text:
            text = (
                "  in a function written in C, called by a call\n"
                if main_busy
                else "  waits for a call\n"
            )
        if text:
            parts.append("Thread %s:\n%s" % (names.get(ident, ident), text))
    return "\n".join(parts)
