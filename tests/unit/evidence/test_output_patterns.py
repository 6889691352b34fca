"""A pattern is found in output that comes in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_peer.core.sync import Event
from pytest_peer.evidence import output
from pytest_peer.evidence.output import OutputStream


class Pieces(OutputStream):
    """A stream that gets its next piece each time when it would wait."""

    def __init__(self, log: Path) -> None:
        read_fd, self._write_fd = os.pipe()
        super().__init__(os.fdopen(read_fd, "rb"), log, held=bool)
        self.pieces: list[str] = []
        self._changed.wait_for = self.next_piece  # type: ignore[method-assign]

    def next_piece(self, changed: Callable[[], bool], timeout: float | None) -> bool:
        if not self.pieces:
            return Event().wait_for(changed, timeout)
        os.write(self._write_fd, self.pieces.pop(0).encode())
        return True

    def close(self) -> None:
        os.close(self._write_fd)
        super().close()


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pieces]:
    monkeypatch.setattr(output, "_OVERLAP", 10)
    stream = Pieces(tmp_path / "stdout.log")
    yield stream
    stream.close()


@pytest.mark.parametrize("pattern", ["^b", "(?m)^b", r"\Ab"])
def test_begin_is_not_where_a_search_goes_on(stream: Pieces, pattern: str) -> None:
    stream.pieces = ["a" + "b" * 20, "b" * 5, "b" * 5]
    with pytest.raises(TimeoutError):
        stream.wait_for(pattern, 0.2)
    assert not stream.pieces


def test_line_that_begins_where_a_search_goes_on_is_found(stream: Pieces) -> None:
    stream.pieces = ["a" * 20 + "\n" + "b" * 10, "c"]
    assert stream.wait_for("(?m)^b{10}c", 10)


def test_match_that_comes_in_pieces_is_found(stream: Pieces) -> None:
    stream.pieces = ["a" * 20 + "bb", "b", "c"]
    assert stream.wait_for("bbbc", 10)[0] == "bbbc"
