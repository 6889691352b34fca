"""Decorators of a library: their wrappers have neither the name nor the module of the function."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def guarded(fn: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.Lock()

    def wrapper(*args: Any) -> Any:
        with lock:
            return fn(*args)

    return wrapper


def counting(fn: Callable[..., Any]) -> Callable[..., int]:
    calls = 0

    def wrapper() -> int:
        nonlocal calls
        calls += 1
        return calls + len(fn.__name__) * 0

    return wrapper
