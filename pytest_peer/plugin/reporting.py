"""What a failing test's report shows of its peers, and what the end of a run shows of crashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from .session import CrashReport, left_key

if TYPE_CHECKING:
    from ..evidence.output import OutputStream
    from ..peers.lifecycle import PeerLife

#: What a section quotes of a stream; the log file has all of it.
SECTION_CHARACTERS = 16 * 1024


class Shown:
    """How much of each stream earlier sections have shown."""

    def __init__(self) -> None:
        self._sizes: dict[OutputStream, int] = {}

    def start(self, lives: Iterable[PeerLife]) -> None:
        """Begin a test: earlier output of the peers of wider scopes is not part of it."""
        for life in lives:
            for stream in (life.process.streams.stdout, life.process.streams.stderr):
                stream.drain()
                self._sizes[stream] = stream.size

    def sections(self, lives: Iterable[PeerLife]) -> Iterator[tuple[str, str]]:
        """Return titles and texts of sections for new output.

        The titles are pytest's own, so ``--show-capture`` applies.
        """
        for life in lives:
            streams = life.process.streams
            for kind, stream in (("stdout", streams.stdout), ("stderr", streams.stderr)):
                stream.drain()
                shown, self._sizes[stream] = self._sizes.get(stream, 0), stream.size
                if shown < stream.size:
                    yield f"{kind} [{life.options.name}]", _tail(stream.text_since(shown), stream)


def add_stacks(report: pytest.TestReport, lives: Iterable[PeerLife]) -> None:
    """Add a section for the stacks of each peer that runs."""
    from ..evidence import stacks

    running = [life for life in lives if life.state == "running"]
    occasion = f"{report.nodeid} failed in {report.when}"
    texts = stacks.record_all([life.stacks for life in running], occasion)
    for life, text in zip(running, texts, strict=True):
        if len(text) > SECTION_CHARACTERS:
            more = f"... more in {life.record.artifacts.path / 'stacks.txt'}"
            text = f"{text[:SECTION_CHARACTERS]}\n{more}"
        report.sections.append((f"Captured stacks [{life.options.name}] {report.when}", text))


def _tail(text: str, stream: OutputStream) -> str:
    more = len(text) - SECTION_CHARACTERS
    if more <= 0:
        return text
    return f"... {more} characters more in {stream.path}\n{text[-SECTION_CHARACTERS:]}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show two lines for each crash, below the test in which it happened."""
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
