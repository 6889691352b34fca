"""The option ``terminal`` is a bool or a size, and is refused where there can be no terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("given", "size"),
    [(True, (24, 80)), (False, None), (None, None), ((50, 132), (50, 132)), ([1, 1], (1, 1))],
)
def test_terminal_is_a_size(peer_factory: Any, given: object, size: object) -> None:
    peer = peer_factory(terminal=given)
    assert peer.options.terminal == size
    manifest = json.loads((peer.artifacts / "manifest.json").read_text())
    assert manifest["options"]["terminal"] == (list(size) if isinstance(size, tuple) else size)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("yes", TypeError),
        (80, TypeError),
        ((24,), ValueError),
        ((24, 0), ValueError),
        ((24, 1 << 16), ValueError),
        ((24, "80"), ValueError),
        ((True, 80), ValueError),
    ],
)
def test_what_is_no_size_is_refused(
    peer_factory: Any, given: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"terminal: .*got"):
        peer_factory(terminal=given)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"exec": ["ssh", "host", "python3"]}, "behind ssh"),
        ({"exec": ["docker", "run", "-i", "--rm", "image", "python3"]}, "behind docker"),
        ({"exec": ["sudo", "python3"]}, "behind sudo"),
        ({"exec": ["ssh", "host", "python3"], "connection": 0}, "behind ssh"),
        ({"connection": 0, "detached": True}, "for a detached peer"),
    ],
)
def test_peers_that_can_have_no_terminal(peer_factory: Any, options: Any, what: str) -> None:
    with pytest.raises(ValueError, match=f"^terminal: there can be none {what}$"):
        peer_factory(terminal=True, **options)


def test_marker_takes_it(inner: Any) -> None:
    inner.write(
        """
@pytest.mark.in_peer(terminal=(10, 40))
def test_it():
    assert os.get_terminal_size(0) == (40, 10)
"""
    )
    inner.run().assert_outcomes(passed=1)
