"""What is done about an exception that no caller can catch."""

from __future__ import annotations

import threading
from collections.abc import Callable


def report_unraisable(error: BaseException) -> None:
    """Report `error` as an exception that ends a thread: a test run shows it as a warning."""
    args = type(error), error, error.__traceback__, threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs(args))


def run_all(*steps: Callable[[], object]) -> None:
    """Call all `steps`, in order. An exception of one is reported and does not stop the others."""
    for step in steps:
        try:
            step()
        except Exception as exc:
            report_unraisable(exc)
