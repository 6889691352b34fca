"""What becomes of the answer of a call: its value, or the exception that it raises, and its warnings before."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from .futures import Outcome
from .pickling import decode
from .pickling import rebuilt
from .protocol import messages
from .protocol.segments import Payload
from .relayed_warnings import refused

__tracebackhide__ = True

Warned = Sequence[Payload] | None


def value(whom: Callable[[], str], kind: int, payload: Payload, warned: Warned) -> Any:
    """Issue the warnings; return the value or raise the exception.

    :param whom: names the peer.
    :param kind: of the message that answers, whose payload this is.
    :param warned: warnings of the call, still encoded.
    """
    refusal = _refusal(whom, kind, payload, warned)
    try:
        if refusal is not None:
            raise refusal
    finally:
        del refusal  # a cycle through this frame would keep the test's locals alive
    if kind == messages.RESULT:
        return decode(payload)
    # Not by a name, for the same reason.
    raise _raised(whom, payload)


def outcome(whom: Callable[[], str], kind: int, payload: Payload, warned: Warned) -> Outcome:
    """The same as a pair."""
    refusal = _refusal(whom, kind, payload, warned)
    if refusal is not None:
        return None, refusal
    if kind == messages.RESULT:
        try:
            return decode(payload), None
        except Exception as exc:
            exc.__traceback__ = None
            return None, exc
    return None, _raised(whom, payload)


def _refusal(
    whom: Callable[[], str], kind: int, payload: Payload, warned: Warned
) -> Warning | None:
    """One that the test's filters make an error ends the call; what that raised itself is not lost."""
    refusal = refused(warned, whom()) if warned is not None else None
    if refusal is not None and kind == messages.EXCEPTION:
        refusal.__context__ = _raised(whom, payload)
    return refusal


def _raised(whom: Callable[[], str], payload: Payload) -> BaseException:
    return rebuilt(decode(payload), whom())
