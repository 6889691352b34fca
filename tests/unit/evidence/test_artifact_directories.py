"""The directory of a peer's artifacts."""

from __future__ import annotations

import threading
from pathlib import Path

from pytest_peer.evidence.artifacts import Artifacts

THREADS = 8
ROUNDS = 30


def test_no_two_have_the_same_directory(tmp_path: Path) -> None:
    found: list[Path] = []
    barrier = threading.Barrier(THREADS)

    def make() -> None:
        for _ in range(ROUNDS):
            barrier.wait(30)
            found.append(Artifacts(tmp_path, "db").path)

    threads = [threading.Thread(target=make) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(set(found)) == THREADS * ROUNDS


def test_a_number_follows_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "db").touch()
    assert Artifacts(tmp_path, "db").path == tmp_path / "db.2"


def test_only_a_temporary_directory_is_discarded(tmp_path: Path) -> None:
    kept, temporary = Artifacts(tmp_path, "db"), Artifacts(None, "db")
    for each in (kept, temporary):
        each.discard()
    assert kept.path.is_dir()
    assert not temporary.path.exists()
