"""Ending several lives of peers at the same time: all are asked before any is waited for.

Without threads, because an interpreter that is ending cannot start any.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial

from ..core.clock import monotonic
from ..core.errors import PeerError
from .lifecycle import PeerInstance

__tracebackhide__ = True


def stop(lives: Sequence[PeerInstance]) -> None:
    """Stop all as their option ``shutdown`` says. When a signal's handler raises meanwhile, they are killed.

    :raises PeerError: one is not gone although it was killed; several: ``ExceptionGroup``.
    """
    try:
        _stop(lives)
    except BaseException:
        # Ctrl-C, or a time limit: nobody is left who would do it when their time is over. One that is not gone was waited for.
        kill([life for life in lives if not life.doomed])
        raise


def _stop(lives: Sequence[PeerInstance]) -> None:
    started = monotonic()
    asked = [life.ask_to_stop() for life in lives]

    def wait_until_its_time(life: PeerInstance) -> None:
        limit = life.options.shutdown_plan.seconds
        life.wait_stopped(None if limit is None else max(0.0, started + limit - monotonic()))

    _all(
        [
            partial(wait_until_its_time, life)
            for life, wait in zip(lives, asked, strict=True)
            if wait
        ]
    )


def kill(lives: Sequence[PeerInstance]) -> None:
    """Kill all; limits as for `stop`."""
    for life in lives:
        life.kill()
    _all([partial(life.wait_stopped, 0) for life in lives])


def _all(actions: Sequence[Callable[[], None]]) -> None:
    failures: list[PeerError] = []
    for action in actions:
        try:
            action()
        except PeerError as exc:  # no other: what a signal's handler raises, `TimeoutError` say, ends the waiting for all
            failures.append(exc)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("peers are not gone", failures)
