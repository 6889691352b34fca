"""The record of one life of a peer: why it never ran or is down, its crash, its manifest."""

import contextlib
import errno
import resource
from typing import Any

from ..core.clock import now
from ..core.down_reason import CRASH_SIGNALS, DownReason, PeerState, down_reason
from ..core.errors import BootError, BootTimeout, HandshakeError, PeerDown
from ..core.options import PeerOptions
from ..core.worker import run_all
from ..evidence import core_dump, fault_dumps
from ..evidence.artifacts import Artifacts, manifest_text
from .process import PeerProcess

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
#: How Python begins to say that there are no more threads, also in a sub-interpreter.
_THREADLESS = ("can't start new thread", "daemon threads are disabled")


class Record:
    """What is known of one life; `lifecycle` fills it, on threads of ours."""

    #: There before the process is started.
    artifacts: Artifacts
    #: There before the peer is down.
    reason: DownReason

    def __init__(self, options: PeerOptions, process: PeerProcess) -> None:
        self._options = options
        self._process = process
        self._crash_text = ""
        # The file with the core, or why there is none; `None` if it was no crash.
        self._core: str | None = None
        self.boot_error: BaseException | None = None  # why it never ran, or never in this process
        #: Where the process was when the time for the boot was over; `None` if it ended before.
        self.boot_stacks: str | None = None
        self.ended: float = 0.0  # as ``time.time``

    def whom(self) -> str:
        pid = self._process.pid
        return f"peer {self._options.name!r}" + (f" (pid {pid})" if pid is not None else "")

    def never_started(self, exc: BaseException) -> None:
        self.boot_error = start_error(self._options.name, exc)
        self.reason = DownReason("boot failed")
        self.ended = now()
        if hasattr(self, "artifacts"):
            run_all(self.artifacts.discard)

    def disowned(self) -> None:
        self.reason = DownReason("link lost")
        self.boot_error = PeerDown("this process was forked from the peer's origin")
        self.ended = now()

    def conclude(self, *, booted: bool, stopped: bool, link_lost: bool) -> None:
        """Secure the traces of the process that has ended, decide why it has, and write it down."""
        process = self._process.os_process
        self.reason = down_reason(
            stopped=stopped,
            booted=booted,
            link_lost=link_lost,
            exit_status=process.exit_status,
            status_lost=process.child.status_lost,
        )
        run_all(
            self._process.close,
            *(() if self.boot_stacks is not None else (self._secure_crash,)),
            lambda: fault_dumps.tidy(self.artifacts.path),
        )
        self.ended = now()
        if not booted:
            self.boot_error = self._boot_error(stopped)
        last = PeerState.RUNNING if booted else PeerState.BOOTING
        self.write(self.manifest(PeerState.DOWN, last))

    def _boot_error(self, stopped: bool) -> BootError:
        """Return why a process that was started has ended before it was a peer."""
        process, status = self._process, self._process.exit_status
        who = f"peer {self._options.name!r}"
        facts: dict[str, Any] = {
            "argv": process.starter.argv,
            "exit_status": status.code if status is not None else None,
            "output": process.streams.text(),
        }
        if process.unusable is not None:
            return HandshakeError(f"{who} did not boot: {process.unusable}", **facts)
        if self.boot_stacks is not None:
            facts["stacks"] = self.boot_stacks or fault_dumps.aborted(facts["output"])
            return BootTimeout(f"{who} did not boot in time and was killed", **facts)
        if stopped:
            return BootError(f"{who} was stopped while it was booting", **facts)
        how = "never answered"
        if status is not None:
            how = f"was {status}" if status.signal is not None else str(status)
        return BootError(f"{who} did not boot: its process {how}", **facts)

    def _secure_crash(self) -> None:
        """Take what the process has left, if it died of a signal that means a fault."""
        process, directory = self._process, self.artifacts.path
        if process.pid is None or self.reason.signal not in CRASH_SIGNALS:
            return
        if process.elsewhere:
            self._core = "none looked for: the peer was on another machine"
        else:
            limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
            crashed = core_dump.Crashed(process.pid, process.cwd, limit, process.start_time)
            self._core = core_dump.collect(crashed, directory)
            fault_dumps.add_to_crash(directory, f"core: {self._core}")
        self._crash_text = fault_dumps.crash_text(directory)

    def manifest(self, state: PeerState, last_state: PeerState | None = None) -> str:
        facts = {
            "test": self.artifacts.test,
            **self._process.facts(),
            "ended": self.ended,
            "state": state,
            "last_state": last_state,
            "core": self._core,
        }
        return manifest_text(self._options, getattr(self, "reason", None), facts)

    def write(self, manifest: str) -> None:
        """Write ``manifest.json``, unless its directory was removed or the disk is full."""
        with contextlib.suppress(Exception):
            self.artifacts.write_manifest(manifest)

    def down_error(self) -> PeerDown:
        """Return what a call raises when the peer is down."""
        output = self._process.streams.last_output() if self._process.started else ""
        message = f"{self.whom()} is down: {self.reason}"
        error = PeerDown(message, self.reason, output, self._crash_text)
        error.__cause__ = self.boot_error
        return error


def start_error(name: str, exc: BaseException) -> BaseException:
    """Return why there is no process: `exc`, or what it means if the system refuses something."""
    threadless = isinstance(exc, RuntimeError) and str(exc).startswith(_THREADLESS)
    if isinstance(exc, BootError) or not (isinstance(exc, OSError) or threadless):
        return exc
    refused = str(exc) == _THREADLESS[0]  # else the text has the reason
    number = errno.EAGAIN if refused else getattr(exc, "errno", None)
    advice = f"; {_LACKING[number]}" if number in _LACKING else ""
    return BootError(f"peer {name!r} could not be started: {exc}{advice}")
