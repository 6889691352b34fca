"""The interpreter at the other end: what it says of itself, and what follows from it."""

from __future__ import annotations

import ast
import functools
import os
import sys
from dataclasses import dataclass
from dataclasses import field
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

from .origin_modules import Place
from .origin_modules import place_of

PythonVersion = tuple[int, int, int]

#: The oldest Python that the agent and execnet run on.
OLDEST = (3, 8)
#: The oldest Python that the rest of this package runs on.
OLDEST_ORIGIN = (3, 11)


class Unusable(Exception):
    """What answered is no interpreter we can use; the text says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What the peer said about itself, and the path of its origin at that time."""

    version: PythonVersion
    implementation: str
    pid: int
    executable: str
    prefix: str
    magic: bytes
    #: A file of its standard library, and what tells it from one of the same name on another machine.
    library: str
    place: Place | None
    #: What it has as ``sys.path`` if it is in the environment of this one.
    path: tuple[str, ...] = field(default_factory=lambda: tuple(map(_absolute, sys.path)))

    #: Whether it is in a container, or on another machine, which may have nothing of this one but the environment.
    elsewhere: bool = False

    def __str__(self) -> str:
        return f"{self.implementation} {'.'.join(map(str, self.version))}"

    @property
    def compiled(self) -> bool:
        """Whether it can read our compiled code."""
        return self.magic == MAGIC_NUMBER

    @property
    def same(self) -> bool:
        """Whether it is in the environment of this one, on this machine."""
        return self.compiled and not self.elsewhere and _here(self.prefix, self.library, self.place)

    @property
    def by_value(self) -> str:
        """Why code cannot be sent to it by value; empty if it can."""
        return by_value_refusal(self.implementation, self.version)


@functools.lru_cache(maxsize=16)  # those of one fork server say the same
def _parsed(line: bytes) -> dict[str, Any]:
    said: dict[str, Any] = ast.literal_eval(line.decode("ascii"))
    return said


@functools.lru_cache(maxsize=16)
def _here(prefix: str, library: str, place: Place | None) -> bool:
    return Path(prefix) == Path(sys.prefix) and place is not None and place == place_of(library)


def said_hello(line: bytes) -> Interpreter:
    """The interpreter that began with such a line.

    :raises Unusable: it is not the line of one, or of one that is too old.
    """
    try:
        interpreter = Interpreter(**_parsed(line))
    except (ValueError, SyntaxError, TypeError) as exc:
        raise Unusable(f"unexpected first line on the control link: {line!r}") from exc
    if interpreter.version < OLDEST:
        version = ".".join(map(str, interpreter.version))
        raise Unusable(
            f"Python {version} ({interpreter.executable}) is too old: a peer needs 3.8 or newer"
        )
    return interpreter


def by_value_refusal(implementation: str, version: PythonVersion) -> str:
    """Why code cannot be sent by value to such an interpreter; empty if it can."""
    ours = (sys.implementation.name, sys.version_info[:2])
    if (implementation, tuple(version[:2])) == ours:
        return ""
    there = f"{implementation} {version[0]}.{version[1]}"
    here = f"{ours[0]} {ours[1][0]}.{ours[1][1]}"
    return (
        f"code cannot travel by value between {here} and {there}: it would crash the interpreter. "
        "Move it to the top level of an importable module, or use the same Python version on both sides"
    )


def _absolute(entry: str) -> str:
    if os.path.isabs(entry):
        return entry
    # The peer's directory may be another. An entry that does not exist may be of an import hook, which knows it by these words.
    return os.path.abspath(entry) if os.path.exists(entry or ".") else entry
