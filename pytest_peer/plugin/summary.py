"""The end of a run's output: the peers that crashed, test by test."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .artifacts import CrashReport


def attached(reports: Iterable[Iterable[object]]) -> Iterator[CrashReport]:
    """What reports tell of; there are other things among them."""
    for category in reports:
        for report in category:
            told: CrashReport | None = getattr(report, "peer_aftermath", None)
            if told is not None:
                yield told


def crashes(told: Iterable[CrashReport]) -> Iterator[str]:
    """Every unasked death in two lines, below the test in which it happened."""
    above = None
    for death in (death for each in told for death in each["deaths"]):
        if death["test"] != above:
            above = death["test"]
            yield above
        yield f"  {death['peer']} (pid {death['pid']}): {death['reason']}"
        yield f"    {death['path']}"


def failures(told: Iterable[CrashReport]) -> list[str]:
    """What could not be copied."""
    return [failure for each in told for failure in each["failures"]]
