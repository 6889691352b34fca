"""Stacks show where the threads of a peer are, even if it does not answer."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from gates import Gate
from mailbox_calls import report_and_take
from occupations import hold_the_gil
from timeouts import LONG, SOON

from pytest_peer import CallTimeout, Peer, PeerDown, eventually, here


@pytest.fixture(params=["forkserver", "spawn"])
def stuck(request: pytest.FixtureRequest, peer_factory: Any) -> Peer:
    """A peer that holds its GIL in C."""
    peer = peer_factory(name="stuck", start_method=request.param, shutdown=("halt", 0))
    peer.cast(hold_the_gil)
    peer.stdout.wait_for("holding", LONG)
    return peer


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A function that installs a shell script as ``py-spy``."""

    def install(script: str) -> Path:
        path = tmp_path / "bin" / "py-spy"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
        return path

    return install


@pytest.fixture
def no_tool(tool: Callable[[str], Path]) -> None:
    """Nothing that looks from outside is of any help."""
    tool("echo cannot >&2; exit 1")


# A peer that answers


def test_idle_peer_waits_for_a_call(shared: Peer) -> None:
    assert "waits for a call" in shared.dump_stacks()


def test_every_call_is_shown_with_its_thread(peer: Peer, peer_factory: Any) -> None:
    for box in ("one", "two"):
        peer.cast(report_and_take, box)
        peer_factory.mailbox("runs").get(LONG)
    text = peer.dump_stacks()
    assert text.count("in report_and_take") == 2
    assert "MainThread" in text


class Slow:
    """A finder that waits for what comes over the link, as that for the origin's modules does."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "no_such_module":
            here.origin.send("asked", name)
            here.mailbox("told").get(LONG)


def import_slowly() -> None:
    sys.modules.pop("traceback", None)  # as in a peer that has not needed it yet
    sys.meta_path.insert(0, Slow())
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")


def test_import_that_waits_for_the_origin_goes_on(peer: Peer, peer_factory: Any) -> None:
    imported = peer.submit(import_slowly)
    peer_factory.mailbox("asked").get(LONG)
    peer.dump_stacks()
    peer.send("told", "it is nowhere")
    imported.result(SOON)


def test_dead_peer_has_none(dead: Peer) -> None:
    with pytest.raises(PeerDown):
        dead.dump_stacks()


# One that does not


def test_peer_that_holds_its_gil_shows_where(stuck: Peer, no_tool: None) -> None:
    assert "in hold_the_gil" in stuck.dump_stacks()


def test_peer_behind_a_launcher_shows_where(peer_factory: Any, no_tool: None) -> None:
    stays = ["/bin/sh", "-c", '"$@"; exit $?', "launcher", sys.executable]
    peer = peer_factory(exec=stays, shutdown=("halt", 0))
    peer.cast(hold_the_gil)
    peer.stdout.wait_for("holding", LONG)
    assert "in hold_the_gil" in peer.dump_stacks()


def test_peer_in_a_pid_namespace_is_taken_for_no_other_process(
    peer_factory: Any, no_tool: None
) -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"]).returncode != 0:
        pytest.skip("no process namespaces on this system, or not for us")
    peer = peer_factory(exec=[*unshare, sys.executable], shutdown=("halt", 0))
    peer.cast(hold_the_gil)
    peer.stdout.wait_for("holding", LONG)
    with pytest.raises(TimeoutError, match="no answer"):
        peer.dump_stacks()


def test_our_own_frames_are_not_shown(stuck: Peer, no_tool: None) -> None:
    assert "pytest_peer" not in stuck.dump_stacks().partition("py-spy: cannot")[0]


def test_each_look_shows_what_is_new_only(stuck: Peer, no_tool: None) -> None:
    assert [stuck.dump_stacks().count("in hold_the_gil") for _ in range(3)] == [1, 1, 1]


def test_the_peer_goes_on_after_it(peer: Peer, gate: Gate, no_tool: None) -> None:
    answer = peer.submit(hold_the_gil, f"cat {gate.path}")
    peer.stdout.wait_for("holding", LONG)
    assert "in hold_the_gil" in peer.dump_stacks()
    gate.open()
    assert answer.result(LONG) is None
    assert peer.call(os.getpid) == peer.pid


def test_peer_whose_main_thread_blocks_signals_shows_where(peer: Peer) -> None:
    peer.cast(block_signals_and_loop)
    peer.stdout.wait_for("looping", LONG)
    assert "in block_signals_and_loop" in peer.dump_stacks()


def block_signals_and_loop() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    print("looping")
    while True:
        pass


def test_stopped_peer_says_so_at_once(peer: Peer) -> None:
    peer.pause()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="SIGSTOP"):
        peer.dump_stacks()
    assert time.monotonic() - began < SOON
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


def test_peer_without_a_handler_is_not_killed_by_the_question(peer: Peer, no_tool: None) -> None:
    peer.call(restore_default_handlers)
    peer.cast(hold_the_gil)
    peer.stdout.wait_for("holding", LONG)
    with pytest.raises(TimeoutError, match=r"it (runs|sleeps)"):
        peer.dump_stacks()
    assert peer.state == "running"
    peer.kill()


def restore_default_handlers() -> None:
    for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        signal.signal(number, signal.SIG_DFL)


def test_peer_that_boots_says_so_and_goes_on(booting: Peer, gate: Gate, no_tool: None) -> None:
    gate.wait_reached()
    with pytest.raises(TimeoutError, match="booting"):
        booting.dump_stacks()
    gate.open()
    booting.wait_boot(LONG)


# From outside


def test_native_stacks_are_added_if_there_is_a_program_for_it(
    stuck: Peer, tool: Callable[[str], Path]
) -> None:
    tool('echo "native frames: $*"')
    text = stuck.dump_stacks()
    shown = f"native frames: dump --native --pid {stuck.pid}"
    assert f"py-spy (most recent call first):\n{shown}" in text
    assert "in hold_the_gil" in text


def test_program_that_fails_is_a_line_of_the_text(stuck: Peer, no_tool: None) -> None:
    assert "py-spy: cannot" in stuck.dump_stacks().splitlines()


def test_peer_that_answers_needs_no_program(shared: Peer, tool: Callable[[str], Path]) -> None:
    tool("echo native frames")
    assert "native" not in shared.dump_stacks()


def test_py_spy_shows_the_c_function(stuck: Peer) -> None:
    text = stuck.dump_stacks()
    heading = "py-spy (most recent call first):\n"
    if heading not in text:
        pytest.skip(text[text.index("py-spy") :])
    assert "hold_the_gil" in text.partition(heading)[2]


@pytest.mark.skipif(sys.version_info < (3, 15), reason="`profiling` is new in Python 3.15")
def test_without_a_program_the_interpreter_looks(
    stuck: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", Mock(return_value=None))
    text = stuck.dump_stacks()
    if "profiling.sampling:\n" not in text:
        pytest.skip(text[text.index("profiling.sampling") :])
    assert "in hold_the_gil" in text.partition("profiling.sampling:\n")[2]


# A call that was not answered


def test_timeout_of_a_stuck_peer_carries_them(stuck: Peer, no_tool: None) -> None:
    with pytest.raises(CallTimeout) as caught:
        stuck.call_within(0.01, os.getpid)
    assert "in hold_the_gil" in caught.value.stacks
    assert caught.value.stacks in str(caught.value)


def test_timeout_leaves_them_in_a_file(stuck: Peer, no_tool: None) -> None:
    with pytest.raises(CallTimeout) as caught:
        stuck.call_within(0.01, os.getpid)
    text = (stuck.artifacts / "stacks.txt").read_text()
    assert "a call timed out" in text
    assert caught.value.stacks in text


def test_peer_without_a_timeout_has_no_such_file(peer: Peer) -> None:
    peer.call(os.getpid)
    peer.stop()
    assert sorted(path.name for path in peer.artifacts.iterdir()) == [
        "manifest.json",
        "stderr.log",
        "stdout.log",
    ]


# Tasks of asyncio


class Awaited:
    def __await__(self) -> Any:
        return wait_in_generator().__await__()


async def generate() -> Any:
    yield 1
    here.origin.send("waits", None)
    await asyncio.Event().wait()


async def wait_in_generator() -> None:
    async for _ in generate():
        pass


async def wait_in_task() -> None:
    # The loop of a thread of its own comes from a call of `asyncio.run`.
    await asyncio.gather(Awaited())


def run_own_loop() -> None:
    asyncio.run(wait_in_task())


async def leave_task() -> None:
    task = asyncio.get_running_loop().create_task(wait_in_generator())
    asyncio.get_running_loop().kept = task  # type: ignore[attr-defined]
    task.set_name("left over")


async def hold_the_loop() -> None:
    here.origin.send("waits", None)
    here.mailbox("never").get(LONG)


@pytest.mark.parametrize("function", [wait_in_task, run_own_loop])
def test_timeout_shows_where_a_task_waits(
    peer: Peer, peer_factory: Any, function: Callable[[], Any]
) -> None:
    with pytest.raises(CallTimeout) as caught:
        peer.call_within(2, function)
    task = next(part for part in caught.value.stacks.split("\n\n") if "in generate" in part)
    assert task.startswith("Task Task-")
    functions = re.findall(r", in (\w+)\n", task)
    assert [each for each in functions if each != "_wrap_awaitable"] == [
        *("__await__",) * ("__await__" in functions),
        *("wait_in_generator", "generate", "wait"),
    ]
    assert "coroutines.py" not in caught.value.stacks


def test_idle_loop_shows_its_tasks_only(peer: Peer, peer_factory: Any) -> None:
    peer.call(leave_task)
    peer_factory.mailbox("waits").get(LONG)

    def shows_both() -> None:  # the task's message comes before it waits
        loop, task = peer.dump_stacks().split("\n\n")
        assert loop == "Thread MainThread:\n  in the event loop"
        assert task.startswith("Task left over (most recent call last):\n")

    eventually(shows_both, LONG)


def test_task_that_runs_is_shown_once(peer: Peer, peer_factory: Any) -> None:
    peer.cast(hold_the_loop)
    peer_factory.mailbox("waits").get(LONG)
    text = peer.dump_stacks()
    assert text.count("in hold_the_loop") == 1
    assert re.match(r"Thread MainThread.* \(most recent call last\):\n", text)
