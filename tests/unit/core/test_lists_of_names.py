"""Names of several peers, as a list for readers."""

from __future__ import annotations

import pytest

from pytest_peer.core.names import listed


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "a"),
        ("rank-0 rank-1", "rank-0, rank-1"),
        ("rank-0 rank-1 rank-2", "rank-0 to rank-2"),
        ("db rank-8 rank-9 rank-10 rank-12", "db, rank-8 to rank-10, rank-12"),
        ("a-1 b-2 b-4 1 2 3", "a-1, b-2, b-4, 1 to 3"),
        ("", ""),
    ],
)
def test_names_that_follow_each_other_are_a_range(names: str, text: str) -> None:
    assert listed(names.split()) == text
