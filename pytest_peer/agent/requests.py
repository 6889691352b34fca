"""Questions of the peer to the origin, and the wait for the answer."""

from __future__ import annotations

import _thread
import os
import threading

from ..link.protocol import codec
from ..link.protocol import messages

#: What is asked for takes the origin milliseconds.
_SECONDS = 60.0


class Unanswered(ImportError):
    """The origin did not answer. An import error, because modules are what is asked for."""


class RequestSender:
    """Asks; on any thread but the one that reads the link.

    :param reading: has the link read while the main thread waits.
    """

    def __init__(self, runtime, reading):
        self._runtime = runtime
        self._reading = reading
        self._waiting = {}
        self._pid = os.getpid()

    def ask(self, what, *args):
        """The origin's answer to this.

        :raises Unanswered: there is none.
        """
        if os.getpid() != self._pid or self._runtime.post is None:
            raise Unanswered(
                "a forked child of a peer cannot ask the origin for %s %s" % (what, args[0])
            )
        over = _thread.allocate_lock()
        over.acquire()
        slot = [over, None]
        ident = next(self._runtime.ids)
        self._waiting[ident] = slot
        try:
            self._runtime.post(
                messages.REQUEST, ident, codec.dumps((what, args), self._runtime.by_value)
            )
            on_main = threading.get_ident() == threading.main_thread().ident
            if on_main and not self._reading.hand_over():
                raise Unanswered("there is no thread that could read the answer")
            if not over.acquire(True, _SECONDS):
                raise Unanswered(
                    "the origin has not told of %s %s in %d s" % (what, args[0], _SECONDS)
                )
        except OSError as exc:
            raise Unanswered("the link is gone") from exc
        finally:
            self._waiting.pop(ident, None)
        return codec.loads(slot[1])

    def answered(self, ident, payload):
        """Called by who reads the link."""
        slot = self._waiting.get(ident)
        if slot is not None:
            slot[1] = payload
            slot[0].release()
