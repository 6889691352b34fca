"""The core of a process that crashed: where it is, or why there is none (core(5))."""

import contextlib
import glob
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

#: Seconds by which the clock of a file system may be late.
_CLOCKS = 1.0


@dataclass(frozen=True, slots=True)
class Crashed:
    """A process that ended by a signal."""

    pid: int
    cwd: str
    limit: int  # RLIMIT_CORE at its start, as far as we know; negative for none
    started: float  # as ``time.time``


def collect(process: Crashed, directory: Path) -> str:
    """Move the core into `directory`; return its path, or why there is none."""
    try:
        pattern = os.fsdecode(Path("/proc/sys/kernel/core_pattern").read_bytes()).strip("\n")
    except OSError:
        return "none looked for: this system does not say where it puts them"
    core = _newest(process, pattern) if not pattern.startswith("|") else None
    if core is None:
        return reason_for_none(process, pattern)
    with contextlib.suppress(OSError):  # no room
        core = Path(shutil.move(core, directory / "core"))
    return str(core)


def paths(process: Crashed, pattern: str) -> list[str]:
    """Return glob patterns for the paths at which the kernel may have put the core."""
    name = re.sub(r"%[pP]", str(process.pid), glob.escape(pattern))
    path = os.path.join(glob.escape(os.path.abspath(process.cwd)), re.sub("%.?", "*", name))
    return [path, f"{path}.{process.pid}"]  # the second with kernel.core_uses_pid


def reason_for_none(process: Crashed, pattern: str) -> str:
    """Return why there is no core, and how to get one."""
    if pattern.startswith("|"):
        program = next(iter(pattern[1:].split()), "?")
        return (
            f"none here: the system gives it to {program} (kernel.core_pattern); "
            "ask that, as coredumpctl does, or set kernel.core_pattern to a file name"
        )
    path = paths(process, pattern)[0]
    if process.limit == 0:
        return f"none: its limit was 0; 'ulimit -c unlimited' before pytest, then it is {path}"
    return f"none found as {path}"


def _newest(process: Crashed, pattern: str) -> Path | None:
    cores = []
    for name in [name for path in paths(process, pattern) for name in glob.glob(path)]:
        with contextlib.suppress(OSError):
            written = os.stat(name).st_mtime
            if written >= process.started - _CLOCKS and os.path.isfile(name):
                with open(name, "rb") as file:
                    head = file.read(18)
                # ELF, and of the type ET_CORE (elf(5)), in either byte order: no other file.
                if head.startswith(b"\x7fELF") and head[16:] in (b"\4\0", b"\0\4"):
                    cores.append((written, name))
    return Path(max(cores)[1]) if cores else None
