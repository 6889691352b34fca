"""Launchers that need no daemon: stand-ins, and sudo."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ways import Missing, Way, found, needs_root


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


#: Passes nothing on, says something first, and lets its words run as they are.
_BARE = f"""\
#!{sys.executable} -S
import os, sys
sys.stdout.write("banner")
sys.stdout.flush()
sys.stderr.write("motd\\n")
os.closerange(3, 1024)
words = sys.argv[1:]
{{more}}
os.execvp(words[0], words)
"""


def bare(directory: Path) -> Way:
    """A stand-in that needs nothing; with the name of a launcher that takes words as they are."""
    return Way((str(script(directory / "doas", _BARE.format(more=""))),))


def kubectl(directory: Path) -> Way:
    """One that records its words and executes those behind ``--``."""
    record = directory / "record"
    more = f'open({str(record)!r}, "w").write(repr(words))\nwords = words[words.index("--") + 1 :]'
    program = script(directory / "kubectl", _BARE.format(more=more))
    return Way((str(program), "exec", "-i", "pod", "--"))


def sudo(_: Path) -> Way:
    needs_root("sudo without a password")
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        raise Missing(f"no {python}, which every user can run")
    return Way((found("sudo"), "-n", "-u", "nobody"), python)
