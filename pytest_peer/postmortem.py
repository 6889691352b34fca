"""What is told of a peer's end; pure."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import BootError
from .errors import BootTimeout
from .errors import HandshakeError
from .errors import PeerDown
from .states import DownReason


def boot_error(
    who: str,
    argv: Sequence[str],
    output: str,
    reason: DownReason,
    *,
    unusable: str | None,
    expired: bool,
    stopped: bool,
) -> BootError:
    """Why a peer never ran.

    :param unusable: what is wrong with the interpreter that answered, if one did.
    :param expired: its time for the boot was over, and it was killed.
    :param stopped: it was told to stop before it ran.
    """
    error, what = BootError, f"did not boot: its process {_how(reason)}"
    if unusable is not None:
        error, what = HandshakeError, f"did not boot: {unusable}"
    elif expired:
        error, what = BootTimeout, "did not boot in time and was killed"
    elif stopped:
        what = "was stopped while it was booting"
    return error(f"{who} {what}", argv=argv, exit_status=reason.exit_status, output=output)


def peer_down(
    who: str, reason: DownReason | None, last_words: str, boot_error: BootError | None
) -> PeerDown:
    """What a call raises now that its peer is down."""
    error = PeerDown(f"{who} is down: {reason}", reason, last_words)
    error.__cause__ = boot_error
    return error


def _how(reason: DownReason) -> str:
    if reason.signal is not None:
        return f"was killed by {reason.signal.name}"
    return (
        f"exited with status {reason.exit_status}"
        if reason.exit_status is not None
        else "never answered"
    )
