"""What is told of a peer's end."""

from __future__ import annotations

import errno
import resource
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import BootError
from ..core.errors import BootTimeout
from ..core.errors import HandshakeError
from ..core.errors import PeerDown
from ..core.states import DownReason
from ..core.states import ExitStatus
from ..core.states import signal_name
from ..evidence import core_dump
from ..evidence import fault_dumps
from .boot_limit import BootLimit
from .process import PeerProcess


def boot_error(
    who: str,
    body: PeerProcess,
    reason: DownReason,
    limit: BootLimit | None,
    *,
    stopped: bool,
) -> BootError:
    """Why a peer never ran.

    :param limit: its time for the boot, if that was over, so that it was killed.
    :param stopped: it was told to stop before it ran.
    """
    output = body.streams.text()
    error, what = BootError, f"did not boot: its process {_how(reason)}"
    if body.unusable is not None:
        error, what = HandshakeError, f"did not boot: {body.unusable}"
    elif limit is not None:
        return BootTimeout(
            f"{who} did not boot in time and was killed",
            argv=body.argv,
            exit_status=reason.exit_status,
            output=output,
            stacks=limit.found or fault_dumps.aborted(output),
        )
    elif stopped:
        what = "was stopped while it was booting"
    return error(f"{who} {what}", argv=body.argv, exit_status=reason.exit_status, output=output)


def peer_down(
    who: str,
    reason: DownReason | None,
    last_output: str,
    crash: str,
    boot_error: BootError | None,
) -> PeerDown:
    """What a call raises now that its peer is down."""
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


def crash(body: PeerProcess, status: ExitStatus | None, directory: Path) -> Crash:
    """Secure what the process has left, if a signal has ended it that means a fault."""
    pid = body.pid
    number = status.signal if status is not None else None
    if number is None or number not in core_dump.DUMPING or pid is None:
        return Crash()
    if body.elsewhere:
        return Crash(
            fault_dumps.crash_text(directory), "none looked for: the peer was on another machine"
        )
    process = core_dump.Crashed(
        pid,
        body.cwd,
        resource.getrlimit(resource.RLIMIT_CORE)[0],
        body.started,
    )
    found = core_dump.collect(process, directory)
    fault_dumps.add_to_crash(directory, f"core: {found}")
    return Crash(fault_dumps.crash_text(directory), found)


def boot_timeout(who: str, body: PeerProcess, seconds: float | None) -> BootTimeout:
    """It has not booted yet, and goes on."""
    what = f"{who} is still booting after {seconds:g} s"
    return BootTimeout(what, argv=body.argv, output=body.streams.text() if body.born else "")


#: What a system that refuses something lacks, by the number of its error.
_LACKING = {
    errno.EMFILE: "the origin has no descriptors left; raise RLIMIT_NOFILE (ulimit -n), a peer takes 7",
    errno.ENFILE: "the system has no descriptors left (fs.file-max)",
    errno.EAGAIN: "no more processes or threads for this user, or in this container (ulimit -u, pids.max)",
    errno.ENOMEM: "no memory left (RLIMIT_AS, or the system's)",
    errno.ENOSPC: "no room for the peer's artifacts; empty the disk, or give the option `artifacts`",
}


#: How Python begins to say so, also in a sub-interpreter.
_THREADLESS = ("can't start new thread", "daemon threads are disabled")


def never_started(name: str, exc: BaseException) -> BaseException:
    """Why there is no process: `exc`, or what that means, if the system refuses what a peer needs at the origin."""
    threadless = isinstance(exc, RuntimeError) and str(exc).startswith(_THREADLESS)
    if isinstance(exc, BootError) or not (isinstance(exc, OSError) or threadless):
        return exc
    refused = str(exc) == _THREADLESS[0]  # else it tells why
    number = errno.EAGAIN if refused else getattr(exc, "errno", None)
    advice = f"; {_LACKING[number]}" if number in _LACKING else ""
    return BootError(f"peer {name!r} could not be started: {exc}{advice}")


def thread_died(name: str) -> BootError:
    """The thread that was to start the process has ended before any code of ours."""
    return BootError(
        f"peer {name!r} could not be started: the thread that does it died before it could; "
        "something raises in all new threads: what was given to `threading.settrace` or `threading.setprofile`?"
    )


def not_gone(who: str, seconds: float, state: str) -> PeerDown:
    """Something that was killed does not end: a kernel's wait, a debugger, or a fault of ours. Shows what this process does meanwhile.

    :param state: of the process, in words; empty if nobody knows.
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
