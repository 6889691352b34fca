"""Ending several peers at the same time, and deaths that a test expects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from ..core.errors import PeerDown, PeerError
from .lifecycle import KILLED, ExpectedDeath, PeerLife
from .transitions import Phase

__tracebackhide__ = True

#: Seconds for a death of which a call has learned to be noticed as such; milliseconds mostly.
_NOTICED = 2.0


def stop(lives: Sequence[PeerLife], *, wait_closed: bool = False) -> None:
    """Stop all as their option ``shutdown`` says; an interrupt of the wait kills them.

    :param wait_closed: Whether to wait also for those whose option is ``"close"``.
    :raises PeerError: One is not gone although it was killed; several: ``ExceptionGroup``.
    """
    try:
        for life in lives:
            life.stop()
        _wait([life for life in lives if wait_closed or life.options.shutdown_plan.how != "close"])
    except BaseException:
        # Ctrl-C, or a time limit. One that is not gone after its kill was waited for already.
        kill([life for life in lives if not life.requests.kill])
        raise


def kill(lives: Sequence[PeerLife]) -> None:
    """Kill all, and wait until they are gone; raises as `stop`."""
    for life in lives:
        life.kill()
    _wait(lives)


def _wait(lives: Sequence[PeerLife]) -> None:
    failures: list[PeerError] = []
    for life in lives:
        try:
            life.wait_released()
        except PeerError as exc:  # an exception of a signal handler ends the wait for all
            failures.append(exc)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("peers are not gone", failures)


@contextlib.contextmanager
def expected_death(
    present: Callable[[], PeerLife],
    expectations: set[ExpectedDeath],
    timeout: float | None,
) -> Iterator[None]:
    """Excuse the peer's death in the block; see `Peer.expect_death`.

    :param present: Returns the peer's present life; `restart` begins another.
    :param expectations: The peer's.
    """
    expectation = ExpectedDeath()
    stacks = ""
    try:
        expectations.add(expectation)
        if (life := present()).phase >= Phase.ENDING:
            life.wait_down(KILLED)
            if expectation.life is None:  # its end had come before the block
                raise life.record.down_error()
        yield
        # A peer that died in the block and was restarted there has died.
        if expectation.life is None and not present().wait_down(timeout):
            stacks = present().stacks.record("its death was expected")
    except BaseException as exc:
        group = exc if isinstance(exc, BaseExceptionGroup) else BaseExceptionGroup("", [exc])
        if group.subgroup(PeerDown) is not None:
            present().wait_down(_NOTICED)  # a `cast` finds the link closed before that is noticed
        raise
    finally:
        expectations.discard(expectation)
    # Looked at again, now that nothing excuses it any more: a death until here was excused.
    if expectation.life is not None:
        expectation.life.wait_down(KILLED)  # it has perhaps only begun
    elif present().phase < Phase.DOWN:
        whom = present().record.whom()
        raise TimeoutError(
            f"{whom} was expected to die and still runs after {timeout:g} s\n{stacks}"
        )
