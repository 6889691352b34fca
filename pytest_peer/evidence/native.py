"""Stacks with the frames of C code: from py-spy or pystack, if one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

from ..core.clock import monotonic

#: In the order in which they are tried.
_TOOLS = (("py-spy", "dump", "--native", "--pid"), ("pystack", "remote", "--native-all"))
#: Seconds for one process. A tool reads the symbols of every library that the process has loaded,
#: which takes a second or two where there are many.
_SECONDS = 5.0
#: The tools keep a processor busy; too many at once would all be late.
_turns = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))


def native_stacks(pid: int, deadline: float) -> tuple[bool, str]:
    """Return whether a tool found stacks, and these or why it did not; no text without a tool.

    :param deadline: of ``time.monotonic``.
    """
    command = _command()
    if command is None:
        return False, ""
    name = os.path.basename(command[0])
    limit = min(_SECONDS, deadline - monotonic())
    if limit <= 0 or not _turns.acquire(timeout=limit):
        return False, f"{name}: no time left"
    try:
        limit = max(0.0, min(_SECONDS, deadline - monotonic()))
        done = subprocess.run(
            [*command, str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"{name}: no answer within {limit:.1f} s"
    except OSError as exc:
        return False, f"{name}: {exc.strerror or exc}"
    finally:
        _turns.release()
    text = _decoded(done.stdout)
    if done.returncode != 0 or not text:
        why = " ".join(_decoded(done.stderr).split()) or f"exit status {done.returncode}"
        return False, f"{name}: {why}"
    return True, f"{name}:\n{text}"


def _command() -> list[str] | None:
    beside = os.path.dirname(sys.executable)  # of an environment that is not activated
    for program, *arguments in _TOOLS:
        found = shutil.which(program) or shutil.which(program, path=beside)
        if found is not None:
            return [found, *arguments]
    return None


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace").strip()
