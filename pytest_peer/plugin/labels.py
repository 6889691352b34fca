"""Short names of peers, for lines of the terminal and titles of a report, and their colours."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable

_GENERATED = re.compile(r"(?P<words>.+)-(?P<number>\d+)-(?P<pid>\d+)")  # see `core.names`
#: What `core.names` puts in the place of a long name's middle, and what is before it.
_SHORTENED = re.compile(r"^.*-[0-9a-f]{8}-[_.-]*(?=.)")
_NUMBERED = re.compile(r"(?P<word>.*?)(?P<number>\d*)", re.DOTALL)
#: No red, which is that of failures.
_COLOURS = ("cyan", "yellow", "green", "purple", "blue")
#: What `TerminalWriter.markup` takes.
MARKUPS: tuple[dict[str, bool], ...] = (
    *({colour: True} for colour in _COLOURS),
    *({colour: True, "bold": True} for colour in _COLOURS),
)


def short(name: str, module: str) -> str:
    """Return a name without what all names of a test have in common, if it was made up.

    That is the word for its module, and the process id of the origin; of a long one also what is
    before the hash in it.
    """
    made = _GENERATED.fullmatch(name)
    if made is None or int(made["pid"]) != os.getpid():
        return name
    word = _SHORTENED.sub("", made["words"].removeprefix(f"{module}-"))
    return f"{word}-{made['number']}"


def titles(every: Iterable[str], module: str) -> dict[str, str]:
    """Return what to call each peer in a title; what would be another's name too stays whole."""
    names = dict.fromkeys(every)
    shorter = {name: short(name, module) for name in names}
    known = Counter([*shorter.values(), *(name for name in names if name != shorter[name])])
    return {name: each if known[each] == 1 else name for name, each in shorter.items()}


def markup_number(label: str, taken: Collection[int]) -> int:
    """Return which markup is a label's: the same in each run, unless it is `taken`.

    Labels that differ by their number, as those of a group, have one after the other.
    """
    found = _NUMBERED.fullmatch(label)
    assert found is not None
    first = sum(found["word"].encode()) + int(found["number"] or 0)
    order = [(first + step) % len(MARKUPS) for step in range(len(MARKUPS))]
    return next((number for number in order if number not in taken), order[0])


class Labels:
    """The labels in use. A peer keeps its own as long as it lives, restarts included."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._markups: dict[str, int] = {}

    def label(self, name: str, host: str, module: str) -> tuple[str, dict[str, bool]]:
        """Return the label of a peer of that name, and its markup."""
        if name not in self._of:
            used, whole = self._of.values(), f"{name}@{host}"
            label = next((each for each in (short(name, module), name) if each not in used), whole)
            self._markups[name] = markup_number(label, set(self._markups.values()))
            self._of[name] = label
        return self._of[name], MARKUPS[self._markups[name]]

    def keep(self, names: Iterable[str]) -> None:
        """Forget all but these: the others' peers are gone."""
        kept = set(names)
        for name in self._of.keys() - kept:
            del self._of[name], self._markups[name]
