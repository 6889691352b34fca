"""The origin's side of the codec: refusals as our own errors, and exceptions of peers rebuilt."""

import builtins
import contextlib
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..core import errors
from ..core.errors import DecodeError, EncodeError, PeerInterrupted, RemoteError
from . import debugging, tracebacks
from .protocol import codec, exceptions, reductions
from .protocol.messages import Payload, snapshot

_PICKLERS = ("pytest_peer", "cloudpickle", "pickle", "copyreg")
#: A callable, or ``"module:qualname"``.
Function = Callable[..., Any] | str


def check_callable(fn: object) -> None:
    """Raise a TypeError or ValueError for what is no `Function`."""
    if not (all(fn.partition(":")) if isinstance(fn, str) else callable(fn)):
        error = ValueError if isinstance(fn, str) else TypeError
        raise error(f"expected a callable or 'module:qualname', got {fn!r}")


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
    fn = reductions.callee(fn)
    try:
        big = codec.big_buffers((*args, *kwargs.values()))
        return codec.pack((fn, args, kwargs), by_value, big)
    except codec.CannotEncode:
        pass
    # Again, part by part, for the message. Outside of the handler, to leave its exception out.
    names = ["the function", *(f"argument {key!r}" for key in (*range(len(args)), *kwargs))]
    for name, part in zip(names, (fn, *args, *kwargs.values()), strict=True):
        encode(part, by_value, name)
    return encode((fn, args, kwargs), by_value, "the call")


def decode(payload: Payload, what: str = "the result") -> Any:
    """Unpickle what a peer sent; raise `DecodeError` from the cause if that fails."""
    try:
        return codec.loads(payload)
    except (Exception, SystemExit) as exc:  # but not Ctrl-C
        raise DecodeError(f"{what} cannot be rebuilt here: {type(exc).__name__}: {exc}") from exc


def rebuilt(description: dict[str, Any], peer: str) -> BaseException:
    """Rebuild the exception that the peer of that name described, or what stands for it."""
    files = tracebacks.add_sources(description.get("sources", {}), peer)
    known: dict[int, BaseException] = {}

    def rebuild(description: dict[str, Any]) -> BaseException:
        if id(description) in known:
            return known[id(description)]
        texts = description["type"], description["repr"], description["text"]
        # Until its members are rebuilt: a cycle ends here.
        known[id(description)] = RemoteError(*texts)
        members = [rebuild(each) for each in description.get("members", ())]
        exc = known[id(description)] = _itself(description, members) or RemoteError(*texts)
        exc = exc.with_traceback(tracebacks.build(description["frames"], files))
        for note in description.get("notes", ()):
            if note not in getattr(exc, "__notes__", ()):
                _add_note(exc, note)
        if left_out := ", ".join(description.get("left_out", ())):
            _add_note(exc, f"could not travel: {left_out}; there it was {description['repr']}")
        for name in ("context", "cause"):
            if name in description:
                object.__setattr__(exc, f"__{name}__", rebuild(description[name]))
        object.__setattr__(exc, "__suppress_context__", description.get("suppress", False))
        return exc

    exc = rebuild(description)
    if isinstance(exc, KeyboardInterrupt):  # would end the whole run of pytest
        text = f"KeyboardInterrupt: {exc}" if exc.args else "KeyboardInterrupt"
        exc = PeerInterrupted(text).with_traceback(exc.__traceback__)
    if description.get("kept"):
        debugging.kept.append(debugging.Kept(exc, *description["kept"]))
    if not description.get("disguised"):  # a note would become part of the reason of a skip
        _add_note(exc, f"raised in {peer}")
    return exc


def rebuilt_warning(description: dict[str, Any]) -> Warning:
    """Rebuild the warning that a peer described, or one of its closest builtin class."""
    message = _itself(description, [])
    if isinstance(message, Warning):
        return message
    category: type[Warning] = getattr(builtins, description["category"])
    return category(f"{description['type']}: {description['text']}")


def _itself(description: dict[str, Any], members: list[BaseException]) -> BaseException | None:
    """Rebuild an exception without cause and traceback; ``None`` if that fails."""
    with contextlib.suppress(Exception):  # its class may raise anything
        if "special" in description:
            name, text = description["special"]
            special: BaseException = getattr(errors, name)(text)
            return special
        if "class" in description:
            return exceptions.from_parts(description, members)
        exc = codec.loads(description["whole"])
        return exc if isinstance(exc, BaseException) else None
    return None


def _add_note(exc: BaseException, note: str) -> None:
    with contextlib.suppress(Exception):  # its class may forbid attributes: a frozen dataclass
        exc.add_note(note)
