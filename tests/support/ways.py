"""Ways to start a peer by launchers that pass on only stdin, stdout and stderr."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

#: The contract says a second; a busy machine may need some more.
SECONDS = 4.0


#: Fixtures of the tests of launchers.
WAYS = ["bare", "ssh", "docker_run", "docker_exec", "srun", "sudo", "kubectl"]


class Missing(Exception):
    """What the machine lacks."""


@contextlib.contextmanager
def available() -> Iterator[None]:
    """Skip if the machine lacks something; fail in CI as root, which could have installed it."""
    try:
        yield
    except Missing as exc:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(str(exc))
        pytest.skip(str(exc))


@dataclass(frozen=True)
class Way:
    """How to start a peer: the words `before` the program, the program, and what holds there."""

    before: tuple[str, ...]
    python: str = sys.executable
    #: Whether a peer runs in a space of process ids of its own.
    container: bool = False
    #: In how many seconds a peer notices that its connection is lost.
    patience: float = SECONDS

    @property
    def exec(self) -> list[str]:
        return [*self.before, self.python]


def found(program: str) -> str:
    """Its path, also where only root looks."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"no {program} on this machine")
    return path


def needs_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Missing(f"{what} needs root")
