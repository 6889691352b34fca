"""`restart` gives the same handle a new process."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from occupations import wait_forever
from processes import assert_gone, is_running
from timeouts import LONG

import pytest_peer

state_of_module: list[str] = []


def remember(word: str) -> list[str]:
    state_of_module.append(word)
    return state_of_module


def test_restart_returns_the_same_handle_with_a_new_process(peer):
    old = peer.pid
    assert peer.restart() is peer
    assert peer.call(os.getpid) == peer.pid != old
    assert not is_running(old)
    assert peer.state == "running"


def test_restart_keeps_name_and_options(peer_factory):
    peer = peer_factory(name="db", env={"A": "1"})
    peer.restart()
    assert peer.name == "db"
    assert peer.call(os.getenv, "A") == "1"


def test_restart_takes_changes(peer_factory):
    peer = peer_factory(env={"A": "1"})
    peer.restart(env={"A": "2"})
    assert peer.call(os.getenv, "A") == "2"


def test_restart_keeps_the_changes_of_an_earlier_one(peer):
    peer.restart(env={"A": "2"})
    peer.restart()
    assert peer.call(os.getenv, "A") == "2"


@pytest.mark.parametrize("change", [{"cwd": "/no/such/directory"}, {"colour": "red"}])
def test_restart_with_a_bad_change_leaves_the_peer_alone(peer, change):
    old = peer.pid
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        peer.restart(**change)
    assert peer.call(os.getpid) == old


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_after(peer, end):
    getattr(peer, end)()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid
    assert peer.down_reason is None


def test_restart_after_an_unasked_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LONG)
    mortal.restart()
    assert mortal.call(os.getpid) == mortal.pid
    assert mortal.down_reason is None


def test_restart_of_a_paused_peer(peer_factory):
    peer = peer_factory(shutdown=0.2)
    peer.pause()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid


def test_restart_while_booting(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    peer.restart(exec=sys.executable, wait_boot=LONG)
    assert peer.call(os.getpid) == peer.pid


def test_restart_that_fails_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    assert peer.state == "down"
    assert peer.down_reason.kind == "boot failed"


def test_restart_with_a_missing_program_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.ExecNotFound):
        peer.restart(exec="no-such-program-anywhere")
    assert peer.state == "down"


def test_restart_may_be_tried_again_after_it_failed(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    peer.restart(args=[])
    assert peer.call(os.getpid) == peer.pid


def test_restart_loses_the_state_of_modules(peer):
    assert peer.call(remember, "one") == ["one"]
    assert peer.call(remember, "two") == ["one", "two"]
    peer.restart()
    assert peer.call(remember, "three") == ["three"]


def test_restart_begins_the_output_anew(peer):
    peer.call(print, "before")
    peer.restart()
    peer.call(print, "after")
    assert peer.stdout.text == "after\n"


def test_restart_begins_numbered_artifacts(peer):
    first = peer.artifacts
    peer.restart()
    second = peer.artifacts
    peer.restart()
    assert second == first.with_name(f"{first.name}.2")
    assert peer.artifacts == first.with_name(f"{first.name}.3")
    assert all((path / "manifest.json").exists() for path in (first, second, peer.artifacts))


def test_restart_keeps_a_member_of_its_group(peer_factory):
    group = peer_factory.many(2)
    group[1].kill()
    group[1].restart()
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_call_pending_at_a_restart_fails(peer):
    answer = peer.submit(wait_forever)
    peer.restart()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LONG)


def test_restarted_peer_ends_with_its_factory(pytester):
    pytester.makepyfile(
        """
        def test_restart(peer):
            peer.restart()
            print("pid", peer.pid)
        """
    )
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=1)
    (pid,) = re.findall(r"pid (\d+)", result.stdout.str())
    assert_gone([int(pid)], within=0)


# Several threads


def test_concurrent_restarts_lose_no_process(peer_factory):
    peer = peer_factory(peer_down="continue", wait_boot=False)

    def restart() -> None:
        for _ in range(10):
            peer.restart()  # NameInUse, if a life that another one has begun is still there

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(restart) for _ in range(3)]:
            done.result(4 * LONG)
    peer.wait_boot(LONG)
    assert peer.call_within(LONG, os.getpid) == peer.pid


def test_random_stops_kills_and_restarts_lose_no_process(peer_factory):
    peer = peer_factory(peer_down="continue")

    def use(seed: int) -> list[str]:
        choice, lost = random.Random(seed), []
        for _ in range(15):
            try:
                getattr(peer, choice.choice(["stop", "kill", "restart"]))()
            except pytest_peer.NameInUse as exc:
                lost.append(str(exc))
            except pytest_peer.BootError:
                pass  # another one has stopped it
        return lost

    with ThreadPoolExecutor() as threads:
        lost = list(threads.map(use, range(3), timeout=4 * LONG))
    assert lost == [[], [], []]
    assert peer.restart().call_within(LONG, os.getpid) == peer.pid


class Held:
    """A start of a process that waits, before there is one, until it may go on."""

    def __init__(self) -> None:
        self.begun, self.may = threading.Event(), threading.Event()

    def __call__(self, argv: list[str]) -> list[str]:
        """As the option `post_process_args`."""
        self.begun.set()
        assert self.may.wait(LONG)
        return argv


def test_restart_by_a_signal_handler_in_the_middle_of_a_restart(peer):
    """The handler comes first or not at all, and neither waits for the other for ever."""
    held = Held()

    def restart_too(*_: object) -> None:
        with contextlib.suppress(pytest_peer.NameInUse):
            peer.restart()
        held.may.set()

    before = signal.signal(signal.SIGUSR1, restart_too)
    try:
        with ThreadPoolExecutor() as threads:
            threads.submit(lambda: held.begun.wait(LONG) and os.kill(os.getpid(), signal.SIGUSR1))
            peer.restart(post_process_args=held)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert peer.call_within(LONG, os.getpid) == peer.pid


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_restart_that_hangs_in_its_boot_blocks_no_other_thread(peer_factory, gate, verb):
    peer = peer_factory(peer_down="continue")
    with ThreadPoolExecutor() as threads:
        hangs = threads.submit(peer.restart, exec=gate.launcher(), wait_boot=None)
        gate.wait_reached()
        pytest_peer.eventually(lambda: peer.state == "booting", LONG)
        changes = {"exec": sys.executable} if verb == "restart" else {}
        threads.submit(getattr(peer, verb), **changes).result(LONG)
        with pytest.raises(pytest_peer.BootError):
            hangs.result(LONG)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_child_can_restart_a_peer_during_another_restart(peer):
    held, (read, write) = Held(), os.pipe()
    with ThreadPoolExecutor() as threads:
        restarting = threads.submit(peer.restart, post_process_args=held)
        assert held.begun.wait(LONG)
        if (child := os.fork()) == 0:
            signal.alarm(int(LONG))  # the end of one that hangs
            try:
                os.write(write, str(peer.restart().call_within(LONG, int, "42")).encode())
                peer.stop()
            finally:
                os._exit(0)
        held.may.set()
        os.close(write)
        restarting.result(LONG)
    with os.fdopen(read) as answer:
        assert answer.read() == "42"
    os.waitpid(child, 0)


@pytest.mark.parametrize("what", ["stdin", "stdout", "stderr", "artifacts"])
def test_handle_shows_the_old_process_until_there_is_a_new_one(peer, what):
    held, before = Held(), getattr(peer, what)
    with ThreadPoolExecutor() as threads:
        restarting = threads.submit(peer.restart, post_process_args=held)
        assert held.begun.wait(LONG)
        assert getattr(peer, what) is before
        held.may.set()
        restarting.result(LONG)
    assert getattr(peer, what) is not before


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_end_in_the_middle_of_a_restart_ends_that_too(peer, verb):
    held = Held()
    with ThreadPoolExecutor() as threads:
        restarting = threads.submit(peer.restart, post_process_args=held)
        assert held.begun.wait(LONG)
        ending = threads.submit(getattr(peer, verb))
        held.may.set()
        ending.result(LONG)
        assert peer.state == "down"
        with contextlib.suppress(pytest_peer.BootError):  # unless it had booted before that
            restarting.result(LONG)
    assert peer.restart().call_within(LONG, int) == 0


def test_scope_that_ends_during_a_restart_leaves_no_process(pytester):
    pytester.makepyfile(
        """
        import sys, threading, time, traceback

        begun, ended, failed, threads = threading.Event(), threading.Event(), [], []

        def held(argv):
            begun.set()
            assert ended.wait(20)
            return argv

        def restart(peer):
            try:
                peer.restart(post_process_args=held)
            except RuntimeError as exc:
                failed.append(exc)

        def let_go_at_the_end_of_the_scope():
            main, names = threading.main_thread().ident, []
            while "wait_released" not in names:
                time.sleep(0.001)
                stack = traceback.extract_stack(sys._current_frames()[main])
                names = [frame.name for frame in stack]
            ended.set()

        def test_restart(peer):
            threads.append(threading.Thread(target=restart, args=(peer,)))
            threads[0].start()
            assert begun.wait(20)
            threading.Thread(target=let_go_at_the_end_of_the_scope).start()

        def test_after(peer_factory):
            peer_factory()
            threads[0].join(20)
            assert len(failed) == 1
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_restart_of_a_peer_that_closes_waits_until_it_is_gone(peer_factory):
    peer = peer_factory(shutdown="close")
    for _ in range(3):
        assert peer.restart().call_within(LONG, os.getpid) == peer.pid
