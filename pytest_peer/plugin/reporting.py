"""What a failing test's report shows of its peers, and what the end of a run shows of crashes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from .session import CrashReport, left_key, spawned_key

if TYPE_CHECKING:
    from ..evidence.output import OutputStream
    from ..peers.lifecycle import PeerLife

SECTION_CHARACTERS = 16 * 1024  # that a section quotes of a stream; the log file has all of it


def titled(lives: "Iterable[PeerLife]") -> "Iterator[tuple[str, PeerLife]]":
    """Return the lives, each with its name for titles, and its number if there are several."""
    every = list(lives)
    count, number = Counter(life.options.name for life in every), Counter[str]()
    for life in every:
        name = life.options.name
        number[name] += 1
        which = f" (life {number[name]} of {count[name]})" if count[name] > 1 else ""
        yield f"[{name}]{which}", life


def streams(lives: "Iterable[PeerLife]") -> "Iterator[tuple[str, OutputStream]]":
    """Return what the lives have written so far, with titles that ``--show-capture`` knows."""
    for whose, life in titled(lives):
        written = life.process.streams
        for kind, stream in (("stdout", written.stdout), ("stderr", written.stderr)):
            stream.drain()
            yield f"{kind} {whose}", stream


def new_output(
    lives: "Iterable[PeerLife]", shown: "dict[OutputStream, int]"
) -> Iterator[tuple[str, str]]:
    """Return titles and texts of sections for what `shown` has not, and note it there."""
    for title, stream in streams(lives):
        start, shown[stream] = shown.get(stream, 0), stream.size
        if start < stream.size:
            text = stream.text_since(start)
            more = len(text) - SECTION_CHARACTERS
            if more > 0:
                text = f"... {more} characters more in {stream.path}\n{text[-SECTION_CHARACTERS:]}"
            yield title, text


def states(lives: "Iterable[PeerLife]") -> str:
    """Return each of them, and the directory of its artifacts."""
    return "\n".join(f"{life!r}\n    {life.record.artifacts.path}" for life in lives)


def add_stacks(report: pytest.TestReport, lives: "Iterable[PeerLife]") -> None:
    from ..evidence import stacks

    running = [each for each in titled(lives) if each[1].state == "running"]
    occasion = f"{report.nodeid} failed in {report.when}"
    texts = stacks.record_all([life.stacks for _, life in running], occasion)
    for (whose, life), text in zip(running, texts, strict=True):
        if len(text) > SECTION_CHARACTERS:
            more = f"... more in {life.record.artifacts.path / 'stacks.txt'}"
            text = f"{text[:SECTION_CHARACTERS]}\n{more}"
        report.sections.append((f"Captured stacks {whose} {report.when}", text))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show two lines for each crash, below the test in which it happened."""
    if reason := config.stash.get(spawned_key, ""):
        terminalreporter.line(f"peers were spawned, not forked: {reason}", yellow=True)
    crashes: list[CrashReport] = []
    for reports in terminalreporter.stats.values():  # which are not only reports
        for report in reports:
            crashes += getattr(report, "peer_crashes", ())
    crashes = [*crashes, *config.stash.get(left_key, ())]
    if crashes:
        terminalreporter.section("peers that crashed")
    above = None
    for test, peer, reason, pid, path in crashes:
        if test != above:
            terminalreporter.line(test)
            above = test
        terminalreporter.line(f"  {peer} (pid {pid}): {reason}")
        terminalreporter.line(f"    {path}")
