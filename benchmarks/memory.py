"""The memory of a process that no other process shares."""

from __future__ import annotations

import re
from pathlib import Path


def unique(pid: int) -> int | None:
    """Return the bytes that the end of a process would free (USS); ``None`` if not known."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except FileNotFoundError:
        return None
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))
