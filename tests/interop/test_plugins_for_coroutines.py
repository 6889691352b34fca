"""Tests that are coroutines, run by pytest-asyncio and anyio: they use peers as other tests do."""

from __future__ import annotations

import pytest

CODE = """
import asyncio

def work(seconds):
    time.sleep(seconds)
    return os.getpid()

async def answer():
    await asyncio.sleep(0)
    return os.getpid()

def fail():
    raise ValueError("not found")

async def result_of(peer, function):
    return await asyncio.wrap_future(peer.submit(function))
"""
ASYNCIO = """
import pytest_asyncio

@pytest_asyncio.fixture
async def db(peer_factory):
    peer = peer_factory(name="db")
    assert await result_of(peer, answer) == peer.pid
    yield peer
    assert await result_of(peer, answer) == peer.pid

@pytest.mark.asyncio
async def test_awaits(db):
    assert await result_of(db, answer) == db.pid
    assert db.call(answer) == db.pid

@pytest.mark.asyncio
async def test_loop_runs_meanwhile(db):
    pending = asyncio.wrap_future(db.submit(work, 0.2))
    ticks = 0
    while not pending.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 1 and await pending == db.pid

@pytest.mark.asyncio
async def test_exception(db):
    with pytest.raises(ValueError, match="not found"):
        await result_of(db, fail)
"""
ANYIO = """
import anyio

@pytest.fixture
def anyio_backend():
    return "{backend}"

@pytest.fixture
async def db(peer_factory):
    peer = peer_factory(name="db")
    await anyio.to_thread.run_sync(peer.call, answer)
    yield peer
    assert await anyio.to_thread.run_sync(peer.call, answer) == peer.pid

@pytest.mark.anyio
async def test_calls(db):
    assert db.call(answer) == db.pid
    assert await anyio.to_thread.run_sync(db.call, work, 0.01) == db.pid

@pytest.mark.anyio
async def test_calls_at_the_same_time(db):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, db.call, answer)
        group.start_soon(anyio.to_thread.run_sync, db.call, answer)

@pytest.mark.anyio
async def test_exception(db):
    with pytest.raises(ValueError, match="not found"):
        await anyio.to_thread.run_sync(db.call, fail)
"""
FAILS = """
import asyncio

def talk():
    print("said", "out", flush=True)

{mark}
async def test_fails(peer_factory):
    peer_factory(name="db").call(talk)
    assert False
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.parametrize("scope", ["function", "session"])
def test_asyncio(inner, load, mode: str, scope: str):
    load("asyncio")
    source = CODE + ASYNCIO
    if mode == "auto":
        source = source.replace("@pytest.mark.asyncio\n", "").replace("pytest_asyncio.", "pytest.")
        source = source.replace("import pytest_asyncio", "")
    inner.write(source)
    result = inner.run_apart(
        f"--asyncio-mode={mode}",
        "-o",
        f"asyncio_default_fixture_loop_scope={scope}",
        "-o",
        f"asyncio_default_test_loop_scope={scope}",
        "-W",
        "error",
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(inner, load, backend: str):
    load("anyio")
    inner.write(CODE + ANYIO.replace("{backend}", backend))
    inner.run_apart("-W", "error").assert_outcomes(passed=3)


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_failing_coroutine_shows_the_peer(inner, load, plugin: str):
    load(plugin)
    inner.write(FAILS.format(mark=f"@pytest.mark.{plugin}"))
    result = inner.run_apart("-k", "fails and not trio")
    result.assert_outcomes(failed=1, deselected=1 if plugin == "anyio" else 0)
    result.stdout.fnmatch_lines(["*Captured stdout ?db? call*", "said out"])


def test_limit_of_a_coroutine(inner, load):
    load("asyncio", "timeout")
    inner.write(
        """
        import asyncio

        def hang(): time.sleep(600)

        @pytest.mark.asyncio
        @pytest.mark.timeout(2, func_only=True)
        async def test_hangs(peer): await asyncio.wrap_future(peer.submit(hang))

        @pytest.mark.asyncio
        async def test_next(peer): assert peer.call(abs, -1) == 1
        """
    )
    result = inner.run_apart("-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured stacks ?test_hangs*", "*in hang*"])
