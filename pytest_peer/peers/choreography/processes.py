"""Which processes belong to a peer."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from ...core.sweep import Root, listed
from ...launch import procfs
from ..lifecycle import PeerLife
from ..transitions import Phase

#: Those above which there is a reaper; it stays the same to the end of the peer.
_below_reapers: WeakKeyDictionary[PeerLife, Root] = WeakKeyDictionary()


def is_far(life: PeerLife) -> bool:
    """Return whether a peer has to look at itself.

    It is on another machine, or may be; or its link has more ways than two pipes, in which is seen
    here what it has not read.
    """
    return life.process.starter.control is not None or life.options.address is not None


def root_of(life: PeerLife) -> Root | None:
    """Return below which process all of a peer is that is on this machine; ``None`` if it is down."""
    if not life.process.started or life.phase >= Phase.DOWN:
        return None
    process = life.process.os_process
    if process.child.has_reaper:  # it has the peer's orphans
        known = _below_reapers.get(life)
        if known is not None:
            return known
        status = procfs.of_process(process.pid)
        if status is not None:
            root = _below_reapers[life] = Root(status.parent, is_above=True)
            return root
    return Root(process.pid)


def owners(lives: Iterable[PeerLife]) -> dict[int, PeerLife]:
    """Return all processes of these peers, each with its peer."""
    roots = {life: root_of(life) for life in lives}
    return {
        thread.process: life
        for life, root in roots.items()
        if root is not None
        for thread in listed([root])
    }


def owner(pid: int, lives: Iterable[PeerLife]) -> PeerLife | None:
    """Return to which of some peers a process belongs, orphans without a reaper excepted."""
    tops = {root.process: life for life in lives if (root := root_of(life)) is not None}
    above = pid
    while above and above not in tops:
        status = procfs.of_process(above)
        above = status.parent if status is not None else 0
    return tops.get(above)
