"""The interpreter at the other end: its own description, and what follows from that."""

import ast
import contextlib
import functools
import os
import sys
from dataclasses import dataclass, field
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

from .protocol.codec import code_refusal
from .protocol.module_aliases import Place, place_of

#: The oldest Python that the agent and execnet run on.
OLDEST = (3, 8)
#: The oldest Python that the rest of this package runs on.
OLDEST_ORIGIN = (3, 11)


class Unusable(Exception):
    """The program at the other end is not a usable interpreter; the text says why."""


@dataclass(frozen=True)
class Interpreter:
    """The peer's description of itself, and the origin's path at that time."""

    version: tuple[int, int, int]
    implementation: str
    pid: int
    executable: str
    prefix: str
    #: Whether it has no installed packages (``-S``). Python 3.14 has the prefix all the same.
    no_site: int
    magic: bytes
    #: A file of its standard library, and the identity of that file.
    library: str
    place: Place | None
    #: Its ``sys.path`` if it runs in our environment.
    path: tuple[str, ...] = field(default_factory=lambda: tuple(map(_absolute, sys.path)))
    #: Whether it runs in a container or on another machine, even with a copy of our environment.
    elsewhere: bool = False

    def __str__(self) -> str:
        return f"{self.implementation} {'.'.join(map(str, self.version))}"

    @property
    def compiled(self) -> bool:
        """Return whether it can read our compiled code."""
        return self.magic == MAGIC_NUMBER

    @functools.cached_property
    def same(self) -> bool:
        """Return whether it runs in our environment, on this machine."""
        if not self.compiled or self.no_site != sys.flags.no_site or self.elsewhere:
            return False
        same_prefix = Path(self.prefix) == Path(sys.prefix)
        return same_prefix and self.place is not None and self.place == place_of(self.library)

    @property
    def by_value(self) -> str:
        """Return why code cannot be sent to it by value; empty if it can."""
        return code_refusal((sys.implementation.name, *sys.version_info[:2]), self.python)

    @property
    def python(self) -> tuple[str, int, int]:
        """Return what `code_refusal` compares."""
        return (self.implementation, *self.version[:2])


def literal(line: bytes) -> Any:
    """Evaluate a literal, again if another thread has disturbed that.

    Before Python 3.11.8 and 3.12.2, `ast` counts the depth of all threads together (CPython's issue
    106905).
    """
    for _ in range(100):
        with contextlib.suppress(SystemError):
            return ast.literal_eval(line.decode("ascii"))
    return ast.literal_eval(line.decode("ascii"))


def parse_hello(line: bytes) -> Interpreter:
    """Parse the agent's first line; `Unusable` if it is not the agent's, or its Python too old."""
    try:
        interpreter = Interpreter(**literal(line))
    except (ValueError, SyntaxError, TypeError) as exc:
        raise Unusable(f"unexpected first line on the control link: {line!r}") from exc
    if interpreter.version < OLDEST:
        name = f"Python {'.'.join(map(str, interpreter.version))} ({interpreter.executable})"
        raise Unusable(f"{name} is too old: a peer needs 3.8 or newer")
    return interpreter


def _absolute(entry: str) -> str:
    if os.path.isabs(entry):
        return entry
    # The peer may have another working directory. An entry that does not exist may belong to an
    # import hook, which knows it by this text.
    return os.path.abspath(entry) if os.path.exists(entry or ".") else entry
