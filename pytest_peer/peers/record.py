"""What is known of one life of a peer, and what is written about it."""

from __future__ import annotations

import contextlib
from functools import partial

from ..core.clock import now
from ..core.errors import PeerDown
from ..core.options import PeerOptions
from ..core.states import DownReason, PeerState, down_reason
from ..core.unraisable import run_all
from ..evidence.artifacts import Artifacts, manifest_text
from ..evidence.fault_dumps import tidy
from . import failure
from .process import PeerProcess

__tracebackhide__ = True

#: Seconds for what was killed with a process to be gone; milliseconds mostly.
_REST_GONE = 1.0


class Record:
    """Filled by `lifecycle`, on threads of ours."""

    #: There before the process is started.
    artifacts: Artifacts

    def __init__(self, options: PeerOptions, process: PeerProcess) -> None:
        self._options = options
        self._process = process
        self._crash = failure.Crash()
        #: Why the peer is down; ``None`` before.
        self.reason: DownReason | None = None
        #: Why it never ran.
        self.boot_error: BaseException | None = None
        #: Where the process was when its time for the boot was over.
        self.boot_stacks: str = ""
        #: When it ended, as ``time.time``.
        self.ended: float = 0.0

    def whom(self) -> str:
        """Return name and process id, for messages."""
        pid = self._process.pid
        return f"peer {self._options.name!r}" + (f" (pid {pid})" if pid is not None else "")

    def in_words(self, state: PeerState) -> str:
        """Return name, process id and state; for a peer that is down why and after which time."""
        words = str(state)
        if state is PeerState.DOWN:
            words = f"{self.reason} after {self.ended - self._process.start_time:.1f} s"
        return f"{self._options.name} pid {self._process.pid}: {words}"

    def never_started(self, exc: BaseException) -> None:
        """Note why there is no process."""
        self.boot_error = failure.start_error(self._options.name, exc)
        self.reason = DownReason("boot failed")
        self.ended = now()
        if hasattr(self, "artifacts"):
            run_all(self.artifacts.discard)

    def disowned(self) -> None:
        """Note, in a forked child, that the process is the parent's."""
        self.reason = DownReason("link lost")
        self.ended = now()

    def close(self, *, killed_in_boot: bool) -> None:
        """Take the last output, and secure the traces of a crash, after the end of the process.

        :param killed_in_boot: Whether the time for the boot was over: then the end is no crash.
        """

        def secure() -> None:
            path = self.artifacts.path
            if not killed_in_boot:
                self._crash = failure.crash(self._process, self._process.exit_status, path)
            tidy(path)

        rest_gone = partial(self._process.wait_rest_gone, _REST_GONE)
        run_all(rest_gone, self._process.close, secure)
        self.ended = now()

    def conclude(self, *, booted: bool, stopped: bool, link_lost: bool, timed_out: bool) -> None:
        """Decide why the peer ended, after `close`, and write it down.

        :param booted: Whether it ran.
        :param stopped: Whether it was asked to stop.
        :param link_lost: Whether its link ended and its process did not.
        :param timed_out: Whether it was killed because it did not boot in time.
        """
        self.reason = down_reason(
            stopped=stopped,
            booted=booted,
            link_lost=link_lost,
            exit_status=self._process.exit_status,
            status_lost=self._process.status_lost,
        )
        if not booted:
            self.boot_error = failure.boot_error(
                f"peer {self._options.name!r}",
                self._process,
                self.reason,
                stopped=stopped,
                timed_out=timed_out,
                stacks=self.boot_stacks,
            )
        last = PeerState.RUNNING if booted else PeerState.BOOTING
        self.write(self.manifest(PeerState.DOWN, last))

    def manifest(self, state: PeerState, last_state: PeerState | None = None) -> str:
        """Return the manifest of the peer in that state."""
        facts = {
            "test": self.artifacts.test,
            **self._process.facts(),
            "ended": self.ended,
            "state": state,
            "last_state": last_state,
            "core": self._crash.core,
        }
        return manifest_text(self._options, self.reason, facts)

    def write(self, manifest: str) -> None:
        """Write ``manifest.json``, unless its directory was removed or the disk is full."""
        with contextlib.suppress(Exception):
            self.artifacts.write_manifest(manifest)

    def down_error(self) -> PeerDown:
        """Return what a call raises when the peer is down."""
        output = self._process.streams.last_output() if self._process.started else ""
        return failure.peer_down(
            self.whom(), self.reason, output, self._crash.text, self.boot_error
        )
