"""A cycle of waits: each of some peers waits for what the next one has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...core import threads
from ...core.clock import sleep
from ...core.sweep import Root, Sweep, Thread
from ...core.syscalls import Wait as KernelWait
from ..at_once import at_once
from ..lifecycle import PeerLife
from ..transitions import Phase
from .holders import holders
from .processes import owners

if TYPE_CHECKING:
    from ..peer import Peer

#: How often is looked for a moment at which nothing in the cycle runs, and seconds between.
_LOOKS = 10
_PAUSE_SECONDS = 0.002
#: Seconds for the agents to say which of their threads wait for calls.
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


#: A thread; with a negative number the coroutine of a call. Or a process, any thread of which may
#: let go what it has: that waits, in no word, for each of its threads that waits.
Node = Thread | int
#: Who waits, for what, and who has that.
Edge = tuple[Node, str, Node]
#: Waits for calls, each with the number of the request that is to be answered.
Calls = dict[Edge, int]


def deadlock(lives: Iterable[PeerLife]) -> list[Wait] | None:
    """Return a cycle of waits among peers; ``None`` if there is none."""
    running = [life for life in lives if life.phase is Phase.RUNNING]
    if threads.why_unreadable() or not running:
        return None
    of = owners(running)
    calls = _calls(running)
    for _ in range(_LOOKS):
        cycle = _cycle_at_rest(of, calls)
        if cycle is None:
            return None
        if cycle and any(edge in calls for edge in cycle):
            # The same requests have no answer yet, so these have waited all the while.
            before, calls = calls, _calls(running)
            cycle = cycle if all(calls.get(e) == before.get(e) for e in cycle) else []
        if cycle:
            peers = [(of[_process(a)], on, of[_process(b)]) for a, on, b in cycle if on]
            return [Wait(a.lives.peer, on, b.lives.peer) for a, on, b in peers]
        sleep(_PAUSE_SECONDS)
    return None


def told(lives: Iterable[PeerLife]) -> str:
    """Return a cycle of waits as text; empty if there is none."""
    cycle = deadlock(lives)
    return "" if cycle is None else "\n".join(["Deadlock:", *map(str, cycle)])


def _cycle_at_rest(of: Mapping[int, PeerLife], calls: Calls) -> list[Edge] | None:
    """Return the edges of a cycle; none if something in it may run, ``None`` without a cycle."""
    sweep = Sweep(lambda: map(Root, of))
    edges = list(calls)
    try:
        moment = sweep.look(lambda: edges.extend(_edges(of, calls)))
    finally:
        sweep.close()
    cycle = find_cycle(edges)
    if cycle is None:
        return None
    waiting = {node for node, _, _ in cycle}
    return [] if any({each, each.process} & waiting for each in moment.awake) else cycle


def _edges(of: Mapping[int, PeerLife], calls: Calls) -> list[Edge]:
    among = [*of, os.getpid()]  # the test may have the other end
    called = {edge[0] for edge in calls}
    edges: list[Edge] = []
    for pid in of:
        for number in threads.numbers(f"/proc/{pid}/task"):
            thread = Thread(pid, number)
            if thread in called:
                continue
            wait = threads.wait_of(pid, number, threads.syscall(pid, number))
            found = [] if wait is None else edges_of(thread, wait, holders(pid, wait, among))
            edges += [edge for edge in found if edge[2] in of]
    return edges + [(each.process, "", each) for each, _, _ in edges if isinstance(each, Thread)]


def edges_of(node: Node, wait: KernelWait, having: Iterable[int]) -> list[Edge]:
    """Return the edges of a thread that waits for what other processes have."""
    found: list[Edge] = [(node, wait.on, each) for each in having]
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


def _process(node: Node) -> int:
    return node.process if isinstance(node, Thread) else node


def _calls(lives: Sequence[PeerLife]) -> Calls:
    """Return which threads, and coroutines of calls, wait for a call of another peer."""
    asked = [life for life in lives if life.process.local_pid() and not life.process.paused]
    outcomes = at_once([partial(life.client.agent.own_waits, _ANSWER_SECONDS) for life in asked])
    found = {life: own for life, (own, _) in zip(asked, outcomes, strict=True) if own is not None}
    of = {life.client: life for life in found}
    calls: Calls = {}
    for life, own in found.items():
        for wait in own.every:
            call = life.owner.relay.call_of(life, wait.request)
            if not wait.word.startswith(_CALL) or call is None or call[0] not in of:
                continue
            callee = of[call[0]]
            number = found[callee].runs.get(call[1])
            if number is None:  # its answer is on the way
                continue
            waiting, running = _node(life, wait.thread), _node(callee, number)
            calls[waiting, wait.word, running] = wait.request
            # It is also the process of a child, for which a thread of the peer asks.
            calls[wait.process or waiting.process, "", waiting] = wait.request
    return calls


def _node(life: PeerLife, number: int) -> Thread:
    return Thread(life.process.local_pid() or 0, number)
