"""Exceptions and warnings rebuilt from what `exceptions.describe` made of them in a peer.

The `errors` given are the module of our errors, which not every peer has imported.
"""

from __future__ import annotations

import builtins
from typing import Any

from . import codec, exceptions, tracebacks

_RAISED = "raised in "


def rebuilt(description: dict[str, Any], peer: str, errors: Any, caller: str = "") -> BaseException:
    """Rebuild the exception that the peer of that name described, or what stands for it.

    :param caller: the peer that does so, if it is not the origin.
    """
    files = tracebacks.add_sources(description.get("sources", {}), peer)
    known: dict[int, BaseException] = {}

    def rebuild(description: dict[str, Any]) -> BaseException:
        if id(description) in known:
            return known[id(description)]
        texts = description["type"], description["repr"], description["text"]
        # Until its members are rebuilt: a cycle ends here.
        known[id(description)] = errors.RemoteError(*texts)
        members = [rebuild(each) for each in description.get("members", ())]
        exc = _itself(description, members, errors) or errors.RemoteError(*texts)
        known[id(description)] = exc
        exc = exc.with_traceback(tracebacks.build(description["frames"], files))
        for note in description.get("notes", ()):
            if note not in getattr(exc, "__notes__", ()):
                _add_note(exc, note)
        left_out = ", ".join(description.get("left_out", ()))
        if left_out:
            _add_note(
                exc, "could not travel: %s; there it was %s" % (left_out, description["repr"])
            )
        for name in ("context", "cause"):
            if name in description:
                object.__setattr__(exc, "__%s__" % name, rebuild(description[name]))
        object.__setattr__(exc, "__suppress_context__", description.get("suppress", False))
        return exc

    exc = rebuild(description)
    if isinstance(exc, KeyboardInterrupt):  # would end the whole run of pytest, or the peer's call
        text = "KeyboardInterrupt: %s" % exc if exc.args else "KeyboardInterrupt"
        exc = errors.PeerInterrupted(text).with_traceback(exc.__traceback__)
    # A note would become part of the reason of a skip.
    if not (description.get("disguised") or description.get("of_origin")):
        notes = getattr(exc, "__notes__", ())
        if not any(str(note).startswith(_RAISED) for note in notes):  # else it came by way of it
            called = ", which %s has called" % caller if caller else ""
            _add_note(exc, _RAISED + peer + called)
    return exc


def rebuilt_warning(description: dict[str, Any], errors: Any) -> Warning:
    """Rebuild the warning that a peer described, or one of its closest builtin class."""
    message = _itself(description, [], errors)
    if isinstance(message, Warning):
        return message
    category: type[Warning] = getattr(builtins, description["category"])
    return category("%s: %s" % (description["type"], description["text"]))


def _itself(
    description: dict[str, Any], members: list[BaseException], errors: Any
) -> BaseException | None:
    """Rebuild an exception without cause and traceback; ``None`` if that fails."""
    try:
        if "special" in description:
            name, text = description["special"]
            special: BaseException = getattr(errors, name)(text)
            return special
        if "class" in description:
            return exceptions.from_parts(description, members)
        exc = codec.loads(description["whole"])
        return exc if isinstance(exc, BaseException) else None
    except Exception:  # its class may raise anything
        return None


def _add_note(exc: BaseException, note: str) -> None:
    try:
        # Not by `add_note`: an old peer has none, but the origin shows the note.
        exc.__notes__ = [*getattr(exc, "__notes__", ()), note]
    except Exception:  # its class may forbid attributes: a frozen dataclass
        pass
