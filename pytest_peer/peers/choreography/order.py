"""The order of two calls, of different peers or of one."""

from __future__ import annotations

import contextlib
from typing import Self

from ...core.errors import PeerDown, PointNotReached
from ...core.worker import Worker
from .points import HoldPoint

#: Lets calls go on: the thread that reads the link must not send.
_worker: Worker = Worker("pytest-peer-order")


class Order:
    """A block in which `then` lets a call through only when one has come to `first`."""

    def __init__(self, first: HoldPoint, then: HoldPoint) -> None:
        """:private: made by ``peer_factory.order``."""
        for name, point in (("first", first), ("then", then)):
            if not isinstance(point, HoldPoint):
                raise TypeError(f"{name}: expected what `peer.point` gives, got {point!r}")
        if first is then:
            raise ValueError("then: expected another point than the first")
        self._first, self._then = first, then
        self._blocks = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._first.report_only()
        for point in (self._first, self._then):
            point.follow(self._look)
        with contextlib.ExitStack() as blocks:
            blocks.enter_context(self._then)
            blocks.enter_context(self._first)
            self._blocks = blocks.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        held = self._then.holds
        failure = details[1]
        if isinstance(failure, BaseException) and held and not self._first.reached:
            # Such as the `CallTimeout` of the call that is held, which knows of no order. A peer that
            # has died did not let it go: it might have been restarted.
            why = self._first.death or "none did"
            failure.add_note(
                f"{self._then.name} was held until a call came to {self._first.name}; {why}"
            )
        try:
            self._blocks.__exit__(*details)  # type: ignore[arg-type]
        except PointNotReached as exc:
            if held and not self._first.reached:
                exc.add_note(f"{self._then.name} was held for that, until the end of the block")
            raise

    def _look(self) -> None:
        if self._first.reached and self._then.holds:
            _worker.run(self._let_go)

    def _let_go(self) -> None:
        with contextlib.suppress(PeerDown):
            self._then.release()
