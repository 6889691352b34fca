"""Ending several lives of peers at the same time: all are asked before any is waited for.

Without threads, because an interpreter that is ending cannot start any.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from collections.abc import Sequence

from .incarnation import Incarnation

__tracebackhide__ = True  # a report shows the test and the peer, not what is between


def stop(lives: Sequence[Incarnation]) -> None:
    """Stop all as their option ``shutdown`` says.

    :raises PeerError: one is not gone although it was killed; several: ``ExceptionGroup``.
    """
    started = time.monotonic()
    asked = [life.ask_to_stop() for life in lives]
    waits: list[Callable[[], None]] = []
    for life, wait in zip(lives, asked, strict=True):
        if wait:
            limit = life.options.shutdown_plan.seconds
            left = None if limit is None else max(0.0, limit - (time.monotonic() - started))
            waits.append(functools.partial(life.wait_stopped, left))
    _all(waits)


def kill(lives: Sequence[Incarnation]) -> None:
    """Kill all; limits as for `stop`."""
    for life in lives:
        life.kill()
    _all([functools.partial(life.wait_stopped, None) for life in lives])


def _all(actions: Sequence[Callable[[], None]]) -> None:
    failures: list[Exception] = []
    for action in actions:
        try:
            action()
        except Exception as exc:
            failures.append(exc)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("peers are not gone", failures)
