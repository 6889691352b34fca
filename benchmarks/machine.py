"""The machine that the figures were taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def described() -> str:
    """Return a line with interpreter, system, processors, memory and load."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    words = [
        python,
        platform.platform(),
        f"{os.cpu_count()} x {_processor()}",
        f"{memory:.0f} GB",
        f"load {os.getloadavg()[0]:.1f}",
    ]
    return ", ".join(words)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.machine()
