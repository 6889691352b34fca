"""What is written of one life of a peer, and what is left of it."""

from __future__ import annotations

import contextlib
from functools import partial

from ..core.clock import now
from ..core.errors import BootError
from ..core.errors import PeerDown
from ..core.options import PeerOptions
from ..core.states import DownReason
from ..core.states import PeerState
from ..core.states import down_reason
from ..core.unraisable import attempt
from ..evidence.artifacts import Artifacts
from ..evidence.crash_text import tidy
from ..evidence.manifest import manifest_text
from .boot_limit import BootLimit
from .failure import Crash
from .failure import boot_error
from .failure import crash
from .failure import peer_down
from .process import SAME_END
from .process import PeerProcess

__tracebackhide__ = True


class Record:
    """Kept in the directory of the artifacts, which is there when the process is started."""

    artifacts: Artifacts

    def __init__(self, options: PeerOptions, body: PeerProcess) -> None:
        self._options = options
        self._body = body
        self._crash = Crash()
        self.reason: DownReason | None = None
        #: Why it never ran.
        self.boot_error: BootError | None = None
        #: When it ended, as ``time.time``; 0 before.
        self.ended: float = 0.0

    def close(self, *, killed: bool) -> None:
        """The process has ended: wait for its group, take its last words, secure what it has left.

        :param killed: by us, so that it is no crash.
        """
        if self.ended:  # done; what came after it was interrupted
            return
        process = self._body.process

        def secure() -> None:
            if not killed:
                self._crash = crash(self._body, process.exit_status, self.artifacts.path)
            tidy(self.artifacts.path)

        # What a test does to descriptors of its own process must not keep the end from being told.
        attempt(partial(process.wait_group_gone, SAME_END), self._body.close, secure)
        self.ended = now()

    def conclude(
        self, state: PeerState, *, stopped: bool, link_lost: bool, limit: BootLimit
    ) -> None:
        """After `close`: why it ended.

        :param state: in which it was until then.
        :param stopped: whether it was told to stop.
        :param link_lost: whether its link ended before its process did.
        :param limit: of its boot.
        """
        booted, process = state is PeerState.RUNNING, self._body.process
        self.reason = down_reason(
            stopped=stopped,
            booted=booted,
            link_lost=link_lost,
            exit_status=process.exit_status,
            status_lost=self._body.status_lost,
        )
        if not booted:
            self.boot_error = boot_error(
                f"peer {self._options.name!r}",
                self._body,
                self.reason,
                limit if limit.expired else None,
                stopped=stopped,
            )
        attempt(lambda: self.write(self.manifest(PeerState.DOWN, state)))

    def manifest(self, state: PeerState, last_state: PeerState | None = None) -> str:
        """The manifest of a peer in that state."""
        facts = self._body.facts() | {
            "ended": self.ended,
            "state": state,
            "last_state": last_state,
            "reason": self.reason,
            "core": self._crash.core,
        }
        return manifest_text(self._options, test=self.artifacts.test, **facts)

    def write(self, manifest: str) -> None:
        """Write the manifest."""
        with contextlib.suppress(Exception):  # a removed directory: no peer hangs for it
            self.artifacts.write_manifest(manifest)

    def whom(self) -> str:
        """Name and process, for messages."""
        pid = self._body.pid
        return f"peer {self._options.name!r}" + (f" (pid {pid})" if pid is not None else "")

    def down_error(self) -> PeerDown:
        """What a call to it raises when it is down."""
        words = self._body.streams.last_output() if self._body.born else ""
        return peer_down(self.whom(), self.reason, words, self._crash.text, self.boot_error)
