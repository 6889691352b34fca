"""The origin's side of the codec: refusals as our own errors, and exceptions of the peer made real again."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tblib import Traceback

from ..errors import DecodeError
from ..errors import EncodeError
from ..errors import PeerError
from ..errors import RemoteError
from . import codec

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

PythonVersion = tuple[int, int, int]


def by_value_refusal(implementation: str, version: PythonVersion) -> str:
    """Why code cannot be sent by value to such an interpreter; empty if it can."""
    ours = (sys.implementation.name, sys.version_info[:2])
    if (implementation, tuple(version[:2])) == ours:
        return ""
    there = f"{implementation} {version[0]}.{version[1]}"
    here = f"{ours[0]} {ours[1][0]}.{ours[1][1]}"
    return (
        f"code cannot travel by value between {here} and {there}: it would crash the interpreter. "
        "Move it to the top level of an importable module, or use the same Python version on both sides"
    )


def encode(obj: object, by_value: str, what: str) -> bytes:
    """Pickle `obj`.

    :param by_value: why code cannot be sent by value, see `by_value_refusal`.
    :param what: for the error message.
    :raises EncodeError: it cannot be sent; names which part.
    """
    try:
        return codec.dumps(obj, by_value)
    except codec.CannotEncode as exc:
        raise EncodeError(f"{what} {exc}") from exc.__cause__


def encode_call(
    fn: Callable[..., object] | str, args: tuple[Any, ...], kwargs: dict[str, Any], by_value: str
) -> bytes:
    """Pickle a call.

    :raises TypeError: `fn` is neither callable nor a string.
    :raises ValueError: a string not of the form ``"module:qualname"``.
    :raises EncodeError: a part of it cannot be sent; names which.
    """
    try:
        return codec.dumps((fn, args, kwargs), by_value)
    except codec.CannotEncode:
        encode(fn, by_value, "the function")
        for index, arg in enumerate(args):
            encode(arg, by_value, f"argument {index}")
        for name, arg in kwargs.items():
            encode(arg, by_value, f"argument {name!r}")
        raise


def decode(data: bytes, what: str = "the result") -> Any:
    """Unpickle what a peer sent.

    :raises DecodeError: it cannot be rebuilt here, because of ``__cause__``.
    """
    try:
        return pickle.loads(data)
    except Exception as exc:
        raise DecodeError(f"{what} cannot be rebuilt here: {type(exc).__name__}: {exc}") from exc


def rebuilt(description: dict[str, Any], note: str) -> BaseException:
    """The exception that a peer described: itself if possible, else an error of ours that stands for it.

    :param note: added to the exception; says where it was raised.
    """
    exc = _rebuilt(description)
    if (
        description.get("class", ("", ("", "")))[1][0] != "pytest"
    ):  # a note would become part of the reason of a skip
        exc.add_note(note)
    return exc


def _rebuilt(description: dict[str, Any]) -> BaseException:
    exc = _special(description) or _itself(description) or _stand_in(description)
    exc.__traceback__ = _traceback(description["frames"])
    for note in description.get("notes", ()):
        if note not in getattr(exc, "__notes__", ()):
            exc.add_note(note)
    if description.get("left_out"):
        exc.add_note(f"attributes that could not travel: {', '.join(description['left_out'])}")
    if description.get("context"):
        exc.__context__ = _rebuilt(description["context"])
    if description.get("cause"):
        exc.__cause__ = _rebuilt(description["cause"])
    exc.__suppress_context__ = description.get("suppress", False)
    return exc


def _special(description: dict[str, Any]) -> PeerError | None:
    if "special" not in description:
        return None
    name, message = description["special"]
    return EncodeError(message) if name == "EncodeError" else DecodeError(message)


def _itself(description: dict[str, Any]) -> BaseException | None:
    try:
        if "whole" in description:
            exc = pickle.loads(description["whole"])
        elif "class" in description:
            exc = _from_parts(description)
        else:
            return None
    except Exception:  # whatever its class does here: RemoteError has the rest
        return None
    return exc if isinstance(exc, BaseException) else None


def _from_parts(description: dict[str, Any]) -> BaseException:
    how, given = description["class"]
    cls = (
        codec.attribute(importlib.import_module(given[0]), given[1])
        if how == "reference"
        else pickle.loads(given)
    )
    args = pickle.loads(description["args"])
    if description.get("members"):
        args = (*args, [_rebuilt(member) for member in description["members"]])
    exc: BaseException = cls.__new__(cls, *args)
    if not description.get("members"):
        exc.args = args
    for name, value in description["state"].items():
        setattr(exc, name, pickle.loads(value))
    return exc


def _stand_in(description: dict[str, Any]) -> RemoteError:
    return RemoteError(description["type"], description["repr"], description["text"])


def _traceback(frames: list[tuple[str, str, int, str]]) -> TracebackType | None:
    described: dict[str, Any] | None = None
    for filename, name, line, module in reversed(frames):
        code = {"co_filename": filename, "co_name": name}
        frame = {
            "f_globals": {"__name__": module, "__file__": filename},
            "f_code": code,
            "f_lineno": line,
        }
        described = {"tb_frame": frame, "tb_lineno": line, "tb_next": described}
    if described is None:
        return None
    traceback: TracebackType | None = Traceback.from_dict(described).as_traceback()
    return traceback
