"""Where a peer's threads are: it is asked over the link, then by a signal, then looked at from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.clock import monotonic
from ..core.errors import PeerDown
from ..core.sync import Event
from ..launch import procfs
from ..launch.bootstrap import own_files
from .crash_text import CRASH
from .crash_text import THREADS
from .fault_dumps import NUMBER
from .fault_dumps import abort
from .fault_dumps import dumped
from .native import native
from .thread_dump import readable

__tracebackhide__ = True

#: For an answer over the link, which is the prettier one: milliseconds, unless the peer holds its GIL or its machine is busy.
ASKING_SECONDS = 0.3
#: For faulthandler to write a few kilobytes.
_SIGNAL_SECONDS = 1.0
#: For what is still booting to say where, before it is killed.
_BOOT_SECONDS = 0.3
#: For all of it, with the program that looks from outside.
SECONDS = 7.0


class Stacks:
    """Of one life of a peer.

    :param ask: asks over the link, for so many seconds; raises TimeoutError, and PeerDown when the peer has ended.
    :param local_pid: the process, if it is one of this machine.
    """

    def __init__(self, ask: Callable[[float], str], local_pid: Callable[[], int | None]) -> None:
        self._ask = ask
        self._local_pid = local_pid
        self._directory: Path | None = None
        self._signalling = threading.Lock()  # two at once would read each other's

    def begin(self, directory: Path) -> dict[str, Any]:
        """Return what the agent's module `evidence` has to know.

        :param directory: where the peer leaves its evidence.
        """
        self._directory = directory
        return {
            "crash": str(directory / CRASH),
            "threads": str(directory / THREADS),
            "signal": NUMBER,
        }

    def take(self, seconds: float = SECONDS) -> str:
        """Every thread's stack.

        :raises TimeoutError: there was nothing to be found within `seconds`; says in which state the process is.
        :raises PeerDown: it has ended.
        """
        deadline = monotonic() + seconds
        pid = self._local_pid()
        status = procfs.of_process(pid) if pid is not None else None
        if status is not None and status.stopped:
            raise TimeoutError(str(status))
        try:
            return self._ask(min(ASKING_SECONDS, seconds))
        except TimeoutError as exc:
            silent = str(exc) or f"no answer within {ASKING_SECONDS:g} s"
        if pid is None:
            raise TimeoutError(silent)
        # First, because a signal may end what it waits for in C.
        seen, text = native(pid, deadline - _SIGNAL_SECONDS)
        signalled = self._by_signal(min(_SIGNAL_SECONDS, deadline - monotonic()))
        if signalled or seen:
            return "\n\n".join(filter(None, [signalled, text]))
        status = procfs.of_process(pid)
        raise TimeoutError("; ".join(filter(None, [silent, str(status or ""), text])))

    def told(self, occasion: str, seconds: float = SECONDS) -> str:
        """`take`, kept in ``stacks.txt`` under the words of `occasion`; or why there are none."""
        try:
            text = self.take(seconds)
        except PeerDown as exc:
            return f"no stacks: {exc.args[0]}"
        except TimeoutError as exc:
            text = f"no stacks: {exc}"
        self._keep(occasion, text)
        return text

    def before_its_death(self, ended: Event) -> str:
        """Before a process is killed because it does not boot: where it is.

        One in which our agent does not run yet tells it to its stderr, and ends by that; then this is empty.

        :param ended: set when the process has ended.
        """
        text = self._by_signal(_BOOT_SECONDS)
        pid = self._local_pid()
        if text:
            self._keep("the time for the boot was over", text)
        elif pid is not None and abort(pid):
            ended.wait(_BOOT_SECONDS)
        return text

    def _by_signal(self, seconds: float) -> str:
        pid, directory = self._local_pid(), self._directory
        deadline = monotonic() + seconds
        if (
            pid is None
            or directory is None
            or not self._signalling.acquire(timeout=max(0.0, seconds))
        ):
            return ""
        try:
            text = dumped(pid, directory / THREADS, deadline)
        except OSError:  # somebody removes the directory
            return ""
        finally:
            self._signalling.release()
        return readable(text, own_files())

    def _keep(self, occasion: str, text: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._directory is None:
            return
        try:
            with (self._directory / "stacks.txt").open("a", encoding="utf-8") as file:
                file.write(f"== {moment} {occasion}\n{text}\n\n")
        except OSError:
            pass  # a full disk, or a removed directory
