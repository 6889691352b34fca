"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final, overload

from ..core.clock import monotonic
from ..core.errors import CallTimeout
from ..evidence.stacks import record_all
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
    """Peers in order, with the verbs of a peer. `Peer.map` alone differs: see `map`.

    Each verb acts on all members at the same time. Results come in the members' order, failures as
    one ``ExceptionGroup`` that says which peer each is from. A member that skips, or fails as
    expected, does so for the test, unless another one fails.
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
        """Call `fn` on every member; see `Peer.call`."""
        return self._results([partial(peer.submit, fn, *args, **kwargs) for peer in self._peers])

    def map(self, fn: Callable[..., Any] | str, /, *iterables: Any) -> list[Any]:
        """Call `fn` on every member, each with its own arguments.

        :param iterables: The first member is given the first item of each.
        :raises ValueError: An iterable has not as many items as there are members.
        """
        rows = list(zip(self._peers, *iterables, strict=True))
        return self._results([partial(peer.submit, fn, *row) for peer, *row in rows])

    def submit(
        self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> list[PeerFuture]:
        """Call `fn` on every member without waiting; see `Peer.submit`."""
        return [peer.submit(fn, *args, **kwargs) for peer in self._peers]

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` on every member, and wait for no answer; see `Peer.cast`."""
        failures: list[tuple[Peer, BaseException]] = []
        for peer in self._peers:
            try:
                peer.cast(fn, *args, **kwargs)
            except Exception as exc:
                failures.append((peer, exc))
        self._raise(failures)

    def stop(self) -> None:
        """Stop all members; see `Peer.stop`."""
        shutdown.stop([life for peer in self._peers for life in peer.lives.stoppable])

    def kill(self) -> None:
        """Kill all members with SIGKILL; see `Peer.kill`."""
        shutdown.kill([life for peer in self._peers for life in peer.lives.stoppable])

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
        late = self._late(futures, started)
        results: list[Any] = []
        failures: list[tuple[Peer, BaseException]] = []
        for peer, future in zip(self._peers, futures, strict=True):
            value: Any = None
            failed: BaseException | None
            if isinstance(future, Exception):
                failed = future
            elif peer in late:
                failed = late[peer]
            else:
                value, failed = future.outcome(0, None)
            if failed is None:
                results.append(value)
            else:
                failures.append((peer, failed))
        self._raise(failures)
        return results

    def _late(
        self, futures: Sequence[PeerFuture | Exception], started: float
    ) -> dict[Peer, CallTimeout]:
        """Wait for the replies; return the errors of the peers whose reply did not come in time."""
        late: list[Peer] = []
        for peer, future in zip(self._peers, futures, strict=True):
            limit = peer.options.call_timeout
            left = None if limit is None else max(0.0, limit - (monotonic() - started))
            if isinstance(future, PeerFuture) and not future.wait(left):
                late.append(peer)
        stacks = record_all([peer.instance.stacks for peer in late], "a call timed out")
        return {
            peer: CallTimeout(
                f"no answer from {peer.instance.record.whom()}"
                f" within {peer.options.call_timeout:g} s",
                text,
            )
            for peer, text in zip(late, stacks, strict=True)
        }


def _is_outcome(exc: BaseException) -> bool:
    return (type(exc).__module__, type(exc).__name__) in _OUTCOMES


def _saying_which(exc: BaseException, peer: Peer) -> BaseException:
    if not any(
        peer.name in note for note in getattr(exc, "__notes__", ())
    ) and peer.name not in str(exc):
        exc.add_note(f"in {peer!r}")
    return exc
