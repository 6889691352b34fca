"""The phases of a peer's life, and what follows from them."""

from __future__ import annotations

import signal

import pytest

from pytest_peer import PeerState
from pytest_peer.core.down_reason import ExitStatus
from pytest_peer.peers.transitions import (
    SOURCES,
    Phase,
    Requests,
    is_excused,
    public_state,
)

KILLED = ExitStatus(signal=signal.SIGKILL)


def test_every_phase_comes_after_its_sources() -> None:
    assert set(SOURCES) == set(Phase) - {Phase.NEW}
    assert all(source < phase for phase, sources in SOURCES.items() for source in sources)


@pytest.mark.parametrize(
    ("phase", "before_end", "state"),
    [
        (Phase.NEW, Phase.NEW, PeerState.BOOTING),
        (Phase.BOOTING, Phase.NEW, PeerState.BOOTING),
        (Phase.TIMED_OUT, Phase.NEW, PeerState.BOOTING),
        (Phase.RUNNING, Phase.NEW, PeerState.RUNNING),
        (Phase.ENDING, Phase.BOOTING, PeerState.BOOTING),
        (Phase.CONCLUDING, Phase.RUNNING, PeerState.RUNNING),
        (Phase.DOWN, Phase.RUNNING, PeerState.DOWN),
        (Phase.RELEASED, Phase.NEW, PeerState.DOWN),
    ],
)
def test_state_of_a_phase(phase: Phase, before_end: Phase, state: PeerState) -> None:
    assert public_state(phase, before_end) is state


@pytest.mark.parametrize(
    ("requests", "expected", "status", "excused"),
    [
        (Requests(), False, KILLED, False),
        (Requests(), False, None, False),
        (Requests(), True, KILLED, True),
        (Requests(stop=True), False, KILLED, True),
        (Requests(kill=True), False, ExitStatus(code=3), True),
        (Requests(signals={signal.SIGHUP}), False, KILLED, False),
        (Requests(signals={signal.SIGHUP}), False, ExitStatus(code=0), False),
        (Requests(signals={signal.SIGHUP}), False, ExitStatus(signal=signal.SIGHUP), True),
        (Requests(signals={signal.SIGHUP}), False, ExitStatus(code=129), True),
    ],
)
def test_excused_ends(
    requests: Requests, expected: bool, status: ExitStatus | None, excused: bool
) -> None:
    assert is_excused(requests, expected, status) is excused
