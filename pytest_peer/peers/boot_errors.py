"""The text of a `BootError`, `BootTimeout` or `HandshakeError`: why a peer never ran."""

import errno
from typing import TYPE_CHECKING, Any

from ..core.errors import BootError, BootTimeout, HandshakeError
from ..core.options import PeerOptions
from ..evidence import fault_dumps
from .process import PeerProcess

if TYPE_CHECKING:
    from .record import Record

#: What the system lacks when it refuses something, by the number of its error.
_LACKING = {
    errno.EMFILE: "the origin has no descriptors left; raise RLIMIT_NOFILE (ulimit -n), "
    "a peer takes 7",
    errno.ENFILE: "the system has no descriptors left (fs.file-max)",
    errno.EAGAIN: "no more processes or threads for this user, or in this container "
    "(ulimit -u, pids.max)",
    errno.ENOMEM: "no memory left (RLIMIT_AS, or the system's)",
    errno.EFBIG: "no file may be as long as it needs (RLIMIT_FSIZE, ulimit -f)",
    errno.ENOSPC: "no room for the peer's artifacts; empty the disk, "
    "or give the option `artifacts`",
}
#: How Python begins to say that there are no more threads, also in a sub-interpreter.
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


def still_booting(record: "Record", process: PeerProcess, timeout: float | None) -> BootTimeout:
    """Return why a wait is over for a boot that goes on."""
    text = f"{record.whom()} is still booting after {timeout:g} s: {record.missing}"
    return BootTimeout(text, argv=process.starter.argv, output=process.streams.text())


def boot_error(options: PeerOptions, process: PeerProcess, record: "Record") -> BootError:
    """Return why a process that was started has ended before it was a peer."""
    who, status = f"peer {options.name!r}", process.exit_status
    facts: dict[str, Any] = {
        "argv": process.starter.argv,
        "exit_status": status.code if status is not None else None,
        "output": process.streams.text(),
    }
    if process.unusable is not None:
        return HandshakeError(f"{who} did not boot: {process.unusable}", **facts)
    if (cause := record.setup_error) is not None:
        text = f"{type(cause).__name__}: {cause}"
        error = BootError(f"{who} did not boot: its setup raised {text}", **facts)
        error.__cause__ = cause
        return error
    if record.boot_stacks is not None:
        facts["stacks"] = record.boot_stacks or fault_dumps.aborted(facts["output"])
        within = f"within {options.boot_limit:g} s (option wait_boot)"
        return BootTimeout(f"{who} did not boot {within} and was killed: {record.missing}", **facts)
    if record.reason.kind == "stopped":
        why = f": {record.reason.detail}" if record.reason.detail else ""
        return BootError(f"{who} was stopped while it was booting{why}", **facts)
    how = "never answered"
    if status is not None:
        how = f"was {status}" if status.signal is not None else str(status)
    return BootError(f"{who} did not boot: its process {how}", **facts)
