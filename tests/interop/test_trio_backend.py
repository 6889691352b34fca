"""Calls from trio, and tests in peers whose plugin has chosen trio."""

from __future__ import annotations

import asyncio
import operator
import sys
from typing import Any

import pytest
import trio
from inner_pytest import load_only
from timeouts import LONG

from pytest_peer import Peer, here


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    load_only(monkeypatch, "peer", "anyio")
    pytester.makeini("[pytest]\nmarkers = trio: of pytest-trio, which is not needed for this\n")
    return pytester


def test_acall_in_a_task_of_trio(peer: Peer) -> None:
    assert trio.run(peer.acall, operator.add, 1, 2) == 3


def test_acall_raises_the_exception_in_a_task_of_trio(peer: Peer) -> None:
    with pytest.raises(ZeroDivisionError, match="raised in peer"):
        trio.run(peer.acall, operator.truediv, 1, 0)


def test_acall_has_its_time_limit_in_a_task_of_trio(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import time

        import pytest
        import trio

        import pytest_peer

        @pytest.mark.peer(call_timeout=0.2)
        def test_limit(peer):
            with pytest.raises(pytest_peer.CallTimeout, match="within 0.2 s"):
                trio.run(peer.acall, time.sleep, 60)
        """
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)


def test_cancelled_acall_in_a_task_of_trio_cancels_the_coroutine(
    peer: Peer, peer_factory: Any
) -> None:
    testing = pytest.importorskip("trio.testing")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.acall, tell_of_cancellation)
            await testing.wait_all_tasks_blocked()
            peer_factory.mailbox("runs").get(LONG)
            nursery.cancel_scope.cancel()

    trio.run(main)
    peer_factory.mailbox("cancelled").get(LONG)


async def tell_of_cancellation() -> None:
    here.origin.send("runs", None)
    try:
        await asyncio.sleep(LONG)
    finally:
        here.origin.send("cancelled", None)


def test_acall_lets_other_tasks_of_trio_run(peer: Peer) -> None:
    done = []

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.acall, peer_reads, peer.pid)
            await trio.sleep(0)
            done.append(True)
            peer.stdin.write("go\n")

    trio.run(both)
    assert done == [True]


def peer_reads(_: int) -> str:
    return sys.stdin.readline()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_peer_runs_on_the_backend_of_anyio(inner: pytest.Pytester, backend: str) -> None:
    inner.makepyfile(
        f"""
        import os, sys

        import anyio
        import pytest

        @pytest.fixture
        def anyio_backend():
            return {backend!r}

        @pytest.fixture
        def outside():
            return os.getpid()

        @pytest.mark.anyio
        @pytest.mark.in_peer
        async def test_backend(outside):
            await anyio.sleep(0)
            assert type(anyio.CancelScope()).__module__.endswith({backend!r})
            assert os.getpid() != outside
        """
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)


def test_in_peer_runs_on_trio_with_its_marker(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest, trio

        @pytest.mark.trio
        @pytest.mark.in_peer
        async def test_backend():
            await trio.sleep(0)
            assert trio.lowlevel.in_trio_run()
        """
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)


#: Stands in for the module of that name, which needs Qt.
QTRIO = """
import trio

def run(body):
    print("by qtrio")
    trio.run(body)
"""


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        ("trio_run = qtrio", "@pytest.mark.trio"),
        ("trio_run = qtrio\ntrio_mode = true", ""),
        ("", "@pytest.mark.trio(run=qtrio.run)"),
    ],
    ids=["ini option", "mode", "marker"],
)
def test_in_peer_runs_on_what_pytest_trio_has_chosen(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, settings: str, mark: str
) -> None:
    load_only(monkeypatch, "peer", "trio")
    inner.makeini(f"[pytest]\n{settings}\n")
    inner.syspathinsert()
    inner.makepyfile(
        qtrio=QTRIO,
        test_qtrio=f"""
        import os

        import pytest, qtrio, trio

        @pytest.fixture
        def outside():
            return os.getpid()

        {mark}
        @pytest.mark.in_peer
        async def test_backend(outside):
            await trio.sleep(0)
            print(f"peer: {{os.getpid() != outside}}")
        """,
    )
    result = inner.runpytest_subprocess("-rP")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["by qtrio", "peer: True"])


def test_in_peer_runs_by_the_clock_of_a_fixture(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_only(monkeypatch, "peer", "trio")
    inner.makepyfile(
        """
        import pytest, trio

        @pytest.mark.trio
        @pytest.mark.in_peer
        async def test_clock(mock_clock):
            mock_clock.jump(7)
            assert trio.current_time() == 7
        """
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)


def test_in_peer_without_what_pytest_trio_has_chosen_is_an_error(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_only(monkeypatch, "peer", "trio")
    inner.makeini("[pytest]\ntrio_run = qtrio\n")
    inner.makepyfile(
        """
        import pytest

        @pytest.mark.trio
        @pytest.mark.in_peer
        async def test_backend():
            pass
        """
    )
    result = inner.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *No module named 'qtrio'*"])


def test_in_peer_without_the_backend_is_an_error_of_the_setup(
    inner: pytest.Pytester, requires_python
) -> None:
    python = requires_python("3.12" if sys.version_info[:2] != (3, 12) else "3.13")
    inner.makepyfile(
        f"""
        import pytest

        @pytest.mark.trio
        @pytest.mark.in_peer(exec={python!r})
        async def test_backend():
            pass
        """
    )
    result = inner.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *No module named 'trio'"])


def test_aeventually_in_a_task_of_trio(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import trio

        from pytest_peer import aeventually

        def test_values():
            values = iter([0, 0, 7])

            async def attempt():
                await trio.lowlevel.checkpoint()
                return next(values)

            assert trio.run(aeventually, attempt, 30) == 7
        """
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)
