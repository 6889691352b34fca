"""Peers elsewhere are debugged at the terminal of pytest, as those here are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from at_a_terminal import AtTerminal, starter
from inner_pytest import Inner
from ways import Way


@pytest.fixture
def at_terminal(inner: Inner) -> Iterator[Callable[..., AtTerminal]]:
    started: list[AtTerminal] = []
    yield starter(inner, started)
    for each in started:
        each.child.close(force=True)


@pytest.mark.parametrize("name", ["ssh", "docker_run"])
def test_breakpoints_and_frames_post_mortem(at_terminal, request, name):
    way: Way = request.getfixturevalue(name)
    run = at_terminal(
        f"""
    def test_it(peer_factory):
        far = peer_factory(name="far", exec={list(way.exec)})
        assert far.call(work, 3) == 5
        far.call(deep, 1)
    """,
        "--pdb",
    )
    assert "total += 1" in run.prompt()
    assert run.answer("p total") == "4"
    run.child.sendline("c")
    run.prompt()
    assert run.answer("p secret") == "21"
    run.answer("up")
    run.answer("up")
    assert run.answer("p number") == "1"
    assert run.answer("up") == "*** Oldest frame"
    run.child.sendline("c")
    assert "1 failed" in run.end()
