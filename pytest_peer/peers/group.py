"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any
from typing import final
from typing import overload

from ..core.clock import monotonic
from ..core.errors import PeerError
from ..link.futures import PeerFuture
from . import shutdown
from .peer import Peer

__tracebackhide__ = True

#: Exceptions that are no failures, but what becomes of a test: pytest's and unittest's.
_OUTCOMES = {
    ("builtins", "Skipped"),
    ("_pytest.outcomes", "XFailed"),
    ("unittest.case", "SkipTest"),
}


@final
class PeerGroup(Sequence[Peer]):
    """Peers in order. Results come in the same order; failures as an ``ExceptionGroup`` whose members say which peer.

    A member that skips, or fails as expected, does so for the test, unless another one fails.
    """

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
        return self._results([partial(peer.submit, fn, *args, **kwargs) for peer in self._peers])

    def map(self, fn: Callable[..., Any] | str, /, *iterables: Any) -> list[Any]:
        """`Peer.call` on every member at the same time, each with its own arguments: the first takes the first of each.

        :raises ValueError: an iterable has not as many items as there are members.
        """
        rows = list(zip(self._peers, *iterables, strict=True))
        return self._results([partial(peer.submit, fn, *row) for peer, *row in rows])

    def submit(
        self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> list[PeerFuture]:
        """`Peer.submit` on every member."""
        return [peer.submit(fn, *args, **kwargs) for peer in self._peers]

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """`Peer.cast` on every member."""
        failures: list[tuple[Peer, BaseException]] = []
        for peer in self._peers:
            try:
                peer.cast(fn, *args, **kwargs)
            except Exception as exc:
                failures.append((peer, exc))
        self._raise(failures)

    def stop(self) -> None:
        """`Peer.stop` on every member at the same time."""
        shutdown.stop([peer.instance for peer in self._peers])

    def kill(self) -> None:
        """`Peer.kill` on every member at the same time."""
        shutdown.kill([peer.instance for peer in self._peers])

    def _raise(self, failures: list[tuple[Peer, BaseException]]) -> None:
        if failures and all(_is_outcome(exc) for _, exc in failures):
            raise failures[0][1]  # without a note, which would become part of the reason
        if failures:
            # An ExceptionGroup, unless a function raised SystemExit or the like.
            raise BaseExceptionGroup(
                f"{len(failures)} of {len(self._peers)} peers failed",
                [_saying_which(exc, peer) for peer, exc in failures],
            )

    def _results(self, submits: list[Callable[[], PeerFuture]]) -> list[Any]:
        started = monotonic()
        futures: list[PeerFuture | Exception] = []
        for submit in submits:
            try:
                futures.append(submit())
            except Exception as exc:
                futures.append(exc)
        results: list[Any] = []
        failures: list[tuple[Peer, BaseException]] = []
        for peer, future in zip(self._peers, futures, strict=True):
            limit = peer.options.call_timeout
            left = None if limit is None else max(0.0, limit - (monotonic() - started))
            value: Any = None
            failed: BaseException | None
            if isinstance(future, Exception):
                failed = future
            else:
                try:
                    value, failed = future.outcome(left, limit)
                except PeerError as exc:  # a CallTimeout
                    failed = exc
            if failed is None:
                results.append(value)
            else:
                failures.append((peer, failed))
        self._raise(failures)
        return results


def _is_outcome(exc: BaseException) -> bool:
    return (type(exc).__module__, type(exc).__name__) in _OUTCOMES


def _saying_which(exc: BaseException, peer: Peer) -> BaseException:
    if not any(
        peer.name in note for note in getattr(exc, "__notes__", ())
    ) and peer.name not in str(exc):
        exc.add_note(f"in {peer!r}")
    return exc
