"""The record of one life of a peer: why it is down, its crash, its manifest."""

import contextlib
import resource
from functools import partial

from ..core.clock import now
from ..core.down_reason import CRASH_SIGNALS, DownReason, PeerState
from ..core.errors import PeerDown
from ..core.options import PeerOptions
from ..core.worker import run_all
from ..evidence import core_dump, fault_dumps
from ..evidence.artifacts import Artifacts, manifest_text
from .boot_errors import boot_error
from .process import PeerProcess


class Record:
    """What is known of one life; `lifecycle` fills it, on threads of ours."""

    #: There before the process is started.
    artifacts: Artifacts
    #: There before the peer is down.
    reason: DownReason

    def __init__(self, options: PeerOptions, process: PeerProcess) -> None:
        self._options = options
        self._process = process
        #: The stacks of a crash, as in ``crash.txt``.
        self.crash_text: str = ""
        # The file with the core, or why there is none; `None` if it was no crash.
        self._core: str | None = None
        self.boot_error: BaseException | None = None  # why it never ran, or never in this process
        self.missing: str = "no Python interpreter answered"  # as long as it boots
        self.setup_error: BaseException | None = None  # what the option ``setup`` has raised
        #: Where the process was when the time for the boot was over; `None` if it ended before.
        self.boot_stacks: str | None = None
        self.end_begun: float = 0.0  # as ``time.monotonic``, by the first sign of the end
        self.ended: float = 0.0  # as ``time.time``

    def whom(self) -> str:
        pid = self._process.pid
        return f"peer {self._options.name!r}" + (f" (pid {pid})" if pid is not None else "")

    def end(self, kind: str, error: BaseException) -> None:
        """Note why it never ran, or never in this process."""
        self.reason, self.boot_error, self.ended = DownReason(kind), error, now()

    def conclude(self, reason: DownReason, *, booted: bool) -> None:
        """Secure the traces of the process that has ended for a reason, and write it down."""
        self.reason = reason
        tidy = partial(fault_dumps.tidy, self.artifacts.path)
        run_all(self._process.close, self._secure_crash, tidy)
        self.ended = now()
        if not booted:
            self.boot_error = boot_error(self._options, self._process, self)
        last = PeerState.RUNNING if booted else PeerState.BOOTING
        self.write(self.manifest(PeerState.DOWN, last))

    def _secure_crash(self) -> None:
        """Take what the process has left, if it died of a signal that means a fault."""
        process, directory = self._process, self.artifacts.path
        crashed = self.reason.signal in CRASH_SIGNALS
        if process.pid is None or not crashed or self.boot_stacks is not None:  # a signal of ours
            return
        if process.elsewhere:
            self._core = "none looked for: the peer was on another machine"
        else:
            limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
            facts = core_dump.Crashed(process.pid, process.cwd, limit, process.start_time)
            self._core = core_dump.collect(facts, directory)
        crash = directory / fault_dumps.CRASH
        self.crash_text = fault_dumps.crash_text(crash, f"core: {self._core}")

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
        error = PeerDown(message, self.reason, output, self.crash_text)
        error.__cause__ = self.boot_error
        return error
