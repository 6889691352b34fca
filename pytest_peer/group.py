"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from typing import final
from typing import overload

from .link.future import PeerFuture
from .peer import Peer

__tracebackhide__ = True  # a report shows the test and the peer, not what is between


@final
class PeerGroup(Sequence[Peer]):
    """Peers in order. Results come in the same order; failures as an ``ExceptionGroup`` whose members say which peer."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        """:private: made by ``peer_factory.many``."""
        self._peers = tuple(peers)

    @overload
    def __getitem__(self, index: int) -> Peer: ...
    @overload
    def __getitem__(self, index: slice) -> PeerGroup: ...
    def __getitem__(self, index: int | slice) -> Peer | PeerGroup:
        if isinstance(index, slice):
            return PeerGroup(self._peers[index])
        return self._peers[index]

    def __len__(self) -> int:
        return len(self._peers)

    def __repr__(self) -> str:
        return f"<PeerGroup {', '.join(map(repr, self._peers))}>"

    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> list[Any]:
        """`Peer.call` on every member at the same time."""
        return self._results([lambda peer=peer: peer.submit(fn, *args, **kwargs) for peer in self._peers])

    def map(self, fn: Callable[..., Any] | str, /, *iterables: Any) -> list[Any]:
        """`Peer.call` on every member at the same time, each with its own arguments: the first takes the first of each.

        :raises ValueError: an iterable has not as many items as there are members.
        """
        rows = list(zip(self._peers, *iterables, strict=True))
        return self._results([lambda row=row: row[0].submit(fn, *row[1:]) for row in rows])

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> list[PeerFuture]:
        """`Peer.submit` on every member."""
        return [peer.submit(fn, *args, **kwargs) for peer in self._peers]

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """`Peer.cast` on every member."""
        together([lambda peer=peer: peer.cast(fn, *args, **kwargs) for peer in self._peers], "cast failed")

    def stop(self) -> None:
        """`Peer.stop` on every member at the same time."""
        together([peer.stop for peer in self._peers], "peers could not be stopped")

    def kill(self) -> None:
        """`Peer.kill` on every member at the same time."""
        together([peer.kill for peer in self._peers], "peers could not be killed")

    def _results(self, submits: list[Callable[[], PeerFuture]]) -> list[Any]:
        limits = [peer.options.call_timeout for peer in self._peers]
        futures: list[PeerFuture | Exception] = []
        for submit in submits:
            try:
                futures.append(submit())
            except Exception as exc:
                futures.append(exc)
        results, failures = [], []
        for peer, future, limit in zip(self._peers, futures, limits, strict=True):
            try:
                if isinstance(future, Exception):
                    raise future
                results.append(future.result(limit))
            except Exception as exc:
                failures.append(_saying_which(exc, peer))
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(self._peers)} peers failed", failures)
        return results


def _saying_which(exc: Exception, peer: Peer) -> Exception:
    if not any(peer.name in note for note in getattr(exc, "__notes__", ())) and peer.name not in str(exc):
        exc.add_note(f"in {peer!r}")
    return exc


def together(actions: Sequence[Callable[[], object]], what: str) -> None:
    """Do all at the same time, and raise what failed as one group.

    :raises ExceptionGroup: one or more failed.
    """
    if not actions:
        return
    failures: list[Exception] = []

    def attempt(action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as exc:
            failures.append(exc)

    with ThreadPoolExecutor(min(len(actions), 32), thread_name_prefix="pytest-peer-together") as pool:
        list(pool.map(attempt, actions))
    if failures:
        raise ExceptionGroup(what, failures)
