"""Short words for programs: what the id of a test calls the interpreter that its peers run on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence

from ..core.names import shortened

#: An id is shown in a line with the test's name.
MAX_LENGTH = 40
_FOREIGN = re.compile(r"[^A-Za-z0-9_.=+-]+")


def ids(programs: Sequence[Sequence[str]]) -> list[str]:
    """A word for each program: its file name, or of those with the same one the parts of the paths by which they differ.

    The words of a longer command are joined by ``-``; what is too long gets a hash as its middle.

    :param programs: command lines that all differ.
    """
    parts = [[part for word in program for part in word.split("/") if part] for program in programs]
    found = [_joined(word.rpartition("/")[2] or word for word in program) for program in programs]
    for tell in (_differences, _complete):
        for same in _groups(found):
            for index, told in zip(same, tell([parts[index] for index in same]), strict=True):
                found[index] = told
    return _numbered(found)


def _groups(found: Sequence[str]) -> list[list[int]]:
    """The indices of those that are the same, where there are several."""
    return [
        [index for index, each in enumerate(found) if each == same]
        for same, count in Counter(found).items()
        if count > 1
    ]


def _differences(programs: Sequence[Sequence[str]]) -> list[str]:
    """The fewest parts from the end that tell one from the other; all, where one of them lacks such a part."""
    depth = max(map(len, programs))
    columns = list(
        zip(*([""] * (depth - len(parts)) + [*parts] for parts in programs), strict=True)
    )
    differing = [column for column in columns if len(set(column)) > 1]
    for count in range(1, len(differing) + 1):
        rows = list(zip(*differing[-count:], strict=True))
        if len(set(rows)) == len(rows):
            return (
                _complete(programs) if any("" in row for row in rows) else list(map(_joined, rows))
            )
    return _complete(programs)


def _complete(programs: Sequence[Sequence[str]]) -> list[str]:
    return list(map(_joined, programs))


def _joined(words: Iterable[str]) -> str:
    cleaned = (_FOREIGN.sub("_", word).strip("-") for word in words)
    return shortened("-".join(filter(None, cleaned)) or "program", MAX_LENGTH)


def _numbered(found: Sequence[str]) -> list[str]:
    """What is still the same differs in characters that an id cannot have."""
    unique: list[str] = []
    for each in found:
        number, told = 1, each
        while told in unique or (number > 1 and told in found):
            number += 1
            told = f"{each}-{number}"
        unique.append(told)
    return unique
