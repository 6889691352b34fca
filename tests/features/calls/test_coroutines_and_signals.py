"""The event loop of the peer: on its main thread, where it is free, and what signals do there."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

import pytest
from gates import Gate
from mailbox_calls import report_and_take, take
from occupations import pass_gate_and_answer
from timeouts import LONG

from pytest_peer import Peer, PeerInterrupted, eventually, here

kept: Any = None


def on_main() -> bool:
    return threading.current_thread() is threading.main_thread()


async def on_main_later() -> bool:
    await asyncio.sleep(0)
    return on_main()


async def wait_to_be_told(box: str) -> bool:
    here.origin.send("runs", box)
    await asyncio.get_running_loop().run_in_executor(None, take, box)
    return on_main()


async def end_at(number: int) -> str:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(number, told.set)
    here.origin.send("runs", None)
    await told.wait()
    return "ended"


async def leave_task(seconds: float, then: Any = None) -> None:
    async def rest() -> None:
        await asyncio.sleep(seconds)
        if then is not None:
            then()

    global kept
    kept = asyncio.ensure_future(rest())


async def end_task() -> None:
    kept.cancel()
    await asyncio.wait([kept])


async def wait(seconds: float = LONG) -> None:
    here.origin.send("runs", None)
    await asyncio.sleep(seconds)


async def block() -> None:
    here.origin.send("runs", None)
    await asyncio.sleep(0)
    time.sleep(LONG)


async def wait_for_task() -> None:
    await asyncio.gather(wait(), asyncio.sleep(LONG))


async def spin() -> None:
    here.origin.send("runs", None)
    while True:
        await asyncio.sleep(0)


async def clean_up() -> None:
    try:
        await wait()
    finally:
        here.origin.send("cleaned", None)


def exit_at(number: int) -> None:
    signal.signal(number, lambda *_: sys.exit(7))


async def exit_in_task() -> str:
    async def leave() -> None:
        sys.exit(3)

    task = asyncio.ensure_future(leave())
    await asyncio.wait([task])
    return repr(task.exception())


async def stop_loop() -> str:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return "goes on"


async def fork() -> int:
    kept = asyncio.ensure_future(asyncio.sleep(LONG))
    pid = os.fork()
    if pid == 0:
        sys.exit(4)
    kept.cancel()
    await asyncio.wait([kept])
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


async def serve_greeting() -> int:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def call_back(box: str) -> None:
    asyncio.get_running_loop().call_later(0.01, here.origin.send, box, None)


# Where it runs


def test_coroutine_handles_signals(peer: Peer, peer_factory: Any) -> None:
    ended = peer.submit(end_at, signal.SIGTERM)
    peer_factory.mailbox("runs").get(LONG)
    peer.kill(signal.SIGTERM)
    assert ended.result(LONG) == "ended"


def test_coroutines_run_on_the_main_thread(shared: Peer) -> None:
    assert all(shared.call(on_main_later) for _ in range(100))


def test_calls_beside_a_coroutine_have_their_own_thread(peer: Peer, peer_factory: Any) -> None:
    first = peer.submit(wait_to_be_told, "first")
    peer_factory.mailbox("runs").get(LONG)
    assert not peer.call(on_main)
    assert peer.call(asyncio.run, Later()) is False
    assert peer.call(on_main_later)  # on the same loop
    peer.send("first", None)
    assert first.result(LONG)
    assert peer.call(on_main)


class Later:
    """A coroutine that can be pickled."""

    def __reduce__(self) -> Any:
        return on_main_later, ()


def test_coroutine_beside_a_call_does_not_wait(peer: Peer, peer_factory: Any) -> None:
    first = peer.submit(report_and_take, "first")
    peer_factory.mailbox("runs").get(LONG)
    stays = peer.submit(wait_to_be_told, "stays")
    peer_factory.mailbox("runs").get(LONG)
    assert not peer.call(on_main_later)
    peer.send("first", None)
    first.result(LONG)
    assert not peer.call(on_main_later)  # a task stays on its thread, and all with it
    peer.send("stays", None)
    assert not stays.result(LONG)
    assert peer.call(on_main_later)


def test_task_that_is_left_has_the_main_thread(peer: Peer) -> None:
    for _ in range(3):
        peer.call(leave_task, LONG)
        assert not peer.call(on_main)
        assert peer.call(on_main_later)
        peer.call(end_task)
        assert peer.call(on_main)


def test_main_thread_is_free_after_the_last_task(peer: Peer, peer_factory: Any) -> None:
    peer.call(leave_task, 0.05)
    assert not peer.call(on_main)
    deadline = time.monotonic() + LONG
    while not peer.call(on_main):
        assert time.monotonic() < deadline


def test_server_answers_while_no_coroutine_runs(peer: Peer) -> None:
    port = peer.call(serve_greeting)
    assert peer.call(on_main)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), LONG) as connection:
            assert connection.recv(10) == b"hello"
        assert peer.call(on_main_later)


def test_timer_runs_while_no_coroutine_does(peer: Peer, peer_factory: Any, gate: Gate) -> None:
    peer.call(call_back, "timer")
    held = peer.submit(pass_gate_and_answer, gate.path)
    peer_factory.mailbox("timer").get(LONG)
    gate.open()
    held.result(LONG)


# How it ends


@pytest.mark.parametrize("coroutine", [wait, block, wait_for_task, spin, clean_up])
def test_sigint_ends_a_coroutine(peer: Peer, peer_factory: Any, coroutine: Any) -> None:
    for _ in range(3):
        call = peer.submit(coroutine)
        peer_factory.mailbox("runs").get(LONG)
        peer.kill(signal.SIGINT)
        with pytest.raises(PeerInterrupted):
            call.result(LONG)
        if coroutine is clean_up:
            peer_factory.mailbox("cleaned").get(LONG)
        assert peer.call(on_main_later)


def test_sigint_ends_the_oldest_coroutine_that_waits(peer: Peer, peer_factory: Any) -> None:
    first = peer.submit(wait)
    peer_factory.mailbox("runs").get(LONG)
    second = peer.submit(end_at, signal.SIGTERM)
    peer_factory.mailbox("runs").get(LONG)
    peer.call(on_main_later)  # now both wait
    peer.kill(signal.SIGINT)
    with pytest.raises(PeerInterrupted):
        first.result(LONG)
    peer.kill(signal.SIGTERM)
    assert second.result(LONG) == "ended"


def test_own_handler_of_sigint_is_left_alone(peer: Peer) -> None:
    before = peer.call(signal_handler)
    assert peer.call(signal_handler_later) != before
    assert peer.call(signal_handler) == before
    peer.call(exit_at, signal.SIGINT)
    assert peer.call(signal_handler_later) == peer.call(signal_handler)


def signal_handler() -> str:
    return repr(signal.getsignal(signal.SIGINT))


async def signal_handler_later() -> str:
    return signal_handler()


saved: Any = None


async def save_handler() -> None:
    global saved
    saved = signal.getsignal(signal.SIGINT)


def put_handler_back_and_wait() -> str:
    signal.signal(signal.SIGINT, saved)
    try:
        here.origin.send("runs", None)
        time.sleep(LONG)
    except KeyboardInterrupt:
        return "interrupted"
    return "not interrupted"


def test_handler_that_is_put_back_interrupts_a_call(peer: Peer, peer_factory: Any) -> None:
    peer.call(save_handler)
    call = peer.submit(put_handler_back_and_wait)
    peer_factory.mailbox("runs").get(LONG)
    peer.kill(signal.SIGINT)
    assert call.result(LONG) == "interrupted"


def test_handler_that_exits_ends_the_coroutine(peer: Peer) -> None:
    peer.call(exit_at, signal.SIGTERM)
    call = peer.submit(wait)
    eventually(lambda: "in the event loop" in peer.dump_stacks(), LONG)
    peer.kill(signal.SIGTERM)
    with pytest.raises(SystemExit, match="7"):
        call.result(LONG)
    assert peer.call(on_main_later)


def test_sigint_ends_a_peer_that_has_only_a_task(peer_factory: Any) -> None:
    peer = peer_factory(peer_down="continue")
    peer.call(leave_task, LONG)
    peer.kill(signal.SIGINT)
    assert peer.wait_down(LONG).signal == signal.SIGINT


def test_exit_of_a_task_is_that_of_its_task(peer: Peer) -> None:
    assert peer.call(exit_in_task) == "SystemExit(3)"
    assert peer.call(on_main)


def test_loop_that_is_stopped_goes_on(peer: Peer) -> None:
    assert peer.call(stop_loop) == "goes on"
    assert peer.call(on_main)


def test_child_of_a_coroutine_ends_as_a_program_does(peer: Peer) -> None:
    assert [peer.call(fork) for _ in range(3)] == [4, 4, 4]
    assert peer.call(on_main_later)
    assert peer.stderr.text == ""


@pytest.mark.parametrize("coroutine", [wait, block, spin])
def test_peer_stops_whatever_its_loop_does(peer_factory: Any, coroutine: Any) -> None:
    peer = peer_factory()
    peer.cast(coroutine)
    peer_factory.mailbox("runs").get(LONG)
    peer.stop()
    assert peer.down_reason.exit_status == 0  # else it was killed after 5 s


def test_graceful_end_waits_for_coroutines_not_for_tasks(peer_factory: Any) -> None:
    peer = peer_factory(shutdown=LONG)
    peer.call(leave_task, LONG)
    call = peer.submit(wait, 0.2)
    peer_factory.mailbox("runs").get(LONG)
    started = time.monotonic()
    peer.stop()
    assert time.monotonic() - started < LONG / 2
    assert call.result(0) is None
    assert peer.down_reason.exit_status == 0
    assert peer.stderr.text == ""
