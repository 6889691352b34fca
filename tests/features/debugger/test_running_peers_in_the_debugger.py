"""``peer.debug()`` stops a call that runs, and ``--trace`` one that begins."""

from __future__ import annotations

import pytest

from pytest_peer import PeerDown

SPINS = """
    def spin():
        goes_on = True
        print("spins", flush=True)
        while goes_on:
            number = sum(range(100))
        return "left"

    def test_it(peer):
        spins = peer.submit(spin)
        peer.stdout.wait_for("spins", timeout=30)
        peer.debug()
        assert spins.result() == "left"
"""

WAITS = """
    def wait():
        asks = threading.Event()
        threading.Thread(target=print, args=["waits"]).start()
        asks.wait()
        after = 1
        return after

    def test_it(peer):
        waits = peer.submit(wait)
        peer.stdout.wait_for("waits", timeout=30)
        peer.debug()
        assert waits.result() == 1
"""


def test_a_running_call_is_stopped_in_its_frame(at_terminal):
    run = at_terminal(SPINS)
    run.prompt()
    assert "spin()" in run.answer("w")
    run.answer("goes_on = False")
    run.child.sendline("c")
    assert "1 passed" in run.end()


def stop_in_c(run):
    assert "the call waits in C code" in run.prompt()
    while "asks.wait()" not in run.answer("up"):
        pass
    run.answer("asks.set()")
    while "after = 1" not in run.answer("n"):
        pass
    assert run.answer("p asks.is_set()") == "True"
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_a_call_that_waits_in_c_is_stopped(at_terminal):
    stop_in_c(at_terminal(WAITS))


AWAITS = """
    async def spin(asks):
        print("awaits", flush=True)
        while not asks.is_set():
            await pause()
        return "left"

    async def call():
        asks = threading.Event()
        return await spin(asks)

    async def pause():
        await asyncio.sleep(0.01)

    def test_it(peer):
        calls = peer.submit(call)
        peer.stdout.wait_for("awaits", timeout=30)
        peer.debug()
        assert calls.result() == "left"
"""


def stop_in_coroutine(run):
    prompt, stack = run.prompt(), run.answer("w")
    assert "spin()" in stack
    assert "/asyncio/" not in prompt + stack
    while "Event" not in run.answer("p locals().get('asks')"):
        run.answer("up")
    run.answer("asks.set()")
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("pause", ["await asyncio.sleep(0.01)", "await asyncio.sleep(0)"])
def test_a_coroutine_is_stopped_in_its_own_frame(at_terminal, pause):
    stop_in_coroutine(at_terminal(AWAITS.replace("await asyncio.sleep(0.01)", pause)))


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_coroutines_of_other_versions_are_stopped(at_terminal, requires_python, version):
    stop_in_coroutine(at_terminal(AWAITS, f"--peer-exec={requires_python(version)}"))


def test_a_coroutine_that_waits_is_shown_where_it_does(at_terminal):
    run = at_terminal("""
    async def wait():
        asked = asyncio.Event()
        asyncio.get_running_loop().call_later(2, asked.set)
        print("waits", flush=True)
        await until(asked)
        after = 1
        return after

    async def until(event):
        await event.wait()

    def test_it(peer):
        waits = peer.submit(wait)
        peer.stdout.wait_for("waits", timeout=30)
        peer.debug()
        assert waits.result() == 1
    """)
    assert "the coroutine waits" in run.prompt()
    assert "-> await event.wait()" in run.answer("w")
    assert "-> await until(asked)" in run.answer("up")
    assert run.answer("p asked.is_set()") in ("True", "False")
    while "after = 1" not in run.answer("n"):
        pass
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.12", "3.13"])
def test_running_calls_of_other_versions_are_stopped(at_terminal, requires_python, version):
    run = at_terminal(SPINS, f"--peer-exec={requires_python(version)}")
    run.prompt()
    run.answer("goes_on = False")
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_waits_in_c_of_other_versions_are_stopped(at_terminal, requires_python, version):
    stop_in_c(at_terminal(WAITS, f"--peer-exec={requires_python(version)}"))


def test_the_wait_goes_on_behind_the_debugger(at_terminal):
    run = at_terminal(WAITS.replace("asks.wait()", "asks.wait(0.1)"))
    run.prompt()
    assert "-> " in run.answer("w")
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_a_peer_without_a_call_cannot_be_stopped(peer):
    peer.call(int)
    with pytest.raises(TimeoutError, match="no call runs on its main thread"):
        peer.debug()
    assert peer.call(int) == 0


def test_a_call_that_keeps_the_gil_cannot_be_stopped(peer):
    peer.call(int)
    peer.cast(eval, "re.match('(a*)*b', 'a' * 40)", {"re": __import__("re")})
    with pytest.raises(TimeoutError, match="C code keeps"):
        peer.debug()


def test_a_dead_peer_cannot_be_stopped(peer):
    peer.call(int)
    peer.kill()
    with pytest.raises(PeerDown):
        peer.debug()


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_trace_stops_at_the_first_line_of_a_body(at_terminal, keyword):
    run = at_terminal(
        f"""
    @pytest.mark.in_peer(name="body")
    {keyword} test_it():
        first = 1
        assert first
    """,
        "--trace",
    )
    assert "-> first = 1" in run.prompt()
    assert run.child.after == "(Pdb body) "
    assert run.answer("up") == "*** Oldest frame"
    run.answer("n")
    assert run.answer("p first") == "1"
    run.child.sendline("c")
    assert "1 passed" in run.end()
