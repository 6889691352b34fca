"""Measure what many peers do together: barriers, messages in order, and `settle`.

    python benchmarks/choreography.py [--barriers 1000] [--messages 100000] [--sweeps 200]

100 peers meet at so many barriers, one after the other. 10 peers send so many messages, each to all
others in turn, and each checks that those of every sender come in order. Of 20 peers at rest, one
sweep over their threads is measured, and `settle`, which begins anew each time. Nothing is measured of what is 0.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pytest_peer import PeerGroup, here, start
from pytest_peer.core.sweep import Root, Sweep

_BARRIER_PEERS = 100
_MESSAGE_PEERS = 10
_SETTLE_PEERS = 20
_SECONDS = 600.0


def meet(count: int, parties: int) -> list[float]:
    """Wait at so many barriers; return the moments of their ends."""
    ends = [time.monotonic()]
    for turn in range(count):
        here.barrier(f"turn {turn}", parties, _SECONDS)
        ends.append(time.monotonic())
    return ends


def talk(names: list[str], count: int) -> int:
    """Send so many messages to the others in turn, and take theirs; return how many were wrong."""
    others = [name for name in names if name != here.name]
    wrong: list[int] = []
    expected = {name: len(_sent_to(here.name, name, names, count)) for name in others}
    takers = [
        threading.Thread(target=_take, args=[name, each, wrong]) for name, each in expected.items()
    ]
    for taker in takers:
        taker.start()
    handles = [here.peer(name) for name in others]
    for number in range(count):
        handles[number % len(handles)].send(here.name, number)
    for taker in takers:
        taker.join()
    return sum(wrong)


def _sent_to(name: str, sender: str, names: list[str], count: int) -> range:
    others = [each for each in names if each != sender]
    return range(others.index(name), count, len(others))


def _take(sender: str, count: int, wrong: list[int]) -> None:
    mailbox, before = here.mailbox(sender), -1
    for _ in range(count):
        number = mailbox.get(_SECONDS)
        wrong.append(not number > before)
        before = number


@contextmanager
def _peers(count: int) -> Iterator[PeerGroup]:
    with ExitStack() as ended:
        started = [
            ended.enter_context(start(shutdown=("halt", 0), wait_boot=False)) for _ in range(count)
        ]
        group = PeerGroup(started)
        group.call(os.getpid)
        yield group


def barriers(count: int) -> None:
    with _peers(_BARRIER_PEERS) as group:
        every = group.map(meet, [count] * _BARRIER_PEERS, [_BARRIER_PEERS] * _BARRIER_PEERS)
    seconds = max(ends[-1] for ends in every) - min(ends[0] for ends in every)
    turns = [end - begun for ends in every for begun, end in itertools.pairwise(ends[1:])]
    each = statistics.median(turns) * 1e3 if turns else seconds * 1e3
    print(
        f"{_BARRIER_PEERS} peers at {count} barriers: {seconds:.1f} s, a barrier {each:.1f} ms",
        flush=True,
    )


def messages(count: int) -> int:
    with _peers(_MESSAGE_PEERS) as group:
        names = [peer.name for peer in group]
        begun = time.perf_counter()
        wrong = sum(
            group.map(talk, [names] * _MESSAGE_PEERS, [count // _MESSAGE_PEERS] * _MESSAGE_PEERS)
        )
        seconds = time.perf_counter() - begun
    print(
        f"{count} messages among {_MESSAGE_PEERS} peers: {seconds:.1f} s, "
        f"{count / seconds:.0f} a second; out of order: {wrong}",
        flush=True,
    )
    return wrong


def sweeps(count: int) -> None:
    with _peers(_SETTLE_PEERS) as group:
        rest = _median_ms(count, lambda: group.settle(_SECONDS))
        roots = [Root(peer.pid) for peer in group]
        with closing(Sweep(lambda: roots)) as sweep:
            look = _median_ms(count, lambda: sweep.look(lambda: None))
    print(
        f"{_SETTLE_PEERS} peers at rest: a sweep {look:.2f} ms, a settle {rest:.2f} ms (medians)",
        flush=True,
    )


def _median_ms(count: int, step: Callable[[], object]) -> float:
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        step()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--barriers", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--sweeps", type=int, default=200)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    import choreography as by_reference  # its functions go to the peers by their names

    if options.barriers:
        by_reference.barriers(options.barriers)
    wrong = by_reference.messages(options.messages) if options.messages else 0
    if options.sweeps:
        by_reference.sweeps(options.sweeps)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
