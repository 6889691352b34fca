"""What has to be done some time, and not any more when its owner has ended."""

from __future__ import annotations

from .loop import Callback
from .loop import Timer
from .loop import watcher


class Timers:
    """Timers with a common end: none of them is left, or added, after `close`.

    No lock: callbacks of the watcher, which holds its own, add timers too. Whichever of `close` and `call_later` comes second
    sees what the first has done.
    """

    def __init__(self) -> None:
        self._timers: list[Timer] = []
        self._closed = False

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """As `EventLoop.call_later`."""
        timer = watcher.call_later(seconds, callback)
        self._timers.append(timer)
        if self._closed:
            watcher.cancel(timer)
        return timer

    def close(self) -> None:
        """Cancel all."""
        self._closed = True
        watcher.cancel(*self._timers)
