"""The phases of a peer's life, explained in `lifecycle`, and what follows from them; pure."""

import enum
from dataclasses import dataclass, field

from ..core.down_reason import ExitStatus, PeerState


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


def public_state(phase: Phase, before_end: Phase) -> PeerState:
    """Return `Peer.state`; `before_end` is the phase before ENDING, or NEW until then."""
    if phase >= Phase.DOWN:
        return PeerState.DOWN
    if Phase.RUNNING in (phase, before_end):
        return PeerState.RUNNING
    return PeerState.BOOTING


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
