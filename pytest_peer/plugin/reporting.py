"""What a failing test's report says about its peers."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from ..evidence.output import OutputStream
    from ..peers.peer import Peer

#: What a section quotes of a stream; the log file has all of it.
SECTION_CHARACTERS = 16 * 1024


class Shown:
    """How much of each stream earlier sections have shown."""

    def __init__(self) -> None:
        self._sizes: dict[OutputStream, int] = {}

    def start(self, peers: Iterable[Peer]) -> None:
        """A test begins: what the peers of wider scopes have written so far is not its own."""
        for peer in peers:
            for stream in (peer.stdout, peer.stderr):
                stream.drain()
                self._sizes[stream] = stream.size

    def sections(self, peers: Iterable[Peer]) -> Iterator[tuple[str, str]]:
        """Titles and texts of the sections for what is new; pytest knows these titles, ``--show-capture`` obeys them."""
        for peer in peers:
            for kind, stream in (("stdout", peer.stdout), ("stderr", peer.stderr)):
                stream.drain()
                text = stream.text_since(self._sizes.get(stream, 0))
                self._sizes[stream] = stream.size
                if text:
                    yield f"{kind} [{peer.name}]", _tail(text, stream)


def stacks_sections(peers: Iterable[Peer], occasion: str) -> Iterator[tuple[str, str]]:
    """Titles and texts of the sections for where the threads of the peers that run are now.

    :param occasion: the words for it in ``stacks.txt``.
    """
    from ..evidence import stacks

    running = [peer for peer in peers if peer.state == "running"]
    texts = stacks.record_all([peer.instance.stacks for peer in running], occasion)
    for peer, text in zip(running, texts, strict=True):
        if len(text) > SECTION_CHARACTERS:
            more = f"... more in {peer.artifacts / 'stacks.txt'}"
            text = f"{text[:SECTION_CHARACTERS]}\n{more}"
        yield f"stacks [{peer.name}]", text


def state_section(peers: Iterable[Peer]) -> str:
    """Every peer in a line, with the place of its artifacts."""
    return "\n".join(f"{peer!r}\n    {peer.artifacts}" for peer in peers)


def _tail(text: str, stream: OutputStream) -> str:
    if len(text) <= SECTION_CHARACTERS:
        return text
    return f"... {len(text) - SECTION_CHARACTERS} characters more in {stream.path}\n{text[-SECTION_CHARACTERS:]}"


def shown_locals(config: pytest.Config) -> str:
    """How this run's reports show the locals of frames: not at all (empty), ``"short"`` or ``"full"``, as pytest itself does it."""
    if not config.getoption("showlocals", False):
        return ""
    return "full" if config.get_verbosity() > 1 else "short"
