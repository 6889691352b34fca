"""Which processes belong to a peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...launch import procfs
from ..lifecycle import PeerLife
from ..transitions import Phase
from .sweep import Root, listed


def root_of(life: PeerLife) -> Root | None:
    """Return below which process all of a peer is; ``None`` if it is down, or on another machine."""
    if not life.process.started or life.phase >= Phase.DOWN or life.process.elsewhere:
        return None
    process = life.process.os_process
    if process.child.has_reaper:  # it has the peer's orphans
        status = procfs.of_process(process.pid)
        if status is not None:
            return status.parent, True
    return process.pid, False


def owners(lives: Iterable[PeerLife]) -> dict[int, PeerLife]:
    """Return all processes of these peers, each with its peer."""
    roots = {life: root_of(life) for life in lives}
    return {
        thread.process: life
        for life, root in roots.items()
        if root is not None
        for thread in listed([root])
    }


def owner(pid: int, lives: Mapping[int, PeerLife]) -> PeerLife | None:
    """Return to which of some peers, by their own processes, a process belongs."""
    above = pid
    while above and above not in lives:
        status = procfs.of_process(above)
        above = status.parent if status is not None else 0
    return lives.get(above)
