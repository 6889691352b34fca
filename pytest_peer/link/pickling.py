"""The origin's side of the codec: refusals as our own errors, and exceptions of the peer made real again."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import pickle
from collections.abc import Callable
from typing import Any

from ..core.errors import DecodeError
from ..core.errors import EncodeError
from ..core.errors import PeerError
from ..core.errors import RemoteError
from . import tracebacks
from .protocol import codec
from .protocol import exceptions
from .protocol.segments import Payload
from .protocol.segments import kept

__tracebackhide__ = True


def encode(obj: object, by_value: str, what: str) -> Payload:
    """Pickle `obj`; what happens to it later does not matter.

    :param by_value: why code cannot be sent by value, see `interpreter.by_value_refusal`.
    :param what: for the error message.
    :raises EncodeError: it cannot be sent; names which part.
    """
    try:
        return kept(codec.pack(obj, by_value, codec.big_in((obj,))))
    except codec.CannotEncode as exc:
        raise EncodeError(f"{what} {exc}") from exc.__cause__


def encode_call(
    fn: Callable[..., object] | str, args: tuple[Any, ...], kwargs: dict[str, Any], by_value: str
) -> Payload:
    """Pickle a call. Big buffers in it are not copied: they must not change until it is sent, or `kept`.

    :raises TypeError: `fn` is neither callable nor a string.
    :raises ValueError: a string not of the form ``"module:qualname"``.
    :raises EncodeError: a part of it cannot be sent; names which.
    """
    big = codec.big_in(args)
    if kwargs:
        big += codec.big_in(kwargs.values())
    try:
        return codec.pack((fn, args, kwargs), by_value, big)
    except codec.CannotEncode:
        pass
    # Once more, part by part, to say which it is; outside of the handler, whose exception would be shown with it.
    encode(fn, by_value, "the function")
    for index, arg in enumerate(args):
        encode(arg, by_value, f"argument {index}")
    for name, arg in kwargs.items():
        encode(arg, by_value, f"argument {name!r}")
    return encode((fn, args, kwargs), by_value, "the call")


def decode(payload: Payload, what: str = "the result") -> Any:
    """Unpickle what a peer sent.

    :raises DecodeError: it cannot be rebuilt here, because of ``__cause__``.
    """
    try:
        return codec.loads(payload)
    except (Exception, SystemExit) as exc:  # not Ctrl-C, which is the user's
        raise DecodeError(f"{what} cannot be rebuilt here: {type(exc).__name__}: {exc}") from exc


def rebuilt(description: dict[str, Any], whose: str) -> BaseException:
    """The exception that a peer described: itself if possible, else an error of ours that stands for it.

    :param whose: names the peer; a note says that it was raised there.
    """
    files = tracebacks.sources.known(description.get("sources", {}), whose)
    exc = _Rebuilder(files).rebuild(description)
    if not description.get("disguised"):  # a note would become part of the reason of a skip
        _add_note(exc, f"raised in {whose}")
    return exc


def rebuilt_warning(description: dict[str, Any]) -> Warning:
    """The warning that a peer described; of a class that is not here, one of the builtin class that is closest to it."""
    message = _Rebuilder({}).itself(description)
    if isinstance(message, Warning):
        return message
    category: type[Warning] = getattr(builtins, description["category"])
    return category(f"{description['type']}: {description['text']}")


class _Rebuilder:
    """Makes exceptions of descriptions; the same one of the same description.

    :param files: see `tracebacks.made`.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files
        self._known: dict[int, BaseException | None] = {}

    def rebuild(self, description: dict[str, Any]) -> BaseException:
        """Make the exception."""
        return self._rebuilt(description) or _stand_in(description)

    def _rebuilt(self, description: dict[str, Any]) -> BaseException | None:
        if id(description) in self._known:
            return self._known[
                id(description)
            ]  # None while its members are being made: a cycle ends there
        self._known[id(description)] = None
        exc = _special(description) or self.itself(description) or _stand_in(description)
        self._known[id(description)] = exc
        exc = exc.with_traceback(tracebacks.made(description["frames"], self._files))
        for note in description.get("notes", ()):
            if note not in getattr(exc, "__notes__", ()):
                _add_note(exc, note)
        if description.get("left_out"):
            _add_note(
                exc, f"attributes that could not travel: {', '.join(description['left_out'])}"
            )
        for name in ("context", "cause"):
            if name in description:
                object.__setattr__(exc, f"__{name}__", self._rebuilt(description[name]))
        object.__setattr__(exc, "__suppress_context__", description.get("suppress", False))
        return exc

    def itself(self, description: dict[str, Any]) -> BaseException | None:
        """The exception alone, without what belongs to it; ``None`` if it cannot be made."""
        try:
            if "whole" in description:
                exc = pickle.loads(description["whole"])
            elif "class" in description:
                exc = self._from_parts(description)
            else:
                return None
        except Exception:  # whatever its class does here: RemoteError has the rest
            return None
        return exc if isinstance(exc, BaseException) else None

    def _from_parts(self, description: dict[str, Any]) -> BaseException:
        how, given = description["class"]
        if how == "reference":
            cls = codec.attribute(importlib.import_module(given[0]), given[1])
        else:
            cls = pickle.loads(given)
        args = pickle.loads(description["args"])
        exc: BaseException
        if "members" in description:
            exc = cls.__new__(cls, *args, [self.rebuild(each) for each in description["members"]])
        else:
            # Past the class's own __init__, which may want other arguments than those it gave to its base.
            exc = cls.__new__(cls, *args)
            exceptions.builtin_base(cls).__init__(exc, *args)  # type: ignore[misc]
        for name, value in description["state"].items():
            known = pickle.loads(value)
            if (
                getattr(exc, name, None) != known
            ):  # most C fields are there since __init__, and None is not always nothing
                with contextlib.suppress(AttributeError, TypeError):  # one that can only be read
                    object.__setattr__(exc, name, known)
        return exc


def _special(description: dict[str, Any]) -> PeerError | None:
    if "special" not in description:
        return None
    name, message = description["special"]
    return EncodeError(message) if name == "EncodeError" else DecodeError(message)


def _add_note(exc: BaseException, note: str) -> None:
    with contextlib.suppress(
        Exception
    ):  # its class may forbid attributes, as a frozen dataclass does
        exc.add_note(note)


def _stand_in(description: dict[str, Any]) -> RemoteError:
    return RemoteError(description["type"], description["repr"], description["text"])
