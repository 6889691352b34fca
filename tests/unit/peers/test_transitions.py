"""The phases of a peer's life, and what follows from them."""

from __future__ import annotations

import signal

import pytest

from pytest_peer import PeerState
from pytest_peer.core.down_reason import ExitStatus
from pytest_peer.peers.transitions import (
    SOURCES,
    Course,
    Phase,
    Requests,
    is_excused,
)

KILLED = ExitStatus(signal=signal.SIGKILL)
RAN = (Phase.STARTING, Phase.BOOTING, Phase.RUNNING, Phase.ENDING)


def test_every_phase_comes_after_its_sources() -> None:
    assert set(SOURCES) == set(Phase) - {Phase.NEW}
    assert all(source < phase for phase, sources in SOURCES.items() for source in sources)


def test_phase_is_entered_from_its_sources_only() -> None:
    course = Course()
    assert not course.enter(Phase.RUNNING)
    assert course.phase is Phase.NEW
    assert course.enter(Phase.STARTING)
    assert not course.enter(Phase.STARTING)


@pytest.mark.parametrize(
    ("phases", "state"),
    [
        ([], PeerState.BOOTING),
        ([Phase.STARTING, Phase.BOOTING], PeerState.BOOTING),
        ([Phase.STARTING, Phase.BOOTING, Phase.TIMED_OUT], PeerState.BOOTING),
        ([Phase.STARTING, Phase.BOOTING, Phase.RUNNING], PeerState.RUNNING),
        ([Phase.STARTING, Phase.BOOTING, Phase.ENDING], PeerState.BOOTING),
        ([*RAN, Phase.CONCLUDING], PeerState.RUNNING),
        ([*RAN, Phase.CONCLUDING, Phase.DOWN], PeerState.DOWN),
        ([Phase.STARTING, Phase.DOWN, Phase.RELEASED], PeerState.DOWN),
    ],
)
def test_state_of_a_course(phases: list[Phase], state: PeerState) -> None:
    course = Course()
    assert all(map(course.enter, phases))
    assert course.state is state


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
