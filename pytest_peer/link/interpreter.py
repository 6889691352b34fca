"""The interpreter at the other end: what it says of itself, and what follows from it."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

from . import parcel
from . import tracebacks

PythonVersion = tuple[int, int, int]

#: The oldest Python that the agent and execnet run on.
OLDEST = (3, 8)


class Unusable(Exception):
    """What answered is no interpreter we can use; the text says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What the peer said about itself."""

    version: PythonVersion
    implementation: str
    pid: int
    executable: str
    prefix: str
    magic: bytes

    def __str__(self) -> str:
        return f"{self.implementation} {'.'.join(map(str, self.version))}"

    @property
    def compiled(self) -> bool:
        """Whether it can read our compiled code."""
        return self.magic == MAGIC_NUMBER

    @property
    def by_value(self) -> str:
        """Why code cannot be sent to it by value; empty if it can."""
        return by_value_refusal(self.implementation, self.version)


def said_hello(line: bytes) -> Interpreter:
    """The interpreter that began with such a line.

    :raises Unusable: it is not the line of one, or of one that is too old.
    """
    try:
        interpreter = Interpreter(**ast.literal_eval(line.decode("ascii")))
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


def agent_config(
    interpreter: Interpreter, name: str, evidence: dict[str, Any] | None, lifeline: int = -1
) -> dict[str, Any]:
    """What the agent in such an interpreter has to know.

    :param name: the peer's.
    :param evidence: for the agent's module `evidence`.
    :param lifeline: a descriptor it has inherited and nobody shall inherit from it; -1 for none.
    """
    same = Path(interpreter.prefix) == Path(sys.prefix) and interpreter.compiled
    return {
        "name": name,
        "by_value": interpreter.by_value,
        "locals": tracebacks.shown_locals,
        "path": list(sys.path) if same else _portable_path(),
        "replace_path": same,
        "own_files": parcel.own_files(),
        "lifeline": lifeline,
        "evidence": evidence,
    }


def _portable_path() -> list[str]:
    """The entries of ``sys.path`` that mean something to another interpreter: not the standard library, not site-packages."""
    ours = tuple(
        {os.path.join(prefix, "") for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    )
    return [
        entry for entry in sys.path if not os.path.join(os.path.abspath(entry), "").startswith(ours)
    ]
