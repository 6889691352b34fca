"""Deaths that a test causes from inside the peer and expects: `Peer.expect_death`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator

from ..core.errors import PeerDown
from ..core.states import PeerState
from .lifecycle import PeerInstance

__tracebackhide__ = True

#: For a death of which a call has learned already to be noticed as such; it takes milliseconds.
_NOTICED = 2.0
#: From there to the end of its process, which is waited for before the peer is down; milliseconds, too.
_GONE = 20.0


class ExpectedExit:
    """A block of a test that expects the peer's death, and excuses it."""

    #: The life that has died in it.
    life: PeerInstance | None = None


@contextlib.contextmanager
def death(present: Callable[[], PeerInstance], timeout: float | None) -> Iterator[None]:
    """See `Peer.expect_death`.

    :param present: returns the peer's present life, which `restart` exchanges.
    """
    expectation = ExpectedExit()
    expectations = present().expectations  # of all lives
    stacks = ""
    try:
        # In here: an interrupt that comes when it is known must not leave it there.
        present().expect(expectation)
        yield
        stacks = _survived(present, expectation, timeout)
    except BaseException as exc:
        if _tells_of_a_death(exc):  # perhaps before it is noticed: a `cast` finds the link closed
            present().await_down(_NOTICED)
        raise
    finally:
        expectations.discard(expectation)
    # Asked once more, now that nothing excuses it any more: what came meanwhile has been excused, so it has come.
    if expectation.life is not None:
        expectation.life.await_down(_GONE)  # it has perhaps only begun to be
    elif present().state is not PeerState.DOWN:
        raise TimeoutError(
            f"{present().record.whom()} was expected to die and still runs after {timeout:g} s\n{stacks}"
        )


def _survived(
    present: Callable[[], PeerInstance], expectation: ExpectedExit, timeout: float | None
) -> str:
    """Wait for the death; return what the peer does instead."""
    # One that died and was restarted in the block has done what was expected.
    if expectation.life is not None or present().await_down(timeout):
        return ""
    try:
        return present().stacks.take()
    except (TimeoutError, PeerDown) as exc:
        return f"no stacks: {exc}"


def _tells_of_a_death(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):  # of a PeerGroup
        return exc.subgroup(PeerDown) is not None
    return isinstance(exc, PeerDown)
