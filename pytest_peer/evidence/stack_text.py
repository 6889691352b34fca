"""What a text of stacks says: its parts, which of them idle, and which are equal."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

#: The bodies of threads that have nothing to do; see `agent.stacks`.
_IDLE = ("waits for a call", "in the event loop")
#: Functions in which threads of pools wait for work, each in a file whose path ends so.
_WORKERS = {
    ("concurrent/futures/thread.py", "_worker"),
    ("concurrent/futures/process.py", "wait_result_broken_or_wakeup"),
    ("logging/handlers.py", "dequeue"),
    ("multiprocessing/queues.py", "_feed"),
    *(("multiprocessing/pool.py", f"_handle_{what}") for what in ("tasks", "results", "workers")),
    *(("multiprocessing/pool.py", name) for name in ("worker", "_wait_for_updates")),
}
#: What these wait in; a frame of such a file says nothing of what a thread does.
_WAITING = re.compile(r"/(queue|selectors|threading|multiprocessing/(connection|synchronize))\.py$")
_FRAME = re.compile(r'^ *File "(?P<file>.*)", line \S+ in (?P<function>.*)$', re.MULTILINE)
#: Of a heading: who it is, and in which order the frames are.
_HEADING = re.compile(r"(?P<who>\S.*?)(?P<order>(?: \(most recent call (?:first|last)\))?:)")
_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")
#: Python 3.14 and newer have it in a crash, longer than the stacks in Python.
_OF_C = "C stack trace"
#: More threads than that are only counted where all have the same stack.
_MOST_HEADINGS = 3


class Part(NamedTuple):
    """A paragraph: the stack of a thread or task below its heading, or why there is none."""

    heading: str
    body: str

    @property
    def text(self) -> str:
        return "\n".join(filter(None, self))

    @property
    def idle(self) -> bool:
        """Whether it is of a thread that waits for work."""
        if self.body.strip() in _IDLE:
            return True
        frames = [(each["file"], each["function"]) for each in _FRAME.finditer(self.body)]
        if "call last" in self.heading:
            frames.reverse()
        for file, function in frames:
            if not _WAITING.search(file):
                return any(file.endswith(f"/{end}") and function == at for end, at in _WORKERS)
        return False


def parts(text: str) -> Iterator[Part]:
    """Yield what the text is made of, without C frames."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        first, _, rest = paragraph.partition("\n")
        if paragraph and _OF_C not in first:
            yield Part(first, rest) if _HEADING.fullmatch(first) else Part("", paragraph)


def comparable(text: str) -> str:
    """Return a text without the addresses in it, which differ between processes."""
    return _ADDRESS.sub("0x", text)


def merged(every: Mapping[T, Sequence[Part]]) -> Iterator[tuple[tuple[T, ...], str]]:
    """Yield the text of what is in just these peers, each stack once."""
    found: dict[str, dict[T, list[Part]]] = {}
    for peer, of_peer in every.items():
        for part in of_peer:
            found.setdefault(comparable(part.body), {}).setdefault(peer, []).append(part)
    sections: dict[tuple[T, ...], list[str]] = {}
    for peers in found.values():
        equal = [part for of_peer in peers.values() for part in of_peer]
        text = Part(_joined([part.heading for part in equal]), equal[0].body).text
        sections.setdefault(tuple(peers), []).append(text)
    for together, texts in sections.items():
        yield together, "\n\n".join(texts)


def _joined(headings: Sequence[str]) -> str:
    """Return one heading for all that have the same stack."""
    found = [_HEADING.fullmatch(each) for each in dict.fromkeys(headings)]
    matches = [match for match in found if match is not None]
    if not matches:
        return headings[0]
    shown = ", ".join(match["who"] for match in matches[:_MOST_HEADINGS])
    more = len(matches) - _MOST_HEADINGS
    return shown + (f" and {more} more" if more > 0 else "") + matches[0]["order"]
