"""Why a peer never ran, or is down: the texts and errors for it."""

from __future__ import annotations

import errno
import resource
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import BootError, BootTimeout, HandshakeError, PeerDown
from ..core.states import CRASH_SIGNALS, DownReason, ExitStatus, signal_name
from ..evidence import core_dump, fault_dumps
from .process import PeerProcess


def boot_error(
    who: str,
    process: PeerProcess,
    reason: DownReason,
    *,
    stopped: bool,
    timed_out: bool,
    stacks: str,
) -> BootError:
    """Return why a peer never ran.

    :param stopped: Whether it was asked to stop before it ran.
    :param timed_out: Whether its time for the boot was over, so that it was killed.
    :param stacks: Where it was then.
    """
    output = process.streams.text()
    error, what = BootError, f"did not boot: its process {_how(reason)}"
    if process.unusable is not None:
        error, what = HandshakeError, f"did not boot: {process.unusable}"
    elif timed_out:
        return BootTimeout(
            f"{who} did not boot in time and was killed",
            argv=process.argv,
            exit_status=reason.exit_status,
            output=output,
            stacks=stacks or fault_dumps.aborted(output),
        )
    elif stopped:
        what = "was stopped while it was booting"
    return error(f"{who} {what}", argv=process.argv, exit_status=reason.exit_status, output=output)


def peer_down(
    who: str,
    reason: DownReason | None,
    last_output: str,
    crash: str,
    boot_error: BaseException | None,
) -> PeerDown:
    """Return what a call raises now that its peer is down."""
    error = PeerDown(f"{who} is down: {reason}", reason, last_output, crash)
    error.__cause__ = boot_error
    return error


@dataclass(frozen=True, slots=True)
class Crash:
    """What is left of a crash."""

    #: As in ``crash.txt``.
    text: str = ""
    #: The file with the core, or why there is none; ``None`` if it was no crash.
    core: str | None = None


def crash(process: PeerProcess, status: ExitStatus | None, directory: Path) -> Crash:
    """Secure what the process has left, if it died of a signal that means a fault."""
    pid = process.pid
    number = status.signal if status is not None else None
    if number is None or number not in CRASH_SIGNALS or pid is None:
        return Crash()
    if process.elsewhere:
        return Crash(
            fault_dumps.crash_text(directory), "none looked for: the peer was on another machine"
        )
    crashed = core_dump.Crashed(
        pid,
        process.cwd,
        resource.getrlimit(resource.RLIMIT_CORE)[0],
        process.start_time,
    )
    found = core_dump.collect(crashed, directory)
    fault_dumps.add_to_crash(directory, f"core: {found}")
    return Crash(fault_dumps.crash_text(directory), found)


def boot_timeout(who: str, process: PeerProcess, seconds: float | None) -> BootTimeout:
    """Return the error of a wait for a boot, which goes on."""
    what = f"{who} is still booting after {seconds:g} s"
    return BootTimeout(
        what, argv=process.argv, output=process.streams.text() if process.started else ""
    )


#: What the system lacks when it refuses something, by the number of its error.
_LACKING = {
    errno.EMFILE: "the origin has no descriptors left; raise RLIMIT_NOFILE (ulimit -n), "
    "a peer takes 7",
    errno.ENFILE: "the system has no descriptors left (fs.file-max)",
    errno.EAGAIN: "no more processes or threads for this user, or in this container "
    "(ulimit -u, pids.max)",
    errno.ENOMEM: "no memory left (RLIMIT_AS, or the system's)",
    errno.ENOSPC: "no room for the peer's artifacts; empty the disk, "
    "or give the option `artifacts`",
}


#: How Python begins to say so, also in a sub-interpreter.
_THREADLESS = ("can't start new thread", "daemon threads are disabled")


def start_error(name: str, exc: BaseException) -> BaseException:
    """Return why there is no process: `exc`, or what it means if the system refuses something."""
    threadless = isinstance(exc, RuntimeError) and str(exc).startswith(_THREADLESS)
    if isinstance(exc, BootError) or not (isinstance(exc, OSError) or threadless):
        return exc
    refused = str(exc) == _THREADLESS[0]  # else the text has the reason
    number = errno.EAGAIN if refused else getattr(exc, "errno", None)
    advice = f"; {_LACKING[number]}" if number in _LACKING else ""
    return BootError(f"peer {name!r} could not be started: {exc}{advice}")


def disowned(who: str) -> PeerDown:
    """Return what a call raises in a process that was forked from the peer's origin."""
    return PeerDown(f"{who} belongs to the process that this one was forked from")


def not_gone(who: str, seconds: float, state: str) -> PeerDown:
    """Return the error for a process that was killed and does not end.

    The kernel waits for something, a debugger holds it, or the fault is ours: the error shows what
    the threads of this process do meanwhile.

    :param state: Of the process, in words; empty if unknown.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
        if ident != threading.get_ident()
    ]
    what = f"{who} was killed and is not gone after {seconds:g} s" + (f": {state}" if state else "")
    return PeerDown("\n".join([what, *stacks]))


def _how(reason: DownReason) -> str:
    if reason.signal is not None:
        return f"was killed by {signal_name(reason.signal)}"
    return (
        f"exited with status {reason.exit_status}"
        if reason.exit_status is not None
        else "never answered"
    )
