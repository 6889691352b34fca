"""What a point is made of: the function it is for, which call is meant, what that raises."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from ...core.errors import PointNotFound
from ...link.pickling import check_callable, encode
from ...link.protocol import exceptions

#: A function, or its name.
Target = Callable[..., Any] | str
_PLACES = ("entry", "return", "raise")


def check(at: object, when: object, nth: object, times: object, required: object) -> None:
    """Check the options of a point; raise a TypeError or ValueError that names one."""
    if at not in _PLACES:
        raise ValueError(f"at: expected one of {', '.join(map(repr, _PLACES))}, got {at!r}")
    if when is not None and not callable(when):
        raise TypeError(f"when: expected a callable or None, got {when!r}")
    if not isinstance(required, bool):
        raise TypeError(f"required: expected a bool, got {required!r}")
    for name, value in (("nth", nth), ("times", times)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            error = ValueError if type(value) is int else TypeError
            raise error(f"{name}: expected a number from 1 on, got {value!r}")


def check_failure(exc: object) -> None:
    """Raise a TypeError for what cannot be raised."""
    if isinstance(exc, type) and issubclass(exc, BaseException):
        _made(exc)
    elif not isinstance(exc, BaseException):
        raise TypeError(f"expected an exception, or a class of exceptions, got {exc!r}")


def _made(cls: type) -> object:
    try:
        return cls()
    except TypeError as exc:
        name = cls.__qualname__
        text = f"{name} cannot be made without arguments: give an exception, as {name}(...)"
        raise TypeError(f"{text}; {exc}") from None


def named(target: Target) -> tuple[Any, str]:
    """Return what to send for a target, and its name."""
    if isinstance(target, str):
        check_callable(target)
        return target, target
    sent: Any = target
    if isinstance(target, property) and target.fget is not None:
        sent = f"{target.fget.__module__}:{target.fget.__qualname__}"
        return sent, sent
    if isinstance(target, types.MethodType) and not isinstance(target.__self__, type):
        sent = target.__func__
    name = f"{getattr(sent, '__module__', None)}:{getattr(sent, '__qualname__', repr(sent))}"
    data = encode(sent, "", "the target")
    if isinstance(data, bytes) and b"cloudpickle" in data:
        text = f"{name} travels by value, so no call in the peer would come to it"
        raise PointNotFound(f"{text}; give its name there, as 'module:function'")
    return sent, name


def described(failure: object, by_value: str) -> dict[str, Any] | None:
    """Describe an exception that a call is to raise; each gets one of its own."""
    if failure is None:
        return None
    exc = _made(failure) if isinstance(failure, type) else failure
    assert isinstance(exc, BaseException)
    if isinstance(exc, BaseExceptionGroup):
        return {"whole": encode(exc, by_value, "the exception")}
    return exceptions.portable(exc, by_value) or {"whole": encode(exc, by_value, "the exception")}
