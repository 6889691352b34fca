"""The library without the plugin: `start`, names, temporary artifacts, warnings."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import os
import re
import shutil
import signal
import weakref
from pathlib import Path

import pytest
from processes import is_running
from timeouts import LONG

import pytest_peer
from pytest_peer import eventually

# start


def test_start_returns_a_running_peer():
    with pytest_peer.start() as peer:
        assert peer.state == "running"
        assert peer.call(os.getpid) == peer.pid != os.getpid()


def test_start_takes_the_options_of_the_factory(tmp_path):
    with pytest_peer.start(name="db", env={"A": "1"}, cwd=tmp_path) as peer:
        assert peer.name == "db"
        assert peer.call(os.getenv, "A") == "1"


@pytest.mark.parametrize("option", ["colour", "link"])
def test_start_refuses_an_option_it_does_not_know(option):
    with pytest.raises(TypeError, match=option):
        pytest_peer.start(**{option: True})


def test_library_keeps_no_peers_that_are_down():
    handles = []
    for _ in range(3):
        with pytest_peer.start() as peer:
            handles.append(weakref.ref(peer))
    # The last may be the reason why a mailbox gets no message.
    assert eventually(lambda: gc.collect() >= 0 and not any(handle() for handle in handles[:-1]))


# Names


def test_random_names_differ():
    assert len({pytest_peer.random_name() for _ in range(100)}) == 100


def test_random_name_has_its_prefix_and_the_process_id():
    assert re.fullmatch(rf"db-\d+-{os.getpid()}", pytest_peer.random_name("db"))


@pytest.mark.parametrize("prefix", ["x" * 200, "test[a/b c]", "ümläut", "..", ""])
def test_random_name_is_a_name_whatever_the_prefix(prefix):
    with pytest_peer.start(name=pytest_peer.random_name(prefix)) as peer:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", peer.name)


def test_long_prefixes_that_differ_in_the_middle_do_not_clash():
    one, other = (pytest_peer.random_name("x" * 100 + middle + "x" * 100) for middle in "ab")
    assert one.partition("-")[2].split("-")[0] != other.partition("-")[2].split("-")[0]


# Artifacts


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_temporary_artifacts_are_removed_at(end):
    peer = pytest_peer.start()
    assert (peer.artifacts / "manifest.json").exists()
    getattr(peer, end)()
    assert not peer.artifacts.exists()


def test_temporary_artifacts_of_all_restarts_are_removed_at_stop():
    with pytest_peer.start() as peer:
        first = peer.artifacts
        peer.restart()
    assert not first.exists()
    assert not peer.artifacts.exists()


def test_temporary_artifacts_of_a_failed_boot_are_not_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(pytest_peer.BootError):
        pytest_peer.start(args=["--no-such-option"])
    with pytest.raises(pytest_peer.BootError):
        pytest_peer.start(exec="no-such-program-anywhere")
    assert list(tmp_path.iterdir()) == []


def test_temporary_artifacts_of_a_crashed_peer_are_kept():
    peer = pytest_peer.start(peer_down="continue")
    peer.cast(signal.raise_signal, signal.SIGSEGV)
    peer.wait_down(LONG)
    peer.stop()
    assert (peer.artifacts / "manifest.json").exists()
    shutil.rmtree(peer.artifacts)


def test_artifacts_go_where_the_option_says_and_stay(tmp_path):
    with pytest_peer.start(name="db", artifacts=tmp_path) as peer:
        pass
    assert peer.artifacts == tmp_path / "db"
    assert {path.name for path in peer.artifacts.iterdir()} >= {
        "manifest.json",
        "stdout.log",
        "stderr.log",
    }


# Warnings


def dies(**options: object) -> pytest_peer.Peer:
    peer = pytest_peer.start(**options)
    peer.cast(os._exit, 3)
    peer.wait_down(LONG)
    eventually(lambda: not is_running(peer.pid))
    return peer


def test_next_start_warns_of_an_unasked_death(tmp_path):
    def run() -> None:
        dies(name="db", artifacts=tmp_path).stop()
        pytest_peer.start().stop()

    with pytest.warns(pytest_peer.PeerDownWarning) as caught:
        run()
    (warning,) = caught
    assert issubclass(warning.category, UserWarning)
    for part in ("db", "exited with status 3", str(tmp_path / "db")):
        assert part in str(warning.message)
    assert Path(warning.filename).name == Path(__file__).name


def test_death_that_may_be_is_not_warned_of(tmp_path, recwarn):
    dies(peer_down="continue", artifacts=tmp_path).stop()
    pytest_peer.start().stop()
    assert not recwarn.list


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_asked_end_is_not_warned_of(end, recwarn):
    getattr(pytest_peer.start(), end)()
    pytest_peer.start().stop()
    assert not recwarn.list


# Failures that nobody has seen


def wrong() -> None:
    raise LookupError("lost")


def test_stop_warns_of_a_failure_that_nobody_saw():
    peer = pytest_peer.start()
    peer.cast(wrong)
    peer.call(int)
    with pytest.warns(pytest_peer.UnhandledPeerException, match="LookupError: lost") as caught:
        peer.stop()
    (warning,) = caught
    assert issubclass(warning.category, UserWarning)
    assert Path(warning.filename).name == Path(__file__).name


def test_future_may_be_asked_after_the_end(recwarn):
    with pytest_peer.start() as peer:
        future = peer.submit(wrong)
        concurrent.futures.wait([future])
    assert isinstance(future.exception(), LookupError)
    pytest_peer.start().stop()
    assert not recwarn.list


def test_future_that_nobody_can_ask_any_more_is_warned_of():
    with pytest.warns(pytest_peer.UnhandledPeerException, match="LookupError: lost"):  # noqa: PT031
        with pytest_peer.start() as peer:
            concurrent.futures.wait([peer.submit(wrong)])
        del peer


def test_exit_of_the_process_warns_of_a_failure_that_nobody_saw(run):
    program = """
def wrong(): raise LookupError("lost")
peer = start()
future = peer.submit(wrong)
while not future.done(): time.sleep(0.01)
sys.stderr = sys.stdout
"""
    assert "LookupError: lost" in run(program)


def stop(peer: pytest_peer.Peer) -> None:
    peer.stop()


def leave_block(peer: pytest_peer.Peer) -> None:
    with peer:
        pass


def leave_stack(peer: pytest_peer.Peer) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(peer.stop)


def shut_down(peer: pytest_peer.Peer) -> None:
    peer.shutdown()


def start_another(_: pytest_peer.Peer) -> None:
    pytest_peer.start_link().stop()


@pytest.mark.parametrize("end", [stop, leave_block, leave_stack, shut_down, start_another])
def test_warning_is_located_at_the_call_of_the_user(tmp_path, end):
    peer = dies(name="db", artifacts=tmp_path)
    with pytest.warns(pytest_peer.PeerDownWarning) as caught:
        end(peer)
    (warning,) = caught
    first = end.__code__.co_firstlineno
    assert warning.filename == __file__
    assert first < warning.lineno <= first + 3
