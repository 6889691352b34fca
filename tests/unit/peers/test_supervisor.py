"""Supervisors, with lives that are only stood in for."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_peer import PeerDownWarning
from pytest_peer.peers.supervisor import Supervisor

DEATHS = 2000


class Life(SimpleNamespace):
    """To which there may be weak references."""


def dead(number: int) -> Any:
    record = SimpleNamespace(
        reason="exited",
        whom=lambda: f"peer {number}",
        artifacts=SimpleNamespace(path="nowhere"),
    )
    return Life(
        record=record,
        died_unasked=True,
        options=SimpleNamespace(name=str(number), peer_down="stop"),
    )


def test_no_death_is_lost_that_comes_while_others_are_warned_of() -> None:
    supervisor = Supervisor()

    def warn_meanwhile() -> None:
        deaths = [dead(number) for number in range(DEATHS)]
        thread = threading.Thread(target=lambda: [supervisor.down(each) for each in deaths])
        thread.start()
        while thread.is_alive():
            supervisor.warn()
        supervisor.warn()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with pytest.warns(PeerDownWarning) as warned:
            warn_meanwhile()
    finally:
        sys.setswitchinterval(before)
    assert len(warned) == DEATHS
