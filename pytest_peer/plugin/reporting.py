"""What a failing test's report shows of its peers, and what the end of a run shows of crashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from ..evidence.output import OutputStream
    from ..peers.lifecycle import PeerLife
    from .artifacts import CrashReport

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


def add_output(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    output: Iterable[tuple[str, str]],
    lives: Iterable[PeerLife],
) -> None:
    """Add sections for new output, and for the state of the peers if the phase failed."""
    for title, text in output:
        item.add_report_section(call.when, title, text)
    if call.excinfo is not None:
        item.add_report_section(call.when, "peers", _state_section(lives))


def add_stacks(report: pytest.TestReport, lives: Iterable[PeerLife]) -> None:
    """Add a section for the stacks of each peer that runs."""
    occasion = f"{report.nodeid} failed in {report.when}"
    for title, text in _stacks_sections(lives, occasion):
        report.sections.append((f"Captured {title} {report.when}", text))


def _stacks_sections(lives: Iterable[PeerLife], occasion: str) -> Iterator[tuple[str, str]]:
    """Return titles and texts of sections for the stacks of the peers that run.

    :param occasion: the heading in their ``stacks.txt``.
    """
    from ..evidence import stacks

    running = [life for life in lives if life.state == "running"]
    texts = stacks.record_all([life.stacks for life in running], occasion)
    for life, text in zip(running, texts, strict=True):
        if len(text) > SECTION_CHARACTERS:
            more = f"... more in {life.record.artifacts.path / 'stacks.txt'}"
            text = f"{text[:SECTION_CHARACTERS]}\n{more}"
        yield f"stacks [{life.options.name}]", text


def _state_section(lives: Iterable[PeerLife]) -> str:
    """Return two lines for each life of each peer: its state, and the path of its artifacts."""
    return "\n".join(f"{life!r}\n    {life.record.artifacts.path}" for life in lives)


def _tail(text: str, stream: OutputStream) -> str:
    more = len(text) - SECTION_CHARACTERS
    if more <= 0:
        return text
    return f"... {more} characters more in {stream.path}\n{text[-SECTION_CHARACTERS:]}"


def shown_locals(config: pytest.Config) -> str:
    """Return how reports show the locals of frames, as pytest does it for its own.

    Empty for not at all, ``"short"`` or ``"full"``.
    """
    if not config.getoption("showlocals", False):
        return ""
    return "full" if config.get_verbosity() > 1 else "short"


def attached(reports: Iterable[Iterable[object]]) -> Iterator[CrashReport]:
    """Return the crashes that reports carry.

    :param reports: the values of ``TerminalReporter.stats``, which are not only reports.
    """
    return (
        crash
        for category in reports
        for report in category
        for crash in getattr(report, "peer_crashes", ())
    )


def crash_lines(crashes: Iterable[CrashReport]) -> Iterator[str]:
    """Return two lines for each crash, below the test in which it happened."""
    above = None
    for crash in crashes:
        if crash["test"] != above:
            above = crash["test"]
            yield above
        yield f"  {crash['peer']} (pid {crash['pid']}): {crash['reason']}"
        yield f"    {crash['path']}"
