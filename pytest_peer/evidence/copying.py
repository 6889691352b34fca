"""Copies of a peer's directory, in which the peer may have put anything, and which it may be writing to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: A larger file is left out: a core may have the size of the machine's memory.
LARGEST = 1024**3
_CHUNK = 1024**2


def copy_directory(source: Path, target: Path) -> list[str]:
    """Copy what is there, over what is in `target` already; return what could not be copied, and why.

    Links are copied as links. What is neither file, directory nor link is left out, without a word.
    """
    failures: list[str] = []
    for here, directories, files in list(
        os.walk(source)
    ):  # listed before, as `target` may be below
        there = os.path.join(target, os.path.relpath(here, source))
        try:
            os.makedirs(there, exist_ok=True)
        except OSError as exc:
            failures.append(str(exc))
            continue
        for name in (*files, *directories):
            try:
                _copy(os.path.join(here, name), os.path.join(there, name))
            except FileNotFoundError:
                pass  # gone since
            except OSError as exc:
                failures.append(str(exc))
    return failures


def _copy(source: str, target: str) -> None:
    if os.path.islink(source):
        if os.path.lexists(target):
            os.unlink(target)
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(os.lstat(source).st_mode):
        # Whatever has taken its place since: not to follow a link, and not to wait for the writer of a pipe.
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            size = os.fstat(fd).st_size  # no further: somebody may write faster than this reads
            if size > LARGEST:
                raise OSError(f"{source}: left out, it has {size} bytes")
            with open(target, "wb") as copy:
                while size > 0 and (chunk := file.read(min(size, _CHUNK))):
                    size -= len(chunk)
                    if chunk.count(0) == len(chunk):
                        copy.seek(
                            len(chunk), os.SEEK_CUR
                        )  # a hole stays one: cores are full of them
                    else:
                        copy.write(chunk)
                copy.truncate()
