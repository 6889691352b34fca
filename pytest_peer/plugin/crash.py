"""``peer_down="crash"``: a test whose peer crashed fails at once, also when it is blocked."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from ..core.errors import PeerDown

if TYPE_CHECKING:
    from ..peers.supervisor import Supervisor

__tracebackhide__ = True

#: Ignored by default (signal(7)): one that comes too late, when our handler is gone, does no harm.
_SIGNAL = signal.SIGURG


@contextlib.contextmanager
def failing_at_once(supervisors: Sequence[Supervisor]) -> Iterator[None]:
    """While the body of a test runs: a crash raises `PeerDown` in the main thread, out of a sleep, a lock or a socket.

    A signal's handler is the only way into a blocked main thread; where the test runs in another one, where something in C
    does not return for a signal, or where something catches what is raised, the test fails when its body ends.
    """
    from ..peers.supervisor import Supervisor

    raised: list[PeerDown] = []
    main = threading.main_thread()
    if threading.current_thread() is not main:
        yield
        return

    def raise_crashes(_: int, __: FrameType | None) -> None:
        for supervisor in list(supervisors):
            try:
                supervisor.raise_crashes()
            except PeerDown as exc:
                raised.append(exc)
                raise

    def interrupt() -> None:
        assert main.ident is not None
        signal.pthread_kill(main.ident, _SIGNAL)

    previous = (
        signal.signal(_SIGNAL, raise_crashes),
        Supervisor.on_crash,
    )  # of a test that runs pytest
    Supervisor.on_crash = interrupt
    try:
        yield
    finally:
        signal.signal(_SIGNAL, previous[0])
        Supervisor.on_crash = previous[1]
    # Something has caught it, a loop that tries again or an event loop, and the test would pass.
    if raised:
        raise raised[0]
