"""Where a boot hangs is asked over the link first: faulthandler may meet a thread that just ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_peer.core.errors import StillBooting
from pytest_peer.core.sync import Event
from pytest_peer.evidence.stacks import Stacks


def answer(_: float) -> str:
    return "in setup"


def before_kill(ask: Callable[[float], str], place: Path) -> str:
    found = Stacks(ask, lambda _: False, lambda: None)
    found.begin(place)
    return found.before_kill(Event())


def test_an_agent_that_listens_is_asked(tmp_path: Path) -> None:
    assert before_kill(answer, tmp_path) == "in setup"
    assert "in setup" in (tmp_path / "stacks.txt").read_text()


@pytest.mark.parametrize("error", [StillBooting, TimeoutError])
def test_without_an_answer_and_a_process_there_are_none(
    tmp_path: Path, error: type[Exception]
) -> None:
    def fail(_: float) -> str:
        raise error("no answer")

    assert before_kill(fail, tmp_path) == ""
