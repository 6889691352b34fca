"""Where the system puts the core of a process that crashed, and why there may be none (core(5))."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

#: Signals whose default action writes a core (signal(7)).
DUMPING = {
    getattr(signal, f"SIG{name}")
    for name in ("ABRT", "BUS", "FPE", "ILL", "QUIT", "SEGV", "SYS", "TRAP", "XCPU", "XFSZ")
}
#: A bigger one on another file system stays where it is: to copy it would keep calls waiting that must learn of the crash.
_MOST_COPIED = 256 << 20
#: Clocks of file systems are coarser than ours.
_CLOCKS = 1.0


@dataclass(frozen=True, slots=True)
class Crashed:
    """A process that a signal has ended. `limit` is its RLIMIT_CORE at its start, as far as we know; negative for none."""

    pid: int
    signal: int
    executable: str
    cwd: str
    limit: int
    started: float


def place(pattern: str, uses_pid: bool, process: Crashed) -> str:
    """The path of the core, with ``*`` for what only the kernel knows; empty if the core goes to a program.

    :param pattern: as in ``/proc/sys/kernel/core_pattern``.
    :param uses_pid: as in ``core_uses_pid``: the pid is added where the pattern has none.
    """
    pattern = pattern.strip("\n")
    if pattern.startswith("|") or not (pattern or uses_pid):
        return ""
    known = {
        "%": "%",
        "p": str(process.pid),
        "P": str(process.pid),
        "s": str(process.signal),
        "E": process.executable.replace("/", "!"),
        "h": os.uname().nodename,
    }
    # Literal text and letters by turns. A single % at the end is dropped.
    *parts, last = re.split(r"%(.)", pattern)
    letters = parts[1::2]
    filled = [glob.escape(known[letter]) if letter in known else "*" for letter in letters]
    parts[::2], parts[1::2] = map(glob.escape, parts[::2]), filled
    path = "".join([*parts, glob.escape(last.removesuffix("%"))])
    if uses_pid and "p" not in letters:
        path += f".{process.pid}"
    return os.path.join(glob.escape(os.path.abspath(process.cwd)), path)


def reason_for_none(pattern: str, limit: int, expected: str) -> str:
    """Why there is no core, and how to get one, for a reader.

    :param expected: what `place` says.
    """
    pattern = pattern.strip("\n")
    if pattern.startswith("|"):
        program = pattern[1:].split()[0] if pattern[1:].split() else "?"
        return (
            f"none here: the system gives it to {program} (kernel.core_pattern); "
            "ask that, as coredumpctl does, or set kernel.core_pattern to a file name"
        )
    if not expected:
        return "none: kernel.core_pattern is empty"
    if limit == 0:
        return f"none: its limit was 0; 'ulimit -c unlimited' before pytest, then it is {expected}"
    return f"none found as {expected}"


def collect(process: Crashed, directory: Path) -> str:
    """Move the core into `directory`; return where it is, or why there is none."""
    try:
        pattern = Path("/proc/sys/kernel/core_pattern").read_text()
        uses_pid = Path("/proc/sys/kernel/core_uses_pid").read_text().strip() != "0"
    except OSError:
        return "none looked for: this system does not say where it puts them"
    expected = place(pattern, uses_pid, process)
    found = _found(expected, process.started) if expected else None
    return (
        str(_moved(found, directory))
        if found
        else reason_for_none(pattern, process.limit, expected)
    )


def _found(expected: str, started: float) -> Path | None:
    """The newest of those that are not older than the process."""
    cores = []
    for name in glob.glob(expected):
        with contextlib.suppress(OSError):
            written = os.stat(name).st_mtime
            if written >= started - _CLOCKS and _is_core(name):
                cores.append((written, name))
    return Path(max(cores)[1]) if cores else None


def _is_core(name: str) -> bool:
    """Whether it is the core of a process, and not something of the user's that has such a name."""
    if not os.path.isfile(name):
        return False
    with open(name, "rb") as file:
        head = file.read(18)
    # ELF, and of the type ET_CORE (elf(5)), in either byte order.
    return head.startswith(b"\x7fELF") and head[16:] in (b"\4\0", b"\0\4")


def _moved(core: Path, directory: Path) -> Path:
    target = directory / "core"
    try:
        try:
            core.rename(target)
        except OSError as exc:
            if exc.errno != errno.EXDEV or core.stat().st_blocks * 512 > _MOST_COPIED:
                return core
            shutil.move(core, target)
    except OSError:  # no room
        return core
    return target
