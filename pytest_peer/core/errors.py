"""The errors and warnings of this package.

A call raises the exception of the called function as itself. The classes here are for failures of
the process, of the control link, and of pickling; ``docs/reference/errors.md`` has their tree.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .down_reason import DownReason

__all__ = ["BarrierBroken", "BootError", "BootTimeout", "CallTimeout", "DecodeError", "EncodeError"]
__all__ += [
    "ExecNotFound",
    "FaultNotEffective",
    "HandshakeError",
    "InterleavingStuck",
    "NameInUse",
    "NotAFunction",
    "NotBlocked",
]
__all__ += [
    "NotSettled",
    "PacketsLostWarning",
    "PeerDown",
    "PeerDownWarning",
    "PeerError",
    "PeerInterrupted",
]
__all__ += ["PointNotFound", "PointNotReached", "RemoteError", "ServiceEnded"]
__all__ += ["UnhandledPeerException"]
#: Lines of a peer's output in an error message: enough for a traceback, short enough for a report.
QUOTED_LINES = 40
#: What Python 3.14 and newer write in a crash below the Python stacks, and longer than these.
_C_STACK = re.compile(r"^Current thread's C stack trace .*\n(?:  .*\n?)*\n?", re.MULTILINE)


class PeerError(RuntimeError):
    """Base of all errors; a ``RuntimeError``, as ``Executor.submit`` raises after ``shutdown``."""


class BootError(PeerError):
    """The process could not be started, or it ended before it was usable."""

    def __init__(
        self,
        message: str,
        *,
        argv: Sequence[str] = (),
        exit_status: int | None = None,
        output: str = "",
        stacks: str = "",
    ) -> None:
        super().__init__(message)
        #: The complete command line.
        self.argv: list[str] = list(argv)
        #: The exit status; ``None`` if the process was still running, was killed, or never ran.
        self.exit_status = exit_status
        #: Its stdout and stderr until then.
        self.output = output
        #: Of a `BootTimeout`: every thread's Python stack when the time was over, if it is known.
        self.stacks = stacks

    def __str__(self) -> str:
        line = f"  command line: {shlex.join(self.argv)}" if self.argv else ""
        status = f"  exit status: {self.exit_status}" if self.exit_status is not None else ""
        stacks = "" if self.stacks in self.output else quoted("stacks", self.stacks)
        parts = (str(self.args[0]), line, status, quoted("output", self.output), stacks)
        return "\n".join(filter(None, parts))


class ExecNotFound(BootError):
    """The program named by ``exec`` does not exist, or is not executable."""


class BootTimeout(BootError, TimeoutError):
    """The peer did not answer within ``wait_boot`` seconds; its process was killed."""


class HandshakeError(BootError):
    """The program that was started is not a Python interpreter that can be a peer."""


class FaultNotEffective(PeerError):
    """A fault of the network, or its healing, does not do what it says; or it touched no packet."""


class NameInUse(PeerError):
    """A peer of this process has the name already, and is not down."""


class PeerDown(PeerError):
    """The peer has ended. Every pending and every later call raises this, with the reason."""

    def __init__(
        self, message: str, reason: DownReason | None = None, last_output: str = "", crash: str = ""
    ) -> None:
        super().__init__(message)
        #: Why the peer is down.
        self.reason = reason
        #: The end of its stdout and stderr.
        self.last_output = last_output
        #: The Python stack of every thread when it crashed, as in ``crash.txt``.
        self.crash = crash

    def __str__(self) -> str:
        parts = (("last output", self.last_output), ("crash", self.crash))
        return "\n".join([str(self.args[0]), *(quoted(*each) for each in parts if each[1])])


class CallTimeout(PeerError, TimeoutError):
    """A call has not returned in time. The function goes on, and its late reply is dropped."""

    def __init__(self, message: str, stacks: str = "") -> None:
        super().__init__(message)
        #: The Python stack of every thread of the peer at that moment, or why it is not known.
        self.stacks = stacks
        #: The names of the other members of a group for which this failure stands.
        self.others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.stacks}" if self.stacks else str(self.args[0])


class NotBlocked(PeerError, AssertionError):
    """A call has ended, or still runs; `PeerFuture.wait_blocked` had expected it to wait."""

    def __init__(self, message: str, stacks: str = "") -> None:
        super().__init__(message)
        #: The Python stack of every thread of a peer whose call still runs; empty if it has ended.
        self.stacks = stacks

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.stacks}" if self.stacks else str(self.args[0])


class BarrierBroken(PeerError):
    """A barrier will not open: a party has ended or has waited too long, or too few are left."""

    def __init__(
        self, message: str, came: Sequence[str] = (), missing: Sequence[str] = (), stacks: str = ""
    ) -> None:
        super().__init__(message)
        #: Who had come, by the names of the peers; a process that one has started by its id too.
        self.came: tuple[str, ...] = tuple(came)
        #: The peers that had not come.
        self.missing: tuple[str, ...] = tuple(missing)
        #: Where those of them that lived were then.
        self.stacks = stacks

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.stacks}" if self.stacks else str(self.args[0])


class InterleavingStuck(PeerError):
    """The steps of an `Interleaving` cannot end: a step runs on, or all sessions wait."""

    def __init__(self, message: str, waits: Sequence[str] = ()) -> None:
        super().__init__(message)
        #: What each step waits for that has begun, a line each.
        self.waits: list[str] = list(waits)


class NotSettled(PeerError, TimeoutError):
    """There was no moment at which all peers were at rest."""

    def __init__(self, message: str, busy: Sequence[str] = (), stacks: str = "") -> None:
        super().__init__(message)
        #: What kept running, a line each, the most likely first: a thread of a peer, or a message
        #: on its way.
        self.busy: list[str] = list(busy)
        #: The Python stacks of these peers.
        self.stacks = stacks

    def __str__(self) -> str:
        lines = [str(self.args[0]), *(f"  {line}" for line in self.busy), self.stacks]
        return "\n".join(filter(None, lines))


class StillBooting(TimeoutError):
    """A question of ours came before the peer had its link. No user gets it."""


class EncodeError(PeerError):
    """An argument, a result or a message cannot be pickled; the text says which part of it."""


class DecodeError(PeerError):
    """An argument, a result or a message cannot be unpickled; ``__cause__`` says why."""


class RemoteError(PeerError):
    """Stands for an exception of the peer that cannot be pickled or unpickled."""

    def __init__(self, type_name: str, original_repr: str, remote_traceback: str = "") -> None:
        super().__init__(type_name, original_repr, remote_traceback)
        #: Qualified name of the exception's class.
        self.type_name = type_name
        #: ``repr`` of the exception.
        self.original_repr = original_repr
        #: Its traceback, formatted in the peer.
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.original_repr}\n{self.remote_traceback}".rstrip()


class PeerInterrupted(PeerError):
    """Stands for a ``KeyboardInterrupt`` of the peer: it fails the test and does not end pytest."""


class ServiceEnded(PeerError):
    """A function that was to run until the end of its block, `Peer.running`, has returned."""

    def __init__(self, fn: Callable[..., object] | str, value: object) -> None:
        super().__init__(fn, value)
        #: The function, as it was given.
        self.fn = fn
        #: What it has returned.
        self.value = value

    def __str__(self) -> str:
        name = self.fn if isinstance(self.fn, str) else getattr(self.fn, "__qualname__", self.fn)
        return f"{name} returned {self.value!r} before the end of its block"


class PointNotFound(PeerError, LookupError):
    """There is no Python function at the target of a point; says which names are near."""


class NotAFunction(PointNotFound, TypeError):
    """What is at the target of a point is written in C, or is no function; says what could be held."""


class PointNotReached(PeerError, AssertionError, TimeoutError):
    """No call has come to a point, at the end of its block or of a wait for it."""

    def __init__(self, message: str, stacks: str = "") -> None:
        super().__init__(message)
        #: The stacks of the peer when a wait was over; empty at the end of a block.
        self.stacks = stacks

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.stacks}" if self.stacks else str(self.args[0])


class PeerDownWarning(UserWarning):
    """A peer has ended unexpectedly."""


class PacketsLostWarning(UserWarning):
    """A network of peers has lost packets by no fault; says which hosts sent them, or did not get them.

    It was too slow for what was sent there, or a program has taken a host's interface down.
    """


class UnhandledPeerException(UserWarning):
    """An exception in a peer that nobody has seen, with its traceback."""


def quoted(label: str, text: str) -> str:
    """Quote the last lines of `text`, indented below `label`, for an error message."""
    lines = _C_STACK.sub("", text).splitlines()
    if not lines:
        return f"  {label}: none"
    left_out = f" (last {QUOTED_LINES} of {len(lines)} lines)" if len(lines) > QUOTED_LINES else ""
    return "\n".join([f"  {label}{left_out}:", *("    " + line for line in lines[-QUOTED_LINES:])])


for _name in __all__:
    globals()[_name].__module__ = "pytest_peer"  # tracebacks and warning filters show this path
