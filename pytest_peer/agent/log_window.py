"""Sends log records, only so many at once: a flood of them delays nothing else on the link.

When the origin has not handled so many, a thread that logs waits for it, as it would for a slow
handler. If that takes too long, records are dropped, and counted.
"""

from ..core.clock import monotonic
from ..core.locks import Lock
from ..core.sync import Event
from ..link.protocol import children, messages
from . import runtime

#: With so many bytes that were sent and are not handled yet there is room for no record, and with
#: fewer for any. A call that is made meanwhile waits for them, so it is some hundred records. The
#: origin says what it has handled in smaller steps.
_MOST = 1 << 17
#: How long a thread waits, and a forked child for its parent.
_SECONDS = 2.0


class LogWindow:
    """Of one peer, which sends; the thread that reads the link says what was handled."""

    def __init__(self):
        self._lock = Lock()
        self._sent = 0  # bytes, with the lock
        self._handled = 0  # by the reader only, which must not wait for the lock
        self._room = Event()  # only its `wake` happens
        self._dropping = False
        self._dropped = 0

    def handled(self, count):
        """Take note that so many bytes were handled; on the thread that reads."""
        self._handled += count
        self._dropping = False
        self._room.wake()

    def send(self, data):
        """Send a packed record, or drop and count it; return whether there is a link."""
        while not self._took(len(data)):
            if self._dropping or not self._room.wait_for(self._has_room, _SECONDS):
                return self._drop()
        if self._dropped:
            with self._lock:
                count, self._dropped = self._dropped, 0
            if count and not self._enqueued(_note("%d records of this peer were dropped" % count)):
                return False
        return self._enqueued(data)

    def _has_room(self):
        return self._sent - self._handled < _MOST

    def _took(self, size):
        with self._lock:
            took = self._has_room()
            self._sent += size if took else 0
            return took

    def _drop(self):
        with self._lock:
            self._dropped += 1
            known, self._dropping = self._dropping, True
        if known:
            return True
        text = "records of this peer are dropped: the test has handled none for %g s"
        return self._enqueued(_note(text % _SECONDS))

    def _enqueued(self, data):
        try:
            runtime.runtime.enqueue(messages.RECORD, 0, data)
        except (OSError, RuntimeError):  # the link is gone; or there are no more threads
            return False
        return True


class ChildLink:
    """The way of a forked child to the peer, which sends its records."""

    def __init__(self):
        self._again = 0.0  # when to try it again
        self._lost = 0

    def send(self, data):
        """Have a packed record sent; return whether it was."""
        if monotonic() >= self._again:
            try:
                if self._lost:
                    lost = "%d records of this process were lost: its peer did not take them"
                    self._ask(_note(lost % self._lost))
                    self._lost = 0
                self._ask(data)
                return True
            except OSError:  # the peer is gone, or stopped; or no Linux
                self._again = monotonic() + _SECONDS
        self._lost += 1
        return False

    def _ask(self, data):
        children.ask(runtime.runtime.root, messages.RECORD, data, _SECONDS)


def _note(text):
    from . import log_records  # not at the top: a peer without `logging` may send for its children

    return log_records.note(text)


def heard(handled, _):
    """Take note of what the origin has handled; on the thread that reads the link."""
    if handled:
        window.handled(handled)


window = LogWindow()
child_link = ChildLink()
