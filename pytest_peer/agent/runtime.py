"""What the parts of the agent share: names, requests to the origin, and what `here` shows."""

import itertools
import sys
import types
from typing import Any

from ..link.protocol import codec, messages
from ..link.protocol.mailbox import Mailbox, Mailboxes
from ..link.protocol.unpatched import _thread, os, queue, threading

_SECONDS = 60.0  # the origin needs milliseconds to respond


class NoResponse(ImportError):
    """The origin did not respond. Nearly all requests are for modules."""


class Runtime:
    def __init__(self, name, by_value, locals):
        self.name = name
        self.by_value = by_value
        self.locals = locals
        self.ids = itertools.count(1)
        self.mailboxes = Mailboxes(lambda name, boxes: Mailbox(name, _rebuilt, boxes))
        self.origin = types.SimpleNamespace(send=self._send)  # of `here`
        self.enqueue: Any = None  # set when the link is up
        self.reader: Any = None  # the `LinkReader`, which must read while the main thread waits
        self._waiting = {}
        self.pid = os.getpid()

    def _send(self, mailbox, message):
        """Put `message` into the origin's mailbox of that name."""
        try:
            packed = codec.pack(message, self.by_value, codec.big_buffers((message,)))
        except codec.CannotEncode as exc:
            error = public("EncodeError", codec.CannotEncode)
            raise error("the message %s" % exc) from exc.__cause__
        data = messages.with_mailbox(mailbox, messages.snapshot(packed))
        self.enqueue(messages.MESSAGE, next(self.ids), data, True)

    def ask(self, what, *args):
        """Return the origin's response or raise `NoResponse`; not on the thread that reads."""
        if os.getpid() != self.pid or self.enqueue is None:
            text = "a forked child of a peer cannot ask the origin for %s %s"
            raise NoResponse(text % (what, args[0]))
        response: Any = queue.SimpleQueue()
        ident = next(self.ids)
        self._waiting[ident] = response
        try:
            self.enqueue(messages.REQUEST, ident, codec.dumps((what, args), self.by_value))
            on_main = threading.get_ident() == threading.main_thread().ident
            if on_main and not self.reader.hand_over():
                raise NoResponse("there is no thread that could read the response")
            payload = response.get(True, _SECONDS)
        except queue.Empty:
            text = "the origin has not sent %s %s within %d s"
            raise NoResponse(text % (what, args[0], _SECONDS)) from None
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


def guarded(target, *args):
    """Run a thread of the agent. What it raises ends the peer, which could not go on without."""
    try:
        target(*args)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def public(name, otherwise):
    """Return our public error of that name, or `otherwise` if this package cannot be imported."""
    try:
        from pytest_peer.core import errors
    except ImportError:
        return otherwise
    return getattr(errors, name)


def _rebuilt(payload):
    try:
        return codec.loads(payload)
    except Exception as exc:
        text = "the message cannot be rebuilt in the peer: %s: %s" % (type(exc).__name__, exc)
        raise public("DecodeError", codec.CannotDecode)(text) from exc


#: Set by `main` before code of the user's runs.
runtime: Any = None

_start: Any = _thread.start_new_thread
setattr(_thread, "start_new_thread", lambda fn, args: _start(guarded, (fn, *args)))  # noqa: B010
