"""The beginning of a launcher, and the end of the near end that has started it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself costs a millisecond of every boot
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes a third of the time that this needs to start
    from typing import NoReturn


def start(command: list[str]) -> tuple[int, int, int]:
    """Execute a command in this process group; returned are its pid, and what reads its stdout and writes to its stdin, non-blocking."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(theirs_in, 0)
            os.dup2(theirs_out, 1)
            os.closerange(3, 256)
            for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGCHLD):
                _signal.signal(number, _signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as exc:
            os.write(2, f"cannot run {command[0]!r}: {exc.strerror}\n".encode())
        finally:
            os._exit(127)
    os.close(theirs_in)
    os.close(theirs_out)
    os.set_blocking(ours_out, False)
    os.set_blocking(ours_in, False)
    return pid, ours_in, ours_out


def end(status: int) -> NoReturn:
    """End as the peer did: with a status, or, negative, by a signal; but without a core, which would not be its own."""
    if status < 0:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        # 0 would do for a file, but a program that gets the cores is only spared by 1 (core(5)).
        resource.setrlimit(resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
        if status not in (-9, -19):
            _signal.signal(-status, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [-status])
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)
