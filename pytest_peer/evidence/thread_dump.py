"""What faulthandler writes, for a reader; pure."""

from __future__ import annotations

import re
from collections.abc import Collection

_FRAME = re.compile(r'^  File "(?P<file>.*)", line \S+ in (?P<function>.*)$')
_THREAD = re.compile(r"^(?:Current thread|Thread) ")
_ABORTED = "Fatal Python error: Aborted"
_IN_C = "  in a function written in C, called by a call"
_NO_FRAME = "  <no Python frame>"
#: Our functions that call the user's.
_CALLERS = ("_run", "_drive")


def readable(text: str, own_files: Collection[str]) -> str:
    """`text` without the frames and threads that are our own.

    :param own_files: the files of our code in the peer.
    """
    head, *threads = _split(text)
    kept = [shown for thread in threads if (shown := _shown(thread, own_files))]
    if not kept:
        return text.strip()
    return "\n\n".join(filter(None, ["\n".join(head).strip(), *kept]))


def aborted(output: str) -> str:
    """What faulthandler wrote last into `output` on SIGABRT; empty if it did not."""
    _, found, after = output.rpartition(_ABORTED)
    return (found + after).strip() if found else ""


def _split(text: str) -> list[list[str]]:
    """What is before the first thread, and each thread's lines."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if _THREAD.match(line):
            parts.append([])
        parts[-1].append(line)
    return parts


def _shown(thread: list[str], own_files: Collection[str]) -> str:
    frames = [_FRAME.match(line) for line in thread]
    ours = [frame is not None and frame["file"] in own_files for frame in frames]
    called = [
        index
        for index, frame in enumerate(frames)
        if ours[index] and frame is not None and frame["function"] in _CALLERS
    ]
    if (any(ours) and not called) or _NO_FRAME in thread:
        return ""  # a thread of ours that is in no call, or has just begun
    lines = thread
    if called:
        # The most recent call is first, so what is below our caller is ours, or the interpreter's.
        end = next((i for i, frame in enumerate(frames) if frame is None and i > called[0]), None)
        below = [] if end is None else thread[end:]
        # Ours too is what takes a call apart and sends its answer; but the first may import the user's modules.
        theirs = [i for i in range(1, called[0]) if not ours[i]]
        if not theirs and called[0] > 1:
            return ""
        shown = thread[: theirs[-1] + 1] if theirs else [thread[0], _IN_C]
        lines = shown + below
    return "\n".join(lines).rstrip()
