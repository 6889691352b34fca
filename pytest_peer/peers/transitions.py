"""The phases of a peer's life, explained in `lifecycle`, and what follows from them."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.down_reason import ExitStatus, PeerState
from ..core.locks import Lock
from ..core.sync import Event


class Phase(enum.IntEnum):
    """A phase of one life of a peer, in the order in which they come."""

    NEW, STARTING, BOOTING, TIMED_OUT, RUNNING, ENDING, CONCLUDING, DOWN, RELEASED = range(9)


#: For each phase, those from which it may be entered.
SOURCES: dict[Phase, frozenset[Phase]] = {
    Phase.STARTING: frozenset({Phase.NEW}),
    Phase.BOOTING: frozenset({Phase.STARTING}),
    Phase.TIMED_OUT: frozenset({Phase.BOOTING}),
    Phase.RUNNING: frozenset({Phase.BOOTING}),
    Phase.ENDING: frozenset({Phase.BOOTING, Phase.TIMED_OUT, Phase.RUNNING}),
    Phase.CONCLUDING: frozenset({Phase.ENDING}),
    Phase.DOWN: frozenset({Phase.STARTING, Phase.CONCLUDING}),
    Phase.RELEASED: frozenset({Phase.DOWN}),
}


class Course:
    """The phase of one life: threads of ours enter the next, as `SOURCES` allows; any may wait."""

    def __init__(self) -> None:
        self.phase: Phase = Phase.NEW
        #: Whether the peer has run, or runs.
        self.booted: bool = False
        self._lock = Lock()
        self._changed = Event()

    @property
    def state(self) -> PeerState:
        """`Peer.state`; a peer that ends still is what it was before."""
        if self.phase >= Phase.DOWN:
            return PeerState.DOWN
        return PeerState.RUNNING if self.booted else PeerState.BOOTING

    def enter(self, phase: Phase) -> bool:
        """Enter a phase if the table allows that now; return whether it did."""
        with self._lock:
            if self.phase not in SOURCES[phase]:
                return False
            self.booted = self.booted or phase is Phase.RUNNING
            self.phase = phase
        self._changed.wake()
        return True

    def wait(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        """Wait so many seconds until `reached` is true, looked at after each change."""
        return self._changed.wait_for(reached, timeout)


@dataclass
class Requests:
    """What users have asked of a peer. Any thread sets these; no thread unsets them."""

    stop: bool = False  # by `Peer.stop`
    kill: bool = False  # by `Peer.kill`, or by something that must kill the peer
    stop_sent: bool = False  # by a message, or by the end of the link
    why: str = ""  # for the reader, where there is more to say
    signals: set[int] = field(default_factory=set)  # others that `Peer.kill` has sent


def is_excused(requests: Requests, expected: bool, status: ExitStatus | None) -> bool:
    """Return whether the peer's end was asked for, or a block of `expect_death` waited for it."""
    if requests.stop or requests.kill or expected:
        return True
    # A shell that waits for the interpreter exits with 128 + the signal that has ended that.
    return status is not None and any(
        number in (status.signal, (status.code or 0) - 128) for number in requests.signals
    )
