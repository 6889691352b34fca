"""Where a peer's threads are: asked over the link, then by a signal, then seen from outside."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..core.clock import monotonic, sleep
from ..core.errors import PeerDown, PeerError, StillBooting
from ..core.sync import Event
from ..core.worker import start_thread
from ..launch import procfs
from ..launch.bootstrap import own_files
from .fault_dumps import CRASH, NUMBER, THREADS, dump, readable, send

#: Seconds for a reply over the link, the most readable source; it mostly takes milliseconds.
ASKING_SECONDS = 0.3
#: Seconds for faulthandler to write a few kilobytes.
_SIGNAL_SECONDS = 1.0
#: Seconds for a peer that does not boot to say where it is, before it is killed.
_BOOT_SECONDS = 0.3
#: Seconds for all of it, with the program that looks from outside.
SECONDS = 7.0
#: Seconds for each of several peers: for the dumps of many, and a look at a few from outside.
SECONDS_OF_SEVERAL = 3.0
#: Seconds by which the threads that ask several peers may be late.
_LATE_SECONDS = 1.0
#: Of a dump: a function of pydevd, in which a thread stands at a breakpoint.
_SUSPENDED = " in _do_wait_suspend\n"
#: Programs that show the frames of C code too, in the order in which they are tried.
_TOOLS = (("py-spy", "dump", "--native", "--pid"), ("pystack", "remote", "--native-all"))
#: Seconds for one of them. It reads the symbols of many libraries, which may take two.
_NATIVE_SECONDS = 5.0
#: Seconds between two looks at a process that is stopped: strace stops it for less.
_STRACE_SECONDS = 0.01
#: The tools keep a processor busy; too many at once would all be late.
_turns = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))


class Stacks:
    """Take the stacks of a peer's process; `ask` asks over the link, within so many seconds.

    `ask_debugger` asks there whether a debugger is attached.
    """

    def __init__(
        self,
        ask: Callable[[float], str],
        ask_debugger: Callable[[float], bool],
        local_pid: Callable[[], int | None],
    ) -> None:
        self._ask = ask
        self._ask_debugger = ask_debugger
        self._local_pid = local_pid
        self._directory = Path(os.devnull)  # in which there can be no file
        self._dumping = threading.Lock()  # two dumps at once would go into one file

    def begin(self, directory: Path) -> dict[str, Any]:
        """Return the settings of the agent's module `fault_dumps`; dumps go into `directory`."""
        self._directory = directory
        return {
            "crash": os.fsencode(directory / CRASH),  # for a peer with another locale, too
            "threads": os.fsencode(directory / THREADS),
            "signal": NUMBER,
        }

    def take(self, seconds: float = SECONDS) -> str:
        """Return all threads' stacks; raise TimeoutError with the process's state, or PeerDown."""
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
        # Before the signal, which may end what a thread waits for in C.
        seen, text = native_stacks(pid, deadline - _SIGNAL_SECONDS)
        dumped = self._readable_dump(min(_SIGNAL_SECONDS, deadline - monotonic()))
        if dumped or seen:
            return "\n\n".join(filter(None, [dumped, text]))
        status = procfs.of_process(pid)
        raise TimeoutError("; ".join(filter(None, [silent, str(status or ""), text])))

    def held(self) -> bool:
        """Return whether a debugger has stopped the process, or is attached to its Python code.

        The latter stops no process. It may stop the agent's threads too: then a dump shows it.
        """
        pid = self._local_pid()
        status = procfs.of_process(pid) if pid is not None else None
        if status is not None and status.stopped:
            sleep(_STRACE_SECONDS)
            status = procfs.of_process(pid or 0)
            return status is not None and status.state == "t"
        try:
            return self._ask_debugger(ASKING_SECONDS)
        except TimeoutError as exc:
            if exc.args and not isinstance(exc, StillBooting):  # a signal handler's
                raise
            # Nobody else gets the signal, which may end what a thread waits for in C.
            debugged = pid is not None and procfs.mentions(pid, b"pydev")
            return debugged and _SUSPENDED in self._dump(_SIGNAL_SECONDS)
        except PeerError:
            return False

    def record(self, occasion: str, seconds: float = SECONDS) -> str:
        """Return `take`, or why there are no stacks; add it to ``stacks.txt`` below a heading."""
        try:
            text = self.take(seconds)
        except PeerDown as exc:
            return f"no stacks: {exc.args[0]}"
        except TimeoutError as exc:
            text = f"no stacks: {exc}"
        self._keep(occasion, text)
        return text

    def before_kill(self, ended: Event) -> str:
        """Return where a hanging boot is; without our agent it writes that to stderr instead."""
        try:
            text = self._ask(_BOOT_SECONDS)
        except (TimeoutError, PeerError, PeerDown):  # most often nobody listens yet
            text = self._readable_dump(_BOOT_SECONDS)
        if text:
            self._keep("the time for the boot was over", text)
        elif (pid := self._local_pid()) is not None and send(pid, signal.SIGABRT):
            ended.wait(_BOOT_SECONDS)
        return text

    def _readable_dump(self, seconds: float) -> str:
        text = self._dump(seconds)
        return readable(text, own_files()) if text else ""

    def _dump(self, seconds: float) -> str:
        pid, deadline = self._local_pid(), monotonic() + seconds
        if pid is None or not self._dumping.acquire(timeout=max(0.0, seconds)):
            return ""
        try:
            return dump(pid, self._directory / THREADS, deadline)
        except OSError:  # the directory has been removed
            return ""
        finally:
            self._dumping.release()

    def _keep(self, occasion: str, text: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        written = f"== {moment} {occasion}\n{text}\n\n".encode("utf-8", "backslashreplace")
        # A full disk, or a removed directory.
        with contextlib.suppress(OSError), (self._directory / "stacks.txt").open("ab") as file:
            file.write(written)


def record_all(
    every: Sequence[Stacks], occasion: str, seconds: float = SECONDS_OF_SEVERAL
) -> list[str]:
    """Return `Stacks.record` of each, all taken at the same time, each in so many seconds."""
    found = [f"no stacks: not within {seconds:g} s"] * len(every)

    left, changed = {*range(len(every))}, Event()

    def take(index: int, stacks: Stacks) -> None:
        try:
            found[index] = stacks.record(occasion, seconds)
        finally:
            left.remove(index)
            changed.wake()

    for each in enumerate(every):
        start_thread(partial(take, *each), "pytest-peer-stacks")
    changed.wait_for(lambda: not left, seconds + min(seconds, _LATE_SECONDS))
    return list(found)


def native_stacks(pid: int, deadline: float) -> tuple[bool, str]:
    """Return whether a tool found stacks, and these or why it did not; no text without a tool."""
    command = _command()
    if command is None:
        return False, ""
    name = command[2] if command[1] == "-Pm" else os.path.basename(command[0])
    deadline = min(deadline, monotonic() + _NATIVE_SECONDS)
    if not _turns.acquire(timeout=max(0.0, deadline - monotonic())):
        return False, f"{name}: no time left"
    why, text, limit = "", "", max(0.0, deadline - monotonic())
    try:
        done = subprocess.run(
            [*command, str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=limit,
            check=False,
        )
        text = done.stdout.strip() if done.returncode == 0 else ""
        why = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    except subprocess.TimeoutExpired:
        why = f"no answer within {limit:.1f} s"
    except OSError as exc:
        why = exc.strerror or str(exc)
    finally:
        _turns.release()
    order = " (most recent call first)" if name == "py-spy" else ""  # the others say so themselves
    return bool(text), f"{name}{order}:\n{text}" if text else f"{name}: {why}"


def _command() -> list[str] | None:
    beside = os.path.dirname(sys.executable)  # of an environment that is not activated
    for program, *arguments in _TOOLS:
        if found := shutil.which(program) or shutil.which(program, path=beside):
            return [found, *arguments]
    if sys.version_info >= (3, 15):  # not of a peer of another version, and no C frames
        return [sys.executable, "-Pm", "profiling.sampling", "dump", "--all-threads", "--native"]
    return None
