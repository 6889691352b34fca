"""Memory that a process shares with nobody."""

from __future__ import annotations

import re
from pathlib import Path


def unique(pid: int) -> int | None:
    """Bytes that would be free if the process ended (USS); ``None`` where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except FileNotFoundError:
        return None
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))
