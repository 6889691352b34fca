"""What threads wait for in our own words; also sent to peers.

The kernel knows of such a wait only that it is one for a lock.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any

#: By the thread's identifier. An empty word is a wait for an answer of ours: the call goes on.
words: dict[int, str] = {}


class Waiting:
    """While in this block, the thread waits for `word`, as ``Blocked.on`` says it."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._before: str | None = None

    def __enter__(self) -> None:
        thread = get_ident()
        self._before = words.get(thread)
        words[thread] = self._word

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            words.pop(get_ident(), None)
        else:
            words[get_ident()] = self._before
