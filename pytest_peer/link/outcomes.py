"""The outcome of a call, made from its reply and warnings: a value, or an exception."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .pickling import decode, rebuilt
from .protocol import messages
from .protocol.messages import Payload
from .relayed_warnings import issue

__tracebackhide__ = True

#: A value, or an exception that was raised in the peer.
Outcome = tuple[Any, BaseException | None]
#: Kind and payload of a message that replies to a call.
Reply = tuple[int, Payload]


def outcome(
    whom: Callable[[], str], kind: int, payload: Payload, warnings: Sequence[Payload] | None
) -> Outcome:
    """Issue the warnings, and return the value or the exception.

    A warning that the test's filters turn into an error becomes the outcome, with an exception of
    the call as its context.

    :param whom: returns the peer's name, for messages.
    :param kind: of the reply, whose payload this is.
    :param warnings: of the call, still encoded.
    """
    try:
        error: BaseException | None = None
        if warnings is not None:
            error = issue(warnings, whom())
        if kind == messages.RESULT:
            return (None, error) if error is not None else (decode(payload), None)
        raised = rebuilt(decode(payload), whom())
    except Exception as exc:
        exc.__traceback__ = None
        return None, exc
    if error is not None:
        error.__context__ = raised
        return None, error
    return None, raised


def value(
    whom: Callable[[], str], kind: int, payload: Payload, warnings: Sequence[Payload] | None
) -> Any:
    """Return the value or raise the exception of `outcome`."""
    result, exc = outcome(whom, kind, payload, warnings)
    if exc is None:
        return result
    try:
        raise exc
    finally:
        del exc  # a cycle through this frame would keep the test's local variables alive
