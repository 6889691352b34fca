"""The library without the plugin: `start`, `start_link`, names, temporary artifacts, the end of the program."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import assert_gone
from processes import is_running

import pytest_peer
from pytest_peer import eventually

LIMIT = 20.0  # seconds, of what must come


@pytest.fixture
def run(tmp_path):
    """A function that runs a program to its end."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(script))
        command = [sys.executable, *arguments, str(file)]
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path, env=env
        )

    return run


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


def test_start_works_in_a_program_without_pytest(run):
    result = run(
        """
        import os, sys, pytest_peer
        with pytest_peer.start() as peer:
            assert peer.call(os.getpid) == peer.pid
        assert "pytest" not in sys.modules
        """,
        "-W",
        "error",
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# start_link


def start_linked() -> pytest_peer.Peer:
    peer = pytest_peer.start_link()
    assert peer.call(os.getpid) == peer.pid
    return peer


def test_linked_peer_ends_with_its_thread():
    started = []
    thread = threading.Thread(target=lambda: started.append(start_linked().pid))
    thread.start()
    thread.join()
    assert_gone(started)


def test_linked_peer_ends_with_its_thread_also_when_somebody_has_the_handle():
    started = []
    thread = threading.Thread(target=lambda: started.append(start_linked()))
    thread.start()
    thread.join()
    assert started[0].wait_down(LIMIT).kind == "stopped"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_linked_peer_ends_with_its_thread_that_failed():
    started = []

    def work() -> None:
        started.append(start_linked().pid)
        raise ZeroDivisionError

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_gone(started)


def test_linked_peer_lives_as_long_as_its_thread():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(start_linked).result()
        assert peer.call(os.getpid) == peer.pid
    assert_gone([peer.pid])


def test_peer_that_is_not_linked_lives_on_after_its_thread():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(pytest_peer.start).result()
    with peer:
        assert peer.call(os.getpid) == peer.pid


def test_linked_peer_may_be_stopped_before():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(start_linked).result()
        peer.stop()
    assert peer.down_reason.kind == "stopped"


# Names


def test_random_names_differ():
    assert len({pytest_peer.random_name() for _ in range(100)}) == 100


def test_random_name_has_its_prefix_and_the_process_id():
    assert re.fullmatch(rf"db-\d+-{os.getpid()}", pytest_peer.random_name("db"))


@pytest.mark.parametrize("prefix", ["x" * 200, "test[a/b c]", "ümläut", "..", ""])
def test_random_name_is_a_name_whatever_the_prefix(prefix):
    with pytest_peer.start(name=pytest_peer.random_name(prefix)) as peer:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", peer.name)


def test_random_names_of_long_prefixes_that_differ_in_the_middle_differ():
    one, other = (pytest_peer.random_name("x" * 100 + middle + "x" * 100) for middle in "ab")
    assert one.partition("-")[2].split("-")[0] != other.partition("-")[2].split("-")[0]


# Artifacts


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_temporary_artifacts_are_removed_at(end):
    peer = pytest_peer.start()
    assert (peer.artifacts / "manifest.json").exists()
    getattr(peer, end)()
    assert not peer.artifacts.exists()


def test_temporary_artifacts_of_a_restarted_peer_are_removed_at_stop():
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
    peer.wait_down(LIMIT)
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


# The end of the program


def test_program_that_ends_stops_its_peers_politely(run, tmp_path):
    result = run(
        """
        import atexit, os, pathlib, pytest_peer
        peers = [pytest_peer.start() for _ in range(3)]
        for number, peer in enumerate(peers):
            peer.call(atexit.register, pathlib.Path(f"note{number}").write_text, "exited")
            print(peer.pid)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert all((tmp_path / f"note{number}").read_text() == "exited" for number in range(3))
    assert_gone(map(int, result.stdout.split()), within=0)


def test_program_that_ends_leaves_no_temporary_directory(run, tmp_path):
    result = run("import pytest_peer; peer = pytest_peer.start()")
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.glob("pytest-peer*"))


def test_program_that_fails_shows_its_own_error_only(run):
    result = run("import pytest_peer; peer = pytest_peer.start(); 1 / 0")
    assert result.returncode == 1
    assert result.stderr.count("Traceback") == 1
    assert "ZeroDivisionError" in result.stderr


def test_program_may_end_while_a_peer_boots(run):
    result = run("import pytest_peer; peer = pytest_peer.start(wait_boot=False)")
    assert (result.returncode, result.stderr) == (0, "")


def test_program_may_end_while_a_call_runs(run):
    result = run(
        """
        import time, pytest_peer
        peer = pytest_peer.start()
        answer = peer.submit(time.sleep, 600)
        print(peer.pid)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert_gone([int(result.stdout)], within=0)


def test_thread_of_the_program_may_stop_the_peer_at_its_end(run):
    result = run(
        """
        import atexit, pytest_peer
        peer = pytest_peer.start()
        atexit.register(peer.stop)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")


# Warnings


def dies(**options: object) -> pytest_peer.Peer:
    peer = pytest_peer.start(**options)
    peer.cast(os._exit, 3)
    peer.wait_down(LIMIT)
    eventually(lambda: not is_running(peer.pid))
    return peer


def test_unasked_death_is_warned_of_at_the_latest_by_the_next_start(tmp_path):
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


def test_program_is_warned_of_an_unasked_death_at_its_end(run):
    result = run(
        """
        import os, pytest_peer
        with pytest_peer.start(name="db", artifacts=".") as peer:
            peer.cast(os._exit, 3)
            peer.wait_down(20)
        """
    )
    assert result.returncode == 0
    assert "PeerDownWarning" in result.stderr
    assert "db" in result.stderr


def test_death_that_may_be_is_not_warned_of(tmp_path, recwarn):
    dies(peer_down="continue", artifacts=tmp_path).stop()
    pytest_peer.start().stop()
    assert not recwarn.list


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_asked_end_is_not_warned_of(end, recwarn):
    getattr(pytest_peer.start(), end)()
    pytest_peer.start().stop()
    assert not recwarn.list
