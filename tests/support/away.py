"""A peer that sees neither the tests nor the packages installed for them."""

from __future__ import annotations

import functools
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

#: Mounts empty file systems over two directories, in a namespace, and becomes the program.
_HIDE = 'mount -t tmpfs none "$0" && mount -t tmpfs none "$1" && shift && exec "$@"'


def away(directory: Path, python: str) -> dict[str, list[str]]:
    """Options of a peer that does not see the directory; skips where that cannot be."""
    launcher = [*_unshare(), "sh", "-c", _HIDE, str(directory), sysconfig.get_path("purelib")]
    return {"exec": [*launcher, python], "args": ["-S"]}


@functools.cache
def _unshare() -> list[str]:
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    mount = ["sh", "-c", "mount -t tmpfs none /tmp"]
    try:
        subprocess.run([*command, *mount], check=True, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"no file system of its own for a process: {exc.stderr.strip()}")
    return command
