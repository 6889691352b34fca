"""The end of several peers at the same time."""

from collections.abc import Sequence

from ..core.errors import PeerError
from .lifecycle import PeerLife


def stop(lives: Sequence[PeerLife], *, wait_closed: bool = False) -> None:
    """Stop all as their option ``shutdown`` says; an interrupt of the wait kills them.

    :param wait_closed: Whether to wait also for those whose option is ``"close"``.
    :raises PeerError: One is not gone although it was killed; several: ``ExceptionGroup``.
    """
    try:
        for life in lives:
            life.stop()
        _wait([life for life in lives if wait_closed or life.options.shutdown != "close"])
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
