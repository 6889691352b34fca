"""Names of peers. They become part of file names, command lines and host names."""

import hashlib
import itertools
import os
import re
from collections.abc import Sequence

#: A host name label's limit; file systems allow more.
MAX_LENGTH = 63
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")

_counter = itertools.count(1)


def random_name(prefix: str = "peer") -> str:
    """Return ``<prefix>-<n>-<pid>``, a name that no other call in this process returns.

    Erlang's original is ``peer:random_name/1``.

    :param prefix: default ``"peer"``. Characters outside ``[A-Za-z0-9_.-]`` become ``_``, and a
        long prefix is shortened in the middle.
    """
    tail = f"-{next(_counter)}-{os.getpid()}"
    return (slug(prefix, MAX_LENGTH - len(tail)) or "peer") + tail


def slug(text: str, limit: int) -> str:
    """Return `text` as a valid name, or empty if no letter or digit is in it.

    Other characters become ``_``. In a text longer than `limit` a hash of it replaces the middle.
    """
    word = _FOREIGN.sub("_", text).strip("_.-")
    if len(word) <= limit:
        return word
    digest = hashlib.sha256(word.encode()).hexdigest()[:8]
    kept = limit - len(digest) - 2
    return f"{word[: (kept + 1) // 2]}-{digest}-{word[len(word) - kept // 2 :]}"


def checked(name: object) -> str:
    """Return `name` if it can be a peer's name, else raise TypeError or ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {name!r}")
    if _FOREIGN.search(name) or name in ("", ".", ".."):
        raise ValueError(f"name: only letters, digits and any of '_.-' are allowed, got {name!r}")
    if len(name) > MAX_LENGTH:
        raise ValueError(f"name: at most {MAX_LENGTH} characters, got {len(name)}: {name!r}")
    return name


def listed(every: Sequence[str]) -> str:
    """Return names as a list for a reader; ``rank-0 to rank-4`` for those that follow another."""
    runs: list[list[str]] = []
    for name in every:
        if runs and _follows(name, runs[-1][-1]):
            runs[-1].append(name)
        else:
            runs.append([name])
    words = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else run for run in runs]
    return ", ".join(word for run in words for word in run)


def _follows(name: str, before: str) -> bool:
    prefix, _, number = name.rpartition("-")
    prefix_before, _, number_before = before.rpartition("-")
    numbers = number.isdecimal() and number_before.isdecimal()
    return numbers and prefix == prefix_before and int(number) == int(number_before) + 1
