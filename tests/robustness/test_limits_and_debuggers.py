"""No limit passes while a debugger has stopped a peer, or is attached to its Python code."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from debugging import STOPPING_DEBUGGER, start_debugger
from timeouts import LONG

from pytest_peer import CallTimeout, Peer, here

#: Seconds: the limit of what waits, and how long the debugger holds the peer.
LIMIT, HELD = 2.0, 3.0
SHORT = 0.1
#: Seconds for a boot, of which the setup takes more.
BOOT_LIMIT = 5.0

go = threading.Event()


def wait_to_go() -> bool:
    return go.wait(LONG)


def send() -> None:
    here.origin.send("late", "come")


async def acall(peer: Peer) -> Any:
    return await peer.acall(int)


def acalled(peer: Peer) -> Any:
    import asyncio  # not at the top: the peers need not import it

    return asyncio.run(acall(peer))


@contextlib.contextmanager
def stopped(peer: Peer) -> Iterator[None]:
    """Have a debugger like gdb stop the peer for a while."""
    peer.call_within(LONG, go.is_set)  # the import of this module takes its time before
    with start_debugger(STOPPING_DEBUGGER, peer.pid or 0) as debugger:
        assert debugger.stdin is not None
        timer = threading.Timer(HELD, debugger.stdin.close)
        timer.start()
        yield
        timer.join()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no Linux: no PTRACE_SEIZE")
def test_no_limit_passes_while_the_process_is_stopped(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=LIMIT)
    with stopped(peer), ThreadPoolExecutor() as pool:
        called, awaited = pool.submit(peer.call, int), pool.submit(acalled, peer)
        peer.cast(print, "late")
        written = pool.submit(peer.stdout.wait_for, "late", LIMIT)
        peer.cast(send)
        message = pool.submit(peer_factory.mailbox("late").get, LIMIT)
        assert peer.submit(int).result(LIMIT) == 0
        assert [each.result() for each in (called, awaited, message)] == [0, 0, "come"]
        assert written.result()


#: What an IDE's debugger does.
ATTACH = """
import sys, types
found = types.SimpleNamespace(get_global_debugger=object)
sys.modules["_pydevd_bundle.pydevd_constants"] = found
"""
DETACH = """
import sys
del sys.modules["_pydevd_bundle.pydevd_constants"]
"""


def test_no_limit_passes_while_python_code_is_debugged(peer: Peer) -> None:
    peer.call(exec, ATTACH)
    timer = threading.Timer(HELD, peer.call, [go.set])
    timer.start()
    assert peer.call_within(LIMIT, wait_to_go)
    timer.join()


def test_end_of_a_peer_is_awaited_while_it_is_debugged(peer: Peer) -> None:
    peer.call(exec, ATTACH)
    timer = threading.Timer(HELD, peer.kill)
    timer.start()
    assert peer.wait_down(LIMIT).kind == "signaled"
    timer.join()


def test_limit_passes_when_the_debugger_has_left(peer: Peer) -> None:
    peer.call(exec, ATTACH)
    timer = threading.Timer(HELD, peer.call, [exec, DETACH])
    began = time.monotonic()
    timer.start()
    with pytest.raises(CallTimeout):
        peer.call_within(LIMIT, wait_to_go)
    assert time.monotonic() - began > HELD


def test_limit_passes_while_nobody_has_attached(peer: Peer) -> None:
    listening = "types.SimpleNamespace(is_attached=lambda: False)"
    peer.call(exec, ATTACH.replace("=object", f"=lambda: {listening}"))
    with pytest.raises(CallTimeout):
        peer.call_within(SHORT, wait_to_go)


def wait_for_client() -> bool:
    """Wait as debugpy's function of that name does."""
    return wait_to_go()


def test_no_limit_passes_while_a_debugger_is_awaited(peer: Peer) -> None:
    listening = "types.SimpleNamespace(is_attached=lambda: False)"
    peer.call(exec, ATTACH.replace("=object", f"=lambda: {listening}"))
    timer = threading.Timer(HELD, peer.call, [go.set])
    timer.start()
    assert peer.call_within(LIMIT, wait_for_client)
    timer.join()


def test_limit_of_a_call_begins_anew_after_a_debugged_boot(peer_factory: Any) -> None:
    set_up = functools.partial(exec, f"{ATTACH}\nimport time\ntime.sleep({HELD})")
    peer = peer_factory(setup=set_up, wait_boot=False)
    assert peer.call_within(LIMIT, int) == 0


def test_limit_of_several_calls_begins_anew_after_a_debugger(peer_factory: Any) -> None:
    group = peer_factory.many(2, call_timeout=LIMIT)
    group[0].call(exec, ATTACH)
    group[1].call(exec, ATTACH)
    assert group.map(time.sleep, [HELD, HELD + 1.0]) == [None, None]
    sleeps = [HELD, HELD + 1.0]
    assert list(group[0].map(time.sleep, sleeps, timeout=LIMIT)) == [None, None]


def test_peer_that_imports_a_debugger_outlives_a_limit(peer: Peer) -> None:
    name = "_pydevd_bundle.pydevd_constants"
    peer.call(exec, f"import sys\nsys.modules[{name!r}] = type(sys)({name!r})")
    with pytest.raises(CallTimeout):
        peer.call_within(SHORT, wait_to_go)
    assert peer.call(int) == 0


def sleep_in_c() -> int:
    """Sleep in a function that holds the GIL and that a signal ends; return -1 if one did."""
    import ctypes

    return int(ctypes.PyDLL(None).usleep(900_000))


def test_wait_sends_no_signal_to_a_peer_without_a_debugger(peer: Peer) -> None:
    peer.call(go.is_set)
    slept = peer.submit(sleep_in_c)
    with pytest.raises(TimeoutError):
        peer.stdout.wait_for("never", 0.05)  # too short for its error to tell stacks
    assert slept.result(LONG) == 0


def test_boot_has_time_while_its_setup_is_debugged(peer_factory: Any) -> None:
    set_up = functools.partial(exec, f"{ATTACH}\nimport time\ntime.sleep({BOOT_LIMIT + 0.5})")
    peer = peer_factory(setup=set_up, wait_boot=BOOT_LIMIT)
    assert peer.call(int) == 0
