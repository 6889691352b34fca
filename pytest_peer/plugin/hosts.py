"""Where peers are placed: ``--peer-hosts`` fills ``{host}`` in their programs, peer by peer in turn."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import pytest

from . import settings

__tracebackhide__ = True

#: In a word of the program.
PLACE = "{host}"


def check(config: pytest.Config) -> None:
    """See that hosts and programs fit together.

    :raises pytest.UsageError: they do not; says what is missing.
    """
    hosts, programs = settings.hosts(config), settings.programs(config)
    filled = [program for program in programs if _has_place(program)]
    if hosts and not filled:
        raise pytest.UsageError(
            f"{settings.HOSTS.flag}: no {PLACE} in {settings.EXEC.flag} to put them; "
            f"""write, for example, {settings.EXEC.flag}="ssh {PLACE} python3\""""
        )
    if filled and not hosts:
        raise pytest.UsageError(
            f"{settings.EXEC.flag}: {PLACE} needs {settings.HOSTS.flag} to name some, got {' '.join(filled[0])!r}"
        )


class Placement:
    """Places the peers of one factory: its first on the first host, so a test's peers are where they were the last time."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._turn = itertools.cycle(hosts)

    def placed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the next peer, with its host: that of the option ``host`` if there is one.

        :raises pytest.UsageError: the program has a place for a host, and nobody has named one.
        """
        program = options.get("exec")
        words = [program] if isinstance(program, str) else program
        if not isinstance(words, list | tuple) or not _has_place(words):
            return dict(options)
        host = options.get("host") or next(self._turn, None)
        if host is None:
            raise pytest.UsageError(
                f"exec: {PLACE} needs {settings.HOSTS.flag} to name some, or the option host, got {program!r}"
            )
        filled = [
            word.replace(PLACE, str(host)) if isinstance(word, str) else word for word in words
        ]
        return {**options, "host": host, "exec": filled}


def _has_place(words: Sequence[Any]) -> bool:
    return any(isinstance(word, str) and PLACE in word for word in words)
