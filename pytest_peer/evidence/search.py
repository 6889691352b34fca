"""Waits for a pattern in what a peer writes, to one stream or to any of several."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..core.clock import Periods, monotonic, seconds
from ..core.errors import quoted

if TYPE_CHECKING:
    from .output import OutputStream

#: Seconds between checks of a file for which someone waits: the kernel does not report its growth.
_FILE_POLL_SECONDS = 0.02
#: The end of the output that an error shows, in bytes.
_TAIL = 8192


class Found(NamedTuple):
    """A match, the stream with it, and the number of bytes there that end with the match."""

    match: re.Match[str]
    stream: OutputStream
    end: int


def wait_for(
    pattern: str | re.Pattern[str],
    timeout: float | None,
    begins: Mapping[OutputStream, int],
    held: Callable[[], bool],
) -> Found:
    """Wait for a match in one of the streams, which are one peer's, each from its byte on.

    No limit passes while the peer is `held`. If one of its services ends, its failure is raised.
    """
    regex, limit = re.compile(pattern), seconds("timeout", timeout)
    limits = Periods(limit, held)
    next(limits)
    deadline = monotonic() + (math.inf if limit is None else limit)
    seen = dict(begins)
    changed, services, where = next((e.changed, e.services, e.where) for e in begins)
    while True:
        for stream in seen:
            stream.drain()
        sizes = {stream: stream.size for stream in seen}
        closed = all(stream.closed for stream in seen)
        # After the look at their state: a service ends after the last of its output.
        failure = services.failure()
        for stream in seen:
            if found := stream.find(regex, begins[stream], seen[stream]):
                return Found(found[0], stream, found[1])
        if failure is not None:
            raise failure
        seen = sizes
        left = deadline - monotonic()
        if left <= 0 and not closed and (more := next(limits, None)):
            left, deadline = more, monotonic() + more
        if closed or left <= 0:
            why = "the peer is down" if closed else f"not within {limit:g} s"
            # What the last output shows may be in front of that.
            behind = " behind the place where this search began" if any(begins.values()) else ""
            text = f"{regex.pattern!r} was not written{behind}: {why}\n{_tails(seen)}"
            raise TimeoutError(text if closed else text + where(limit))
        polled = not all(stream.reported for stream in seen)
        pause = min(left, _FILE_POLL_SECONDS) if polled else left
        changed.wait_for(partial(_has_news, sizes, services.failure), pause)


def _has_news(sizes: Mapping[OutputStream, int], failure: Callable[[], object]) -> bool:
    changed = any(each.closed or each.size != size for each, size in sizes.items())
    return changed or failure() is not None


def _tails(streams: Mapping[OutputStream, int]) -> str:
    """Return the last output, for an error message; of several streams, of those with some."""
    if len(streams) == 1:
        return "".join(quoted("last output", _tail(each)) for each in streams)
    written = {each.path.stem: _tail(each) for each in streams if each.size}
    tails = [quoted(f"last output on {name}", text) for name, text in written.items()]
    return "\n".join(tails) or quoted("last output", "")


def _tail(stream: OutputStream) -> str:
    return stream.text_since(stream.size - _TAIL)
