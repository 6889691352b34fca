"""The sections of a failing test's report: what it shows of its peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from ..core.down_reason import DownReason
from ..core.names import listed
from ..evidence import stack_text, stacks
from . import labels, live_output, logs
from .factory import words
from .session import SECTION_CHARACTERS
from .told import Told

if TYPE_CHECKING:
    from pathlib import Path

    from ..evidence.output import OutputStream
    from ..peers.lifecycle import PeerLife


class Sections:
    """What the reports of a test show of its peers, as titles and texts; pytest adds the phase.

    What the peers of wider scopes have written `before` the test is no part of it.
    """

    def __init__(self, test: pytest.Item, before: Iterable[PeerLife]) -> None:
        self._module, _ = words(test)
        self._config = test.config
        self._shown = {stream: stream.size for life in before for _, stream in _written(life)}
        #: For the reports of the following phases too; not the test's own: a rerun begins anew.
        self.kept: list[tuple[str, str]] = []
        #: Of the failure of one phase: the reports of the following ones do not repeat them.
        self.once: list[tuple[str, str]] = []
        self.titles: set[str] = set()  # of all sections, as reports have them
        #: Whether the body of the test runs: a report that is made then is of a subtest.
        self.in_body = False
        self._talked: set[PeerLife] = set()  # those that have a section
        #: Of what else the test has: each returns the title and the text for a failure.
        self.more: list[Callable[[], tuple[str, str]]] = []

    def output(self, lives: Iterable[PeerLife]) -> Iterator[tuple[str, str]]:
        """Yield what the lives have written and logged since the last time."""
        for life, title in _titled(lives, self._module).items():
            for kind, stream in _written(life):
                start, self._shown[stream] = self._shown.get(stream, 0), stream.size
                if start < stream.size:
                    self._talked.add(life)
                    if not live_output.has_shown_all(self._config):
                        yield f"{kind} {_bracketed(title)}", _quoted(stream, start)
            if logged := logs.taken(self._config, life):
                self._talked.add(life)
                yield f"log {_bracketed(title)}", logged
        for name, logged in logs.taken_of_others(self._config):
            yield f"log [{name}]", logged

    def of_failure(
        self, lives: Iterable[PeerLife], told: Told, occasion: str
    ) -> Iterator[tuple[str, str]]:
        """Yield the states of the lives, and their stacks as far as the failure has not `told`."""
        from ..peers.choreography import deadlock  # not at the top: it imports all of `peers`

        titles = _titled(lives, self._module)
        parts = {
            life: [part for part in stack_text.parts(text) if not part.idle]
            for life, text in _stacks(titles, occasion).items()
        }
        self._talked.update(life for life, of_life in parts.items() if of_life)
        yield "peers", _states(titles, self._talked)
        if (cycle := deadlock.told(titles)) and not told.text(cycle):
            yield "deadlock", cycle.partition("\n")[2]
        untold = {
            life: [part for part in of_life if not told.stack(life, part)]
            for life, of_life in parts.items()
            if not told.death(life)
        }
        for together, text in stack_text.merged(untold):
            if len(text) > SECTION_CHARACTERS:
                file = together[0].record.artifacts.path / "stacks.txt"
                text = f"{text[:SECTION_CHARACTERS]}\n... more in {file}"
            names = [titles[life] for life in together]
            title = f"[{listed(names)}]" if names[1:] else _bracketed(names[0])
            yield f"stacks {title}", text


def _written(life: PeerLife) -> Iterator[tuple[str, OutputStream]]:
    """Yield what a life has written so far, each with a word that ``--show-capture`` knows."""
    streams = life.process.streams
    for kind, stream in (("stdout", streams.stdout), ("stderr", streams.stderr)):
        stream.drain()
        yield kind, stream


def _quoted(stream: OutputStream, start: int) -> str:
    # It ends with a line: JUnit files have the texts one behind the other.
    text = stream.text_since(start).removesuffix("\n") + "\n"
    more = len(text) - SECTION_CHARACTERS
    if more <= 0:
        return text
    return f"... {more} characters more in {stream.path}\n{text[-SECTION_CHARACTERS:]}"


def _titled(lives: Iterable[PeerLife], module: str) -> dict[PeerLife, str]:
    """Return the lives, each with its name, and its number if there are several of the name."""
    every = list(lives)
    short = labels.titles((life.options.name for life in every), module)
    count, number = Counter(life.options.name for life in every), Counter[str]()
    titles: dict[PeerLife, str] = {}
    for life in every:
        name = life.options.name
        number[name] += 1
        which = f" (life {number[name]} of {count[name]})" if count[name] > 1 else ""
        titles[life] = short[name] + which
    return titles


def _bracketed(title: str) -> str:
    name, space, which = title.partition(" ")
    return f"[{name}]{space}{which}"


def _stacks(lives: Iterable[PeerLife], occasion: str) -> dict[PeerLife, str]:
    """Return where those are that run, and where those were that have crashed."""
    every = list(lives)
    running = [life for life in every if life.state == "running"]
    texts = stacks.record_all([life.stacks for life in running], occasion)
    crashed = [life for life in every if life.state == "down" and life.died_unasked]
    crashes = {life: life.record.crash_text for life in crashed}
    return dict(zip(running, texts, strict=True)) | crashes


def _states(titles: Mapping[PeerLife, str], talked: Collection[PeerLife]) -> str:
    """Return each life with its directory; those of a folder that say nothing, in a line."""
    lines: list[str] = []
    quiet: dict[tuple[str, Path], list[PeerLife]] = {}
    for life, title in titles.items():
        path = life.record.artifacts.path
        how = _uneventful(life)
        if how and life not in talked:
            quiet.setdefault((how, path.parent), []).append(life)
        else:
            lines.append(repr(life).replace(life.options.name, title.partition(" ")[0], 1))
            lines.append(f"    {path}")
    for (how, folder), lives in quiet.items():
        who = listed([titles[life] for life in lives])
        where = folder if lives[1:] else lives[0].record.artifacts.path
        count = f"{len(lives)} peer{'s' if lives[1:] else ''}"
        lines.append(f"{count} {how}: {who}, in {where}")
    return "\n".join(lines)


def _uneventful(life: PeerLife) -> str:
    """Return a word for a peer that runs, or has ended as it was asked to; else nothing."""
    if life.state == "running":
        return "idle"
    reason = life.record.reason if life.state == "down" else None
    return "stopped" if reason == DownReason("stopped", 0) else ""
