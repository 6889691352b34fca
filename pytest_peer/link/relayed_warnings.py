"""Warnings of a call become the test's: its filters and whoever records warnings decide what becomes of them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any

from . import tracebacks
from .pickling import decode
from .pickling import rebuilt_warning
from .protocol.segments import Payload

__tracebackhide__ = True

_PACKAGE = __name__.partition(".")[0]
#: What Python keeps in a module, to show a warning once: of each file of a peer.
_registries: dict[str, dict[Any, Any]] = {}


def refused(payloads: Sequence[Payload], whose: str) -> Warning | None:
    """Issue what a peer has warned of, in order, until a filter makes an error of one: that is returned.

    :param whose: names the peer.
    """
    for payload in payloads:
        described = decode(payload, "a warning")
        message = rebuilt_warning(described)
        files = tracebacks.sources.known(described["sources"], whose)
        try:
            _issue(message, described, files)
        except Warning as exc:
            if exc is not message:
                raise
            if described["final"]:
                # A finalizer's: Python would ignore what it raises, so it is not the call's. But it is not lost.
                place = files.get(described["file"], described["file"]), described["line"]
                warnings.showwarning(message, type(message), *place)
                continue
            message.add_note(f"warned of in {whose}")
            return message.with_traceback(tracebacks.made(described["frames"], files))
    return None


def _issue(message: Warning, described: dict[str, Any], files: dict[str, str]) -> None:
    if described["of caller"]:
        frame = _caller()
        names = frame.f_globals
        registry = names.setdefault("__warningregistry__", {})
        place = frame.f_code.co_filename, frame.f_lineno, names.get("__name__", "<string>")
    else:
        filename = files.get(described["file"], described["file"])
        registry = _registries.setdefault(filename, {})
        place = filename, described["line"], described["module"]
    warnings.warn_explicit(message, type(message), *place, registry)


def _caller() -> FrameType:
    """The frame of the test that asks for the answer."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0] == _PACKAGE
