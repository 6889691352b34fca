"""What is done about an exception where nobody could catch it, and others must not have to suffer for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


def tell(error: BaseException) -> None:
    """As a thread does that ends with it: a test run shows it as a warning."""
    args = type(error), error, error.__traceback__, threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs(args))


def attempt(*steps: Callable[[], object]) -> None:
    """Take all steps; what one raises is told, and the others are taken all the same."""
    for step in steps:
        try:
            step()
        except Exception as exc:
            tell(exc)
