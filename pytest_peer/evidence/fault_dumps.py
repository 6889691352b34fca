"""Stack dumps by faulthandler, which needs no GIL: on a signal of ours, and on a peer's crash."""

import contextlib
import itertools
import os
import re
import resource
import signal
from collections.abc import Collection
from pathlib import Path

from ..core.clock import monotonic, sleep
from ..launch import procfs
from ..launch.bootstrap import own_files

#: The file for the dump of a crash.
CRASH = "crash.txt"
#: The file for dumps on our signal; `Stacks` copies them to ``stacks.txt``.
THREADS = "threads.txt"
#: The signal for a dump, hopefully unused by the peer; ``None`` without real-time signals.
NUMBER: int | None = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else None
#: Seconds between two looks at a dump that is being written.
_POLL = 0.002
#: Seconds without new text after which a dump is complete, if a thread still blocks the signal.
_QUIET = 0.25
#: A crash with a hundred deep threads writes more; the end is enough.
_MOST_BYTES = 1 << 16

_FRAME = re.compile(r'^  File "(?P<file>.*)", line \S+ in (?P<function>.*)$')
_THREADS = re.compile(r"^(?=Current thread |Thread )", re.MULTILINE)
#: Of the standard library: its frames say how a thread waits, and that of the caller for what.
_THREADING = re.compile(r"/(lib-)?python[^/]*/threading\.py$")
#: For threads without a frame to show, as in `agent.stacks`.
_IN_CALL = "  in a function written in C, called by a call"
_BARE = "  in `threading`, or in a function written in C"
#: For a call at a hold point: the frame that passes it has the function's name, and our file.
_HELD = "  held at a point of %s"
_PASSES, _STOPS = "/agent/point_code.py", "stop"
#: Our functions that call the user's.
_CALLERS = ("_run", "_drive")


def dump(pid: int, path: Path, deadline: float) -> str:
    """Make a process of ours, or below one, write its stacks; return them, empty if it cannot.

    A dump has no end marker. But a thread that runs the handler blocks its signal: the dump is
    complete when the signal is not pending and no thread blocks it that did not before.
    """
    begin = size = path.stat().st_size
    if NUMBER is None:
        return ""
    blocking = procfs.threads_blocking(pid, NUMBER)
    if not send(pid, NUMBER):
        return ""
    changed = 0.0
    while (now := monotonic()) < deadline:
        status = procfs.of_process(pid)
        if status is None or status.state in "ZX":
            break
        pending = status.pending >> (NUMBER - 1) & 1
        if not pending and procfs.threads_blocking(pid, NUMBER) <= blocking:
            break
        grown = path.stat().st_size
        if grown != size:
            size, changed = grown, now
        elif changed and now - changed > _QUIET:
            break  # a thread blocks the signal for another reason
        sleep(_POLL)
    with path.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", "backslashreplace")


def send(pid: int, number: int) -> bool:
    """Send a signal, SIGABRT without a core, if the process handles it; return whether it does.

    Without a handler the signal would kill the process.
    """
    try:
        process = os.pidfd_open(pid)  # unlike its number, this stays with the process
    except (AttributeError, OSError):
        return False
    try:
        status = procfs.of_process(pid)
        if status is None or status.stopped or not status.caught >> (number - 1) & 1:
            return False
        if number == signal.SIGABRT:
            # A limit of 0 prevents files, but only 1 prevents cores that go to a program (core(5)).
            _, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
            resource.prlimit(pid, resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
        signal.pidfd_send_signal(process, number)
    except OSError:  # it has ended
        return False
    finally:
        os.close(process)
    return True


def crash_text(path: Path, more: str) -> str:
    """Return what faulthandler wrote in a crash, and add a line there; empty if it wrote none."""
    try:
        text = path.read_bytes()[-_MOST_BYTES:].decode("utf-8", "backslashreplace")
    except OSError:  # the peer never opened it
        return ""
    if shown := readable(text, own_files()):
        with contextlib.suppress(OSError), path.open("ab") as file:
            file.write(f"{more}\n".encode("utf-8", "backslashreplace"))
        shown += f"\n{more}"
    return shown


def tidy(directory: Path) -> None:
    """Remove the files that are of no use after the end of the peer."""
    with contextlib.suppress(OSError):
        (directory / THREADS).unlink(missing_ok=True)
        if (directory / CRASH).stat().st_size == 0:
            (directory / CRASH).unlink()


def readable(text: str, own_files: Collection[str]) -> str:
    """Return a dump without the frames and threads of our code, which is in `own_files`."""
    head, *threads = _THREADS.split(text)
    kept = [_shown(thread.splitlines(), own_files) for thread in threads]
    return "\n\n".join(filter(None, [head.strip(), *kept])) if any(kept) else text.strip()


def aborted(output: str) -> str:
    """Return the dump on SIGABRT at the end of a peer's output; empty if there is none."""
    _, found, after = output.rpartition("Fatal Python error: Aborted")
    return (found + after).strip() if found else ""


def _shown(thread: list[str], own_files: Collection[str]) -> str:
    """Return a thread with the frames of the user's; empty if it is ours and in no call."""
    frames = [_FRAME.match(line) for line in thread]
    ours = [frame is not None and frame["file"] in own_files for frame in frames]
    calls = [i for i, frame in enumerate(frames) if ours[i] and frame and frame[2] in _CALLERS]
    if "  <no Python frame>" in thread or (any(ours) and not calls):  # the first has just started
        return ""
    # The most recent call is first. Below our caller are frames of ours and of the interpreter,
    # above it those that decode a call and send its reply; decoding may import the user's modules.
    end = calls[0] if calls else len(thread)
    hidden = [own or _is_of_threading(frame) for own, frame in zip(ours, frames, strict=True)]
    lines = [line for line, hide in zip(thread[:end], hidden, strict=False) if not hide]
    held = _held(frames[:end], hidden)
    if held:
        lines.insert(1, _HELD % held)
    elif not any(map(_FRAME.match, lines)):
        if end > 1 and any(ours[:end]):
            return ""
        lines.insert(1, _IN_CALL if calls else _BARE)
    lines += [line for line, frame in zip(thread[end:], frames[end:], strict=True) if not frame]
    return "\n".join(lines).rstrip()


def _held(frames: list[re.Match[str] | None], hidden: list[bool]) -> str:
    """Return which function is held, if a call is; no code of the user's runs above that."""
    places = [(each["file"].endswith(_PASSES), each[2]) if each else (False, "") for each in frames]
    for i, (inner, outer) in enumerate(itertools.pairwise(places)):
        if inner == (True, _STOPS) and outer[0]:
            return outer[1] if all(hidden[1 : i + 2]) else ""
    return ""


def _is_of_threading(frame: re.Match[str] | None) -> bool:
    return frame is not None and _THREADING.search(frame["file"]) is not None
