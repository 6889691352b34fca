"""The origin's side of the codec: refusals as our own errors, and exceptions of peers rebuilt."""

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..core import errors
from ..core.errors import DecodeError, EncodeError
from . import debugging
from .protocol import codec, rebuilding
from .protocol.messages import Payload, snapshot

_PICKLERS = ("pytest_peer", "cloudpickle", "pickle", "copyreg")
#: A callable, or ``"module:qualname"``.
Function = Callable[..., Any] | str
check_callable: Callable[[object], None] = codec.check_callable


def encode(obj: object, by_value: str, what: str) -> Payload:
    """Pickle `obj`, whose later changes do not matter, or raise an EncodeError that says `what`."""
    try:
        return snapshot(codec.pack(obj, by_value, codec.big_buffers((obj,))))
    except codec.CannotEncode as exc:
        raise EncodeError(f"{what} {exc}") from _as_seen_by_users(exc.__cause__)


def _as_seen_by_users(exc: BaseException | None) -> BaseException | None:
    """Leave out of the traceback what is not the user's code."""
    steps = traceback.walk_tb(exc.__traceback__ if exc is not None else None)
    shown: TracebackType | None = None
    for frame, line in reversed(list(steps)):
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _PICKLERS:
            shown = TracebackType(shown, frame, frame.f_lasti, line)
    return exc and exc.with_traceback(shown)


def encode_call(
    fn: Function, args: tuple[Any, ...], kwargs: dict[str, Any], by_value: str
) -> Payload:
    """Pickle a call, without copying big buffers: see `snapshot` and `MessageSender.snapshot`.

    :raises EncodeError: a part of it cannot be sent; names the part.
    """
    try:
        return codec.pack_call(fn, args, kwargs, by_value)
    except codec.CannotEncode as exc:
        raise EncodeError(str(exc)) from _as_seen_by_users(exc.__cause__)


def decode(payload: Payload, what: str = "the result") -> Any:
    """Unpickle what a peer sent; raise `DecodeError` from the cause if that fails."""
    try:
        return codec.loads(payload)
    except (Exception, SystemExit) as exc:  # but not Ctrl-C
        raise DecodeError(f"{what} cannot be rebuilt here: {type(exc).__name__}: {exc}") from exc


def rebuilt(description: dict[str, Any], peer: str) -> BaseException:
    """Rebuild the exception that the peer of that name described, or what stands for it."""
    exc = rebuilding.rebuilt(description, peer, errors)
    if description.get("kept"):
        debugging.kept.append(debugging.Kept(exc, *description["kept"]))
    return exc


def rebuilt_warning(description: dict[str, Any]) -> Warning:
    """Rebuild the warning that a peer described, or one of its closest builtin class."""
    return rebuilding.rebuilt_warning(description, errors)
