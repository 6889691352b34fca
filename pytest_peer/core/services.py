"""Functions that must not end while others wait: the blocks of `Peer.running`.

Who waits looks here, so that the end of a service is raised at once, and not found out by a limit.
Also served to peers, where nothing registers any.
"""

from __future__ import annotations

from collections.abc import Callable


class Services:
    """Those of which certain waits depend.

    Each is a function that returns what these waits raise, or ``None`` while it goes on. It may
    decode, so it is called by who waits.
    """

    def __init__(self) -> None:
        self._services: list[Callable[[], BaseException | None]] = []

    def add(self, service: Callable[[], BaseException | None]) -> None:
        """Have waits that begin from now on, and those that are woken, end with `service`."""
        self._services.append(service)

    def discard(self, service: Callable[[], BaseException | None]) -> None:
        """Take an `add` back; does nothing without one."""
        if service in self._services:
            self._services.remove(service)

    def failure(self) -> BaseException | None:
        """Return what a wait has to raise, if one has ended; for what is called again and again."""
        for service in tuple(self._services):
            failure = service()
            if failure is not None:
                return failure
        return None


#: Of all peers of this process: for waits that know of no peer.
everywhere: Services = Services()
