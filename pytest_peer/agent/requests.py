"""Requests of the peer to the origin, and the wait for the response."""

import _thread
import os
import threading
from typing import Any

from ..link.protocol import codec, messages

#: The origin needs milliseconds.
_SECONDS = 60.0


class NoResponse(ImportError):
    """The origin did not respond. An import error, because the requests are for modules."""


class RequestSender:
    """Sends requests, on any thread but the one that reads the link.

    :param reader: the `LinkReader`, which must read while the main thread waits.
    """

    def __init__(self, runtime, reader):
        self._runtime = runtime
        self._reader = reader
        self._waiting = {}
        self._pid = os.getpid()

    def ask(self, what, *args):
        """Return the origin's response.

        :raises NoResponse: there is none.
        """
        if os.getpid() != self._pid or self._runtime.enqueue is None:
            raise NoResponse(
                "a forked child of a peer cannot ask the origin for %s %s" % (what, args[0])
            )
        over = _thread.allocate_lock()
        over.acquire()
        slot: list[Any] = [over, None]  # the response comes into the second place
        ident = next(self._runtime.ids)
        self._waiting[ident] = slot
        try:
            self._runtime.enqueue(
                messages.REQUEST, ident, codec.dumps((what, args), self._runtime.by_value)
            )
            on_main = threading.get_ident() == threading.main_thread().ident
            if on_main and not self._reader.hand_over():
                raise NoResponse("there is no thread that could read the response")
            if not over.acquire(True, _SECONDS):
                raise NoResponse(
                    "the origin has not sent %s %s within %d s" % (what, args[0], _SECONDS)
                )
        except OSError as exc:
            raise NoResponse("the link is gone") from exc
        finally:
            self._waiting.pop(ident, None)
        return codec.loads(slot[1])

    def received(self, ident, payload):
        """Take a response; on the thread that reads the link."""
        slot = self._waiting.get(ident)
        if slot is not None:
            slot[1] = payload
            slot[0].release()
