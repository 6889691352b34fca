"""What is told of a peer's end."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence

from .body import Body
from .errors import BootError
from .errors import BootTimeout
from .errors import HandshakeError
from .errors import PeerDown
from .states import DownReason


def boot_error(
    who: str,
    body: Body,
    reason: DownReason,
    *,
    expired: bool,
    stopped: bool,
) -> BootError:
    """Why a peer never ran.

    :param expired: its time for the boot was over, and it was killed.
    :param stopped: it was told to stop before it ran.
    """
    error, what = BootError, f"did not boot: its process {_how(reason)}"
    if body.unusable is not None:
        error, what = HandshakeError, f"did not boot: {body.unusable}"
    elif expired:
        error, what = BootTimeout, "did not boot in time and was killed"
    elif stopped:
        what = "was stopped while it was booting"
    return error(
        f"{who} {what}", argv=body.argv, exit_status=reason.exit_status, output=body.streams.text()
    )


def peer_down(
    who: str, reason: DownReason | None, last_words: str, boot_error: BootError | None
) -> PeerDown:
    """What a call raises now that its peer is down."""
    error = PeerDown(f"{who} is down: {reason}", reason, last_words)
    error.__cause__ = boot_error
    return error


def boot_timeout(who: str, argv: Sequence[str], output: str, seconds: float | None) -> BootTimeout:
    """It has not booted yet, and goes on."""
    return BootTimeout(f"{who} is still booting after {seconds:g} s", argv=argv, output=output)


def not_gone(who: str, seconds: float) -> PeerDown:
    """Something that was killed does not end: a kernel's wait, or a fault of ours. Shows what this process does meanwhile."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
        if ident != threading.get_ident()
    ]
    return PeerDown(f"{who} was killed and is not gone after {seconds:g} s\n" + "\n".join(stacks))


def _how(reason: DownReason) -> str:
    if reason.signal is not None:
        return f"was killed by {reason.signal.name}"
    return (
        f"exited with status {reason.exit_status}"
        if reason.exit_status is not None
        else "never answered"
    )
