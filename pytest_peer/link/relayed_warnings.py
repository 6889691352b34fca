"""Warnings of a call become the test's: its filters and recorders handle them."""

import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any

from . import tracebacks
from .origin_modules import OURS
from .pickling import decode, rebuilt_warning
from .protocol.messages import Payload

#: For each file of a peer the dict that Python keeps in a module, to show a warning once.
_registries: dict[str, dict[Any, Any]] = {}


def issue(payloads: Sequence[Payload], peer: str) -> Warning | None:
    """Issue a call's warnings, in order; return the first that a filter turns into an error.

    :param peer: its name, for messages.
    """
    for payload in payloads:
        described = decode(payload, "a warning")
        message = rebuilt_warning(described)
        files = tracebacks.sources.add(described["sources"], peer)
        filename = files.get(described["file"], described["file"])
        if described["of caller"]:
            frame = _caller()
            names = frame.f_globals
            registry = names.setdefault("__warningregistry__", {})
            place = frame.f_code.co_filename, frame.f_lineno, names.get("__name__", "<string>")
        else:
            registry = _registries.setdefault(filename, {})
            place = filename, described["line"], described["module"]
        try:
            warnings.warn_explicit(message, type(message), *place, registry)
        except Warning as exc:
            if exc is not message:
                raise
            if described["final"]:
                # Python ignores what a finalizer raises, so it does not end the call; show it.
                warnings.showwarning(message, type(message), filename, described["line"])
                continue
            message.add_note(f"warned of in {peer}")
            return message.with_traceback(tracebacks.build(described["frames"], files))
    return None


def _caller() -> FrameType:
    """Return the frame of the test that asks for the outcome."""
    frame = sys._getframe(1)
    while (frame.f_globals.get("__name__") or "").partition(".")[0] == OURS and frame.f_back:
        frame = frame.f_back
    return frame
