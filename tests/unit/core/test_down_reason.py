"""States and down reasons, in words."""

from __future__ import annotations

import dataclasses
import signal

import pytest

from pytest_peer import DownReason, PeerState
from pytest_peer.core.down_reason import ExitStatus, down_reason

NAMELESS_SIGNAL = 40  # a real-time signal between the named ones


@pytest.mark.parametrize("word", ["booting", "running", "down"])
def test_state_is_its_word(word: str) -> None:
    assert PeerState(word) == word == str(PeerState(word))


@pytest.mark.parametrize("code", [0, 1, 255])
def test_returned_code_is_a_code(code: int) -> None:
    status = ExitStatus.from_returncode(code)
    assert (status.code, status.signal) == (code, None)
    assert str(status) == f"exited with status {code}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMAX])
def test_negative_returncode_is_a_signal(number: signal.Signals) -> None:
    status = ExitStatus.from_returncode(-number)
    assert (status.code, status.signal) == (None, number)
    assert str(status) == f"killed by {number.name}"


def test_signal_without_a_name_is_its_number() -> None:
    status = ExitStatus.from_returncode(-NAMELESS_SIGNAL)
    assert (status.code, status.signal) == (None, NAMELESS_SIGNAL)
    assert str(status) == f"killed by signal {NAMELESS_SIGNAL}"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (DownReason("exited", 3), "exited with status 3"),
        (DownReason("exited", 0), "exited with status 0"),
        (DownReason("signaled", signal=signal.SIGSEGV), "killed by SIGSEGV"),
        (DownReason("signaled", signal=NAMELESS_SIGNAL), "killed by signal 40"),
        (DownReason("stopped", 0), "stopped (exited with status 0)"),
        (DownReason("stopped", signal=signal.SIGKILL), "stopped (killed by SIGKILL)"),
        (DownReason("link lost", signal=signal.SIGKILL), "link lost (killed by SIGKILL)"),
        (DownReason("boot failed", 1), "boot failed (exited with status 1)"),
        (DownReason("boot failed"), "boot failed"),
    ],
)
def test_reason_is_readable(reason: DownReason, text: str) -> None:
    assert str(reason) == text


def test_reasons_are_equal_by_value() -> None:
    assert DownReason("exited", 3) == DownReason("exited", exit_status=3, signal=None)


def test_reason_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DownReason("exited", 3).kind = "stopped"  # type: ignore[misc]


EXITED = ExitStatus(code=3)
KILLED = ExitStatus(signal=signal.SIGKILL)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"exit_status": EXITED}, DownReason("exited", 3)),
        ({"exit_status": KILLED}, DownReason("signaled", None, signal.SIGKILL)),
        ({"exit_status": None}, DownReason("link lost")),
        ({"exit_status": EXITED, "stopped": True}, DownReason("stopped", 3)),
        ({"exit_status": KILLED, "stopped": True}, DownReason("stopped", None, signal.SIGKILL)),
        ({"exit_status": KILLED, "link_lost": True}, DownReason("link lost", None, signal.SIGKILL)),
        ({"exit_status": EXITED, "booted": False}, DownReason("boot failed", 3)),
    ],
)
def test_reason_follows_from_what_was_seen(seen: dict[str, object], reason: DownReason) -> None:
    facts = {"stopped": False, "booted": True, "link_lost": False, **seen}
    assert down_reason(**facts) == reason  # type: ignore[arg-type]
