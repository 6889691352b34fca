"""The memory of a process that no other process shares."""

from __future__ import annotations

import re
from pathlib import Path


def unique(pid: int) -> int | None:
    """Return the bytes that the end of a process would free (USS); ``None`` if not known.

    A peer has a reaper, which ends with it.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        if b"pytest-peer-reaper" in Path(f"/proc/{parent}/cmdline").read_bytes():
            text += Path(f"/proc/{parent}/smaps_rollup").read_text()
    except FileNotFoundError:
        return None
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))
