"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, final, overload

from ..core.clock import monotonic
from ..core.errors import CallTimeout
from ..evidence.stacks import record_all
from ..link.futures import Outcome, PeerFuture
from .peer import Peer
from .restart import kill_all, stop_all

#: Exceptions that are no failures, but what becomes of a test: pytest's and unittest's.
_OUTCOMES_OF_TESTS = {
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
        return self._call([partial(peer.submit, fn, *args, **kwargs) for peer in self._peers])

    def map(self, fn: Callable[..., Any] | str, /, *iterables: Any) -> list[Any]:
        """Call `fn` on every member, each with its own arguments.

        :param iterables: The first member is given the first item of each.
        :raises ValueError: An iterable has not as many items as there are members.
        """
        rows = list(zip(self._peers, *iterables, strict=True))
        return self._call([partial(peer.submit, fn, *row) for peer, *row in rows])

    def submit(
        self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> list[PeerFuture]:
        """Call `fn` on every member without waiting; see `Peer.submit`."""
        return [peer.submit(fn, *args, **kwargs) for peer in self._peers]

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` on every member, and wait for no answer; see `Peer.cast`."""
        self._values(_outcome(partial(peer.cast, fn, *args, **kwargs)) for peer in self._peers)

    def stop(self) -> None:
        """Stop all members; see `Peer.stop`."""
        stop_all([life for peer in self._peers for life in peer.lives.stoppable])

    def kill(self) -> None:
        """Kill all members with SIGKILL; see `Peer.kill`."""
        kill_all([life for peer in self._peers for life in peer.lives.stoppable])

    def _values(self, outcomes: Iterable[Outcome]) -> list[Any]:
        outcomes = list(outcomes)
        failed = [
            (exc, peer) for (_, exc), peer in zip(outcomes, self, strict=True) if exc is not None
        ]
        kinds = {(type(exc).__module__, type(exc).__name__) for exc, _ in failed}
        if failed and kinds <= _OUTCOMES_OF_TESTS:
            raise failed[0][0]  # without a note, which would become part of the reason
        if failed:
            for exc, peer in failed:
                notes = getattr(exc, "__notes__", ())
                if not any(peer.name in text for text in (str(exc), *notes)):
                    exc.add_note(f"in {peer!r}")
            # An ExceptionGroup, unless a function raised SystemExit or the like.
            message = f"{len(failed)} of {len(self)} peers failed"
            raise BaseExceptionGroup(message, [exc for exc, _ in failed])
        return [value for value, _ in outcomes]

    def _call(self, submits: Iterable[Callable[[], PeerFuture]]) -> list[Any]:
        started = monotonic()
        submitted = [_outcome(submit) for submit in submits]
        late: list[Peer] = []
        for peer, (future, failed) in zip(self, submitted, strict=True):
            limit = peer.options.call_timeout
            left = None if limit is None else max(0.0, limit - (monotonic() - started))
            if failed is None and not future.wait(left):
                late.append(peer)
        stacks = record_all([peer.life.stacks for peer in late], "a call timed out")
        found = dict(zip(late, stacks, strict=True))

        def outcome(peer: Peer, future: PeerFuture, failed: BaseException | None) -> Outcome:
            if peer in found:
                whom, limit = peer.life.record.whom(), peer.options.call_timeout
                failed = CallTimeout(f"no answer from {whom} within {limit:g} s", found[peer])
            return future.outcome(0) if failed is None else (None, failed)

        return self._values(
            outcome(peer, *future) for peer, future in zip(self, submitted, strict=True)
        )


def _outcome(action: Callable[[], Any]) -> Outcome:
    try:
        return action(), None
    except Exception as exc:
        return None, exc
