"""What the parts of the agent share: names, requests to the origin, and what `here` shows."""

import sys
from typing import Any

from ..core.waiting import Waiting
from ..link.protocol import codec, messages
from ..link.protocol.here import Here
from ..link.protocol.sender import WouldWait
from ..link.protocol.unpatched import _thread, marshal, os, queue, threading

_SECONDS = 60.0  # the origin needs milliseconds to respond
_FINALIZER = "a finalizer asks for %s %s on the thread that would send that or read the response"


class NoResponse(ImportError):
    """The origin did not respond. Nearly all requests are for modules."""


class Runtime(Here):
    def __init__(self, name, by_value, call_timeout, locals, levels):
        super().__init__(os.getpid(), name, by_value, call_timeout)
        self.locals = locals
        #: Of loggers, by name: what the origin has set after this peer; of `None`, what it disables.
        self.levels = levels
        self.level_changes = 0
        self.keeps_frames = False  # of failures, for ``--pdb``
        self.event_loop: Any = None
        self.runs_coroutine: Any = None  # tells it of the number of a call
        self.reader: Any = None  # the `LinkReader`, which must read while the main thread waits
        self._waiting = {}
        self.make_exchange: Any = None
        self._exchange: Any = None
        #: The Python that gets the result of a call, by its number, if it is not the origin's.
        self.callers = {}

    @property
    def exchange(self):
        """Return what has the requests to siblings and barriers."""
        if self._exchange is None:
            self._exchange = self.make_exchange(self)
        return self._exchange

    def report(self):
        """Report the failures of calls to siblings that nobody has asked for; at the end."""
        if self._exchange is not None:
            self._exchange.report_all()

    def asking(self):
        return self.exchange if os.getpid() == self.pid else super().asking()

    def refusal(self, ident):
        """Return why the call with that number cannot return code by value."""
        caller = self.callers.get(ident)
        return self.by_value if caller is None else codec.code_refusal(codec.PYTHON, caller)

    def ask(self, what, *args):
        """Return the origin's response or raise `NoResponse`."""
        if os.getpid() != self.pid or self.enqueue is None:
            text = "a forked child of a peer cannot ask the origin for %s %s"
            raise NoResponse(text % (what, args[0]))
        if self.reader.stands_by_here():
            raise NoResponse(_FINALIZER % (what, args[0]))
        response: Any = queue.SimpleQueue()
        ident = next(self.ids)
        self._waiting[ident] = response
        try:
            request = codec.dumps((what, args), self.by_value)
            self.enqueue(messages.REQUEST, ident, request, awaited=True)
            on_main = threading.get_ident() == threading.main_thread().ident
            if on_main and not self.reader.hand_over():
                raise NoResponse("there is no thread that could read the response")
            with Waiting(""):
                payload = response.get(True, _SECONDS)
        except queue.Empty:
            text = "the origin has not sent %s %s within %d s"
            raise NoResponse(text % (what, args[0], _SECONDS)) from None
        except WouldWait:
            raise NoResponse(_FINALIZER % (what, args[0])) from None
        except OSError as exc:
            raise NoResponse("the link is gone") from exc
        finally:
            self._waiting.pop(ident, None)
        return codec.loads(payload)

    def responded(self, ident, payload):
        """Take a response; on the thread that reads the link."""
        response = self._waiting.get(ident)
        if response is not None:
            response.put(payload)

    def take_levels(self, payload):
        """Take new levels of loggers; on the thread that reads the link."""
        handled, levels = marshal.loads(payload)
        self.levels.update(levels)
        self.level_changes += 1
        for name in ("logs", "log_window"):  # if there has been a use for it
            module: Any = sys.modules.get("pytest_peer_agent.agent." + name)
            if module is not None:
                module.heard(handled, levels)


def guarded(target, *args):
    """Run a thread of the agent. What it raises ends the peer, which could not go on without."""
    try:
        target(*args)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


#: Set by `main` before code of the user's runs.
runtime: Any = None

_start: Any = _thread.start_new_thread
setattr(_thread, "start_new_thread", lambda fn, args: _start(guarded, (fn, *args)))  # noqa: B010
