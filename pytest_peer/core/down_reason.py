"""Why a peer is down: reason, exit status, the signals of a crash; and its state before that."""

from __future__ import annotations

import enum
import signal
import sys
from dataclasses import dataclass

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:  # in an old peer

    class StrEnum(str, enum.Enum):
        __str__ = str.__str__


#: The signals of a crash: their default action writes a core (signal(7)).
CRASH_SIGNALS = frozenset(
    getattr(signal, "SIG" + name)
    for name in ["ABRT", "BUS", "FPE", "ILL", "QUIT", "SEGV", "SYS", "TRAP", "XCPU", "XFSZ"]
)


def signal_name(number: int) -> str:
    """Return ``"SIGTERM"``, or ``"signal 40"`` for a real-time signal without a name."""
    return number.name if isinstance(number, signal.Signals) else f"signal {number}"


class PeerState(StrEnum):
    """The life of a peer; Erlang's ``peer:get_state/1``."""

    BOOTING = "booting"
    RUNNING = "running"
    DOWN = "down"


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended: a code it returned, or the signal that killed it."""

    code: int | None = None
    signal: signal.Signals | int | None = None

    @classmethod
    def from_returncode(cls, returncode: int) -> ExitStatus:
        """Convert from ``subprocess``'s convention, in which a signal is a negative number."""
        if returncode >= 0:
            return cls(code=returncode)
        named = -returncode in set(signal.Signals)  # else a real-time one between them
        return cls(signal=signal.Signals(-returncode) if named else -returncode)

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        return f"exited with status {self.code}"


@dataclass(frozen=True)
class DownReason:
    """Why a peer is down."""

    #: ``"stopped"``, ``"exited"``, ``"signaled"``, ``"link lost"`` or ``"boot failed"``.
    kind: str
    #: The exit code of the process, ``None`` after a death by signal.
    exit_status: int | None = None
    #: The signal that ended it; a mere number for a real-time signal without a name.
    signal: signal.Signals | int | None = None
    #: The explanation for a reader, in place of all that.
    detail: str = ""

    def __str__(self) -> str:
        if self.detail:
            return f"{self.kind}: {self.detail}"
        known = self.signal is not None or self.exit_status is not None
        ended = str(ExitStatus(self.exit_status, self.signal)) if known else ""
        if self.kind in ("exited", "signaled"):
            return ended
        return f"{self.kind} ({ended})" if ended else self.kind


def down_reason(
    *,
    stopped: bool,
    booted: bool,
    link_lost: bool,
    exit_status: ExitStatus | None,
    detail: str = "",
) -> DownReason:
    """Decide why a peer is down; `detail` is for the reader, where there is more to say."""
    status = exit_status or ExitStatus()
    if stopped:
        kind = "stopped"
    elif not booted:
        kind = "boot failed"
    elif link_lost or exit_status is None:
        kind = "link lost"
    else:
        kind = "signaled" if status.signal is not None else "exited"
    return DownReason(kind, status.code, status.signal, detail)
