"""A cycle of waits: each of some peers waits for what the next one has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...core import threads
from ...core.clock import sleep
from ...core.errors import PeerDown
from ...core.sweep import Root, Sweep, Thread
from ...core.syscalls import Wait as KernelWait
from ..lifecycle import PeerLife
from ..transitions import Phase
from .holders import holders
from .processes import owners

if TYPE_CHECKING:
    from ..peer import Peer

#: How often is looked for a moment at which nothing in the cycle runs, and seconds between.
_LOOKS = 10
_PAUSE_SECONDS = 0.002
#: Seconds for an agent to say which of its threads wait for calls.
_ANSWER_SECONDS = 0.3
#: What one process alone ends: of several that have the other end, any could.
_ONE_OF = ("read", "recv")
_CALL = "call "


class Wait(NamedTuple):
    """A peer that waits for what another has."""

    peer: Peer
    #: For what, as in `Blocked.on`.
    on: str
    holder: Peer

    def __str__(self) -> str:
        return f"{self.peer.name} waits for {self.on}, which {self.holder.name} has"


#: A process, for what a thread of it waits, and the process that has that.
Edge = tuple[int, str, int]


def deadlock(lives: Iterable[PeerLife]) -> list[Wait] | None:
    """Return a cycle of waits among peers; ``None`` if there is none."""
    running = [life for life in lives if life.phase is Phase.RUNNING]
    if threads.why_unreadable() or not running:
        return None
    of = owners(running)
    calls = {thread: word for life in running for thread, word in _calls(life)}
    for _ in range(_LOOKS):
        cycle = _cycle_at_rest(of, calls)
        if cycle is None:
            return None
        if cycle:
            return [Wait(of[a].lives.peer, on, of[b].lives.peer) for a, on, b in cycle]
        sleep(_PAUSE_SECONDS)
    return None


def told(lives: Iterable[PeerLife]) -> str:
    """Return a cycle of waits as text; empty if there is none."""
    cycle = deadlock(lives)
    return "" if cycle is None else "\n".join(["Deadlock:", *map(str, cycle)])


def _cycle_at_rest(of: Mapping[int, PeerLife], calls: Mapping[Thread, str]) -> list[Edge] | None:
    """Return the edges of a cycle; none if something in it may run, ``None`` without a cycle."""
    sweep = Sweep(lambda: map(Root, of))
    edges: list[Edge] = []
    try:
        moment = sweep.look(lambda: edges.extend(_edges(of, calls)))
    finally:
        sweep.close()
    cycle = find_cycle(edges)
    if cycle is None:
        return None
    waiting = {pid for pid, _, _ in cycle}
    return [] if any(each.process in waiting for each in moment.awake) else cycle


def _edges(of: Mapping[int, PeerLife], calls: Mapping[Thread, str]) -> list[Edge]:
    names = {life.options.name: life.process.local_pid() for life in of.values()}
    among = [*of, os.getpid()]  # the test may have the other end
    edges: list[Edge] = []
    for pid in of:
        for number in threads.numbers(f"/proc/{pid}/task"):
            word = calls.get(Thread(pid, number), "")
            if word:
                called = names.get(word.removeprefix(_CALL))
                edges += [] if called is None else [(pid, word, called)]
                continue
            wait = threads.wait_of(pid, number, threads.syscall(pid, number))
            edges += [] if wait is None else edges_of(pid, wait, holders(pid, wait, among))
    return [edge for edge in edges if edge[2] in of]


def edges_of(pid: int, wait: KernelWait, having: Iterable[int]) -> list[Edge]:
    """Return the edges of a thread that waits for what other processes have."""
    found = [(pid, wait.on, each) for each in having]
    return [] if wait.is_timed or (wait.on.startswith(_ONE_OF) and found[1:]) else found


def find_cycle(edges: Sequence[Edge]) -> list[Edge] | None:
    """Return edges each of which leads to the next one, and the last to the first."""
    left = list(edges)
    while True:
        # What nobody waits for, or what waits for nothing, is in no cycle.
        waiting, awaited = {edge[0] for edge in left}, {edge[2] for edge in left}
        kept = [edge for edge in left if edge[0] in awaited and edge[2] in waiting]
        if len(kept) == len(left):
            break
        left = kept
    if not left:
        return None
    following = {edge[0]: edge for edge in left}
    path = [left[0]]
    while path[-1][2] not in [edge[0] for edge in path]:
        path.append(following[path[-1][2]])
    return path[[edge[0] for edge in path].index(path[-1][2]) :]


def _calls(life: PeerLife) -> Iterable[tuple[Thread, str]]:
    """Return the threads of a peer that wait for a call of another one."""
    pid = life.process.local_pid()
    if pid is None:
        return []
    try:
        waits = life.client.agent.own_waits(_ANSWER_SECONDS)
    except (TimeoutError, PeerDown):
        return []
    return [(Thread(pid, number), word) for number, word in waits if word.startswith(_CALL)]
