"""Starting peers: every way to boot, and every way to fail at it."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import assert_gone
from processes import is_running

import pytest_peer

IMMEDIATELY = 5.0  # seconds, where the boot would be given up after 15: a busy machine


def flag_optimize() -> int:
    return sys.flags.optimize


def write_bytecode_is_off() -> bool:
    return sys.dont_write_bytecode


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a shell script."""

    def make(script: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def failure(
    peer_factory: Callable[..., pytest_peer.Peer], **options: object
) -> pytest_peer.BootError:
    """The error of a boot that fails, which it does at once."""
    began = time.monotonic()
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(**options)
    assert time.monotonic() - began < IMMEDIATELY
    return caught.value


# What is no program


def test_missing_program_is_exec_not_found(peer_factory, tmp_path):
    error = failure(peer_factory, exec=str(tmp_path / "missing"))
    assert isinstance(error, pytest_peer.ExecNotFound)
    assert error.argv[0] == str(tmp_path / "missing")
    assert str(tmp_path / "missing") in str(error)
    assert error.exit_status is None


def test_program_missing_on_the_path_is_exec_not_found(peer_factory):
    error = failure(peer_factory, exec="no-such-program-anywhere")
    assert isinstance(error, pytest_peer.ExecNotFound)
    assert "no-such-program-anywhere" in str(error)


def test_file_that_is_not_executable_is_exec_not_found(peer_factory, tmp_path):
    (tmp_path / "file").write_text("#!/bin/sh\n")
    error = failure(peer_factory, exec=str(tmp_path / "file"))
    assert isinstance(error, pytest_peer.ExecNotFound)
    assert "ermission" in str(error)


def test_missing_program_frees_the_name(peer_factory, tmp_path):
    failure(peer_factory, name="db", exec=str(tmp_path / "missing"))
    assert peer_factory(name="db").call(os.getpid)


# Programs that end


@pytest.mark.parametrize("status", [0, 1, 3])
def test_program_that_exits_is_a_boot_error_with_status_and_output(peer_factory, program, status):
    path = program(f"echo banner; echo sorry >&2; exit {status}")
    error = failure(peer_factory, exec=path, args=["-X", "dev"])
    assert error.exit_status == status
    assert error.argv[:3] == [str(path), "-X", "dev"]
    assert "banner\n" in error.output
    assert "sorry\n" in error.output
    for part in ("banner", "sorry", str(path), str(status)):
        assert part in str(error)


def test_program_that_a_signal_ends_is_a_boot_error_that_names_the_signal(peer_factory, program):
    error = failure(peer_factory, exec=program("echo banner; kill -TERM $$"))
    assert error.exit_status is None
    assert "SIGTERM" in str(error)
    assert "banner\n" in error.output


def test_program_that_ends_before_the_time_is_no_timeout(peer_factory, program):
    error = failure(peer_factory, exec=program("exit 1"), wait_boot=None)
    assert not isinstance(error, TimeoutError)


def test_bad_interpreter_argument_is_a_boot_error_with_what_it_says(peer_factory):
    error = failure(peer_factory, args=["--no-such-option"])
    assert error.exit_status == 2
    assert "unknown option --no-such-option" in error.output


def test_program_that_closes_the_control_link_is_a_boot_error_at_once(peer_factory, program):
    path = program(
        f"exec {sys.executable} -c 'import os, time; os.closerange(3, 99); time.sleep(600)'"
    )
    failure(peer_factory, exec=path)


def test_failed_boot_takes_along_what_the_program_started(peer_factory, program, tmp_path):
    failure(peer_factory, exec=program(f"sleep 600 & echo $! >{tmp_path}/pid; exit 1"))
    assert_gone([int((tmp_path / "pid").read_text())])


def test_failed_boot_frees_the_name(peer_factory, program):
    failure(peer_factory, name="db", exec=program("exit 1"))
    assert peer_factory(name="db").call(os.getpid)


# Programs that hang


def test_program_that_hangs_is_a_boot_timeout_with_its_output(peer_factory, program):
    with pytest.raises(pytest_peer.BootTimeout) as caught:
        peer_factory(exec=program("echo banner; exec sleep 600"), wait_boot=1)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.output == "banner\n"
    assert caught.value.argv


def test_program_that_hangs_is_killed_with_its_children(peer_factory, program, tmp_path):
    script = f"sleep 600 & echo $$ $! >{tmp_path}/pids; wait"
    with pytest.raises(pytest_peer.BootTimeout):
        peer_factory(exec=program(script), wait_boot=1)
    assert_gone(map(int, (tmp_path / "pids").read_text().split()), within=0)


def test_wait_boot_of_zero_seconds_is_a_timeout_at_once(peer_factory, gate):
    began = time.monotonic()
    with pytest.raises(pytest_peer.BootTimeout):
        peer_factory(exec=gate.launcher(), wait_boot=0)
    assert time.monotonic() - began < IMMEDIATELY


# Ways to wait


def test_wait_boot_none_waits_for_the_boot(peer_factory):
    assert peer_factory(wait_boot=None).state == "running"


def test_wait_boot_false_returns_while_it_boots(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    assert peer.state == "booting"
    assert "booting" in repr(peer)
    gate.open()
    peer.wait_boot(IMMEDIATELY)
    assert peer.state == "running"


def test_method_wait_boot_only_stops_waiting(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    with pytest.raises(pytest_peer.BootTimeout):
        peer.wait_boot(0.05)
    assert peer.state == "booting"
    gate.open()
    peer.wait_boot(IMMEDIATELY)
    assert peer.call(os.getpid) == peer.pid


def test_method_wait_boot_raises_what_the_boot_failed_with(peer_factory, program):
    peer = peer_factory(exec=program("echo banner; exit 3"), wait_boot=False)
    for _ in range(2):  # also for who asks later
        with pytest.raises(pytest_peer.BootError) as caught:
            peer.wait_boot(IMMEDIATELY)
        assert caught.value.exit_status == 3
    assert peer.state == "down"
    assert peer.down_reason.kind == "boot failed"


def test_missing_program_is_an_error_at_once_also_without_waiting(peer_factory):
    with pytest.raises(pytest_peer.ExecNotFound):
        peer_factory(exec="no-such-program-anywhere", wait_boot=False)


def test_call_while_booting_waits_for_the_boot(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    answer = peer.submit(os.getpid)
    gate.open()
    assert answer.result(IMMEDIATELY) == peer.pid


def test_call_while_booting_keeps_its_own_limit(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    with pytest.raises(pytest_peer.CallTimeout):
        peer.call_within(0.05, os.getpid)
    gate.open()
    assert peer.call(os.getpid) == peer.pid


def test_call_to_a_peer_whose_boot_fails_says_why(peer_factory, gate):
    peer = peer_factory(
        exec=gate.launcher(["/bin/sh", "-c", "echo banner; exit 3"]), wait_boot=False
    )
    answer = peer.submit(os.getpid)
    gate.open()
    with pytest.raises(pytest_peer.PeerDown) as caught:
        answer.result(IMMEDIATELY)
    assert caught.value.reason.kind == "boot failed"


def test_callable_gets_the_peer_that_has_booted(peer_factory):
    booted: queue.SimpleQueue[tuple[pytest_peer.Peer, str]] = queue.SimpleQueue()
    peer = peer_factory(wait_boot=lambda peer: booted.put((peer, str(peer.state))))
    got, state = booted.get(timeout=IMMEDIATELY)
    assert got is peer
    assert state == "running"


def test_callable_gets_the_peer_that_failed(peer_factory, program):
    booted: queue.SimpleQueue[tuple[pytest_peer.Peer, str]] = queue.SimpleQueue()
    peer = peer_factory(
        exec=program("exit 3"), wait_boot=lambda peer: booted.put((peer, str(peer.state)))
    )
    got, state = booted.get(timeout=IMMEDIATELY)
    assert got is peer
    assert state == "down"
    assert peer.down_reason.exit_status == 3


def test_callable_may_call_the_peer(peer_factory):
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    peer = peer_factory(wait_boot=lambda peer: answers.put(peer.call(os.getpid)))
    assert answers.get(timeout=IMMEDIATELY) == peer.pid


# Names


def test_name_that_is_alive_is_in_use(peer_factory):
    peer_factory(name="db")
    with pytest.raises(pytest_peer.NameInUse, match="db"):
        peer_factory(name="db")


def test_name_of_a_booting_peer_is_in_use(peer_factory, gate):
    peer_factory(name="db", exec=gate.launcher(), wait_boot=False)
    with pytest.raises(pytest_peer.NameInUse):
        peer_factory(name="db")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_name_is_free_again_after(peer_factory, end):
    first = peer_factory(name="db")
    getattr(first, end)()
    second = peer_factory(name="db")
    assert second.call(os.getpid) != first.pid


def test_name_is_free_again_after_an_unasked_death(peer_factory):
    first = peer_factory(name="db", peer_down="continue")
    first.cast(os._exit, 1)
    first.wait_down(IMMEDIATELY)
    assert peer_factory(name="db").call(os.getpid) != first.pid


# Interpreters


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_too_old_python_is_a_boot_error_at_once(peer_factory, requires_python, version):
    error = failure(peer_factory, exec=requires_python(version))
    assert version in str(error)
    assert "too old" in str(error)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_other_python_boots_and_answers(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    assert peer.python[:2] == tuple(map(int, version.split(".")))
    assert peer.call("platform:python_version") == ".".join(map(str, peer.python))
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_other_python_stops_by_itself(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    peer.stop()
    assert peer.down_reason.exit_status == 0


# Launchers


def test_exec_may_be_a_path(peer_factory):
    peer = peer_factory(exec=Path(sys.executable))
    assert peer.call(os.getpid) == peer.pid


def test_exec_may_be_a_program_with_arguments(peer_factory):
    peer = peer_factory(exec=["env", "A=1", sys.executable])
    assert peer.call(os.getenv, "A") == "1"


def test_exec_may_be_a_program_that_changes_the_process(peer_factory):
    peer = peer_factory(exec=["nice", "-n", "3", sys.executable])
    assert peer.call(os.nice, 0) == os.nice(0) + 3


def test_launcher_that_becomes_the_peer_has_its_pid(peer_factory, program):
    peer = peer_factory(exec=[program('exec "$@"'), sys.executable])
    assert peer.call(os.getppid) == os.getpid()


@pytest.fixture
def launched(peer_factory, program) -> pytest_peer.Peer:
    """A peer whose launcher stays as its parent."""
    return peer_factory(exec=[program('"$@"; exit $?'), sys.executable])


def test_launcher_that_stays_is_the_parent_of_the_peer(launched):
    launcher = launched.call(os.getppid)
    assert launcher != os.getpid()
    assert launched.call(os.getpid) == launched.pid != launcher


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_launcher_that_stays_ends_with_the_peer_by(launched, end):
    pids = [launched.call(os.getppid), launched.pid]
    getattr(launched, end)()
    assert_gone(pids, within=0)


def test_signal_reaches_the_peer_behind_a_launcher_that_stays(launched):
    launched.call(signal.signal, signal.SIGUSR1, signal.SIG_IGN)
    launched.kill(signal.SIGUSR1)  # would end the launcher
    assert launched.call(os.getpid) == launched.pid


def test_banner_of_a_launcher_is_shown_as_output(peer_factory, program):
    peer = peer_factory(exec=[program('echo banner; exec "$@"'), sys.executable])
    assert peer.stdout.text == "banner\n"
    assert peer.call(os.getpid) == peer.pid


# Command line, environment, directory


def test_args_reach_the_interpreter(peer_factory):
    assert peer_factory(args=["-O"]).call(flag_optimize) == 1


def test_args_are_no_shell(peer_factory):
    peer = peer_factory(args=["-X", "a=$HOME; echo *"])
    assert peer.call("sys:_xoptions.get", "a") == "$HOME; echo *"


def test_post_process_args_gets_and_returns_the_complete_command_line(peer_factory):
    seen = []

    def wrapped(argv: list[str]) -> list[str]:
        seen.append(list(argv))
        return ["env", "A=1", *argv]

    peer = peer_factory(args=["-O"], post_process_args=wrapped)
    assert seen[0][:2] == [sys.executable, "-O"]
    assert peer.call(os.getenv, "A") == "1"


@pytest.mark.parametrize("wrong", ["a string", None, [], ["a", 1]])
def test_post_process_args_that_returns_no_command_line_is_a_type_error(peer_factory, wrong):
    with pytest.raises(TypeError, match="post_process_args"):
        peer_factory(name="db", post_process_args=lambda _: wrong)
    assert peer_factory(name="db").call(os.getpid)


def test_what_post_process_args_raises_is_raised(peer_factory):
    def broken(argv: list[str]) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        peer_factory(name="db", post_process_args=broken)
    assert peer_factory(name="db").call(os.getpid)


def test_env_adds_to_the_inherited_environment(peer_factory, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    peer = peer_factory(env={"ADDED": "yes"})
    assert peer.call(os.getenv, "INHERITED") == peer.call(os.getenv, "ADDED") == "yes"


def test_env_none_removes_a_variable(peer_factory, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    assert peer_factory(env={"INHERITED": None}).call(os.getenv, "INHERITED") is None


def test_env_none_for_a_variable_that_is_not_there_is_fine(peer_factory):
    assert peer_factory(env={"NEVER_SET": None}).call(os.getenv, "NEVER_SET") is None


def test_env_is_there_when_the_interpreter_starts(peer_factory):
    assert peer_factory(env={"PYTHONDONTWRITEBYTECODE": "1"}).call(write_bytecode_is_off)


def test_cwd_is_the_directory_it_starts_in(peer_factory, tmp_path):
    assert peer_factory(cwd=tmp_path).call(os.getcwd) == os.path.realpath(tmp_path)


def test_cwd_is_inherited(peer_factory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert peer_factory().call(os.getcwd) == os.getcwd()


def test_bad_option_starts_nothing(peer_factory, tmp_path):
    with pytest.raises(ValueError, match="cwd"):
        peer_factory(cwd=tmp_path / "missing", exec=["touch", str(tmp_path / "started")])
    assert not (tmp_path / "started").exists()


# Stopped in the middle


def test_stop_during_boot_ends_the_process(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    gate.wait_reached()
    manifest_pid = launcher_pid(peer)
    assert is_running(manifest_pid)
    peer.stop()
    assert_gone([manifest_pid], within=0)
    assert peer.state == "down"


def launcher_pid(peer: pytest_peer.Peer) -> int:
    """The only child of this process whose command line has the peer's name."""
    import psutil

    (child,) = (each for each in psutil.Process().children() if peer.node in each.cmdline())
    return child.pid


def test_stop_during_boot_fails_who_waits(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    answer = peer.submit(os.getpid)
    peer.stop()
    with pytest.raises(pytest_peer.BootError):
        peer.wait_boot()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(IMMEDIATELY)


def test_stop_right_after_the_start_leaves_nothing(peer_factory):
    peers = [peer_factory(wait_boot=False) for _ in range(5)]
    for peer in peers:
        peer.stop()
    assert [peer.state for peer in peers] == ["down"] * 5


# Many

#: Goes on when so many have come.
TOGETHER = 'touch "$0/$$"; while [ $(ls "$0" | wc -l) -lt 3 ]; do sleep 0.01; done; exec "$@"'


def test_many_boot_at_the_same_time(peer_factory, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    group = peer_factory.many(3, exec=["/bin/sh", "-c", TOGETHER, str(place), sys.executable])
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_many_threads_may_boot_peers_at_the_same_time(peer_factory):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        peers = list(pool.map(lambda _: peer_factory(), range(16)))
    assert len({peer.call(os.getpid) for peer in peers}) == 16


#: The first of them fails.
ONE_FAILS = 'echo $$ >>"$0.pids"; mkdir "$0" 2>/dev/null && exit 3; exec "$@"'


@pytest.fixture
def one_fails(tmp_path) -> list[str]:
    return ["/bin/sh", "-c", ONE_FAILS, str(tmp_path / "first"), sys.executable]


def test_one_of_many_that_fails_is_a_group_of_one(peer_factory, one_fails):
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(3, exec=one_fails)
    (error,) = caught.value.exceptions
    assert isinstance(error, pytest_peer.BootError)
    assert error.exit_status == 3


def test_one_of_many_that_fails_stops_the_others(peer_factory, one_fails, tmp_path):
    with pytest.raises(ExceptionGroup):
        peer_factory.many(3, exec=one_fails)
    pids = [int(pid) for pid in (tmp_path / "first.pids").read_text().split()]
    assert pids
    assert_gone(pids, within=0)


def test_many_whose_program_is_missing_is_a_group_too(peer_factory):
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(2, exec="no-such-program-anywhere")
    assert caught.group_contains(pytest_peer.ExecNotFound)


def test_many_that_failed_free_their_names(peer_factory, one_fails):
    with pytest.raises(ExceptionGroup):
        peer_factory.many(3, name="rank", exec=one_fails)
    assert [peer.name for peer in peer_factory.many(3, name="rank")] == [
        "rank-0",
        "rank-1",
        "rank-2",
    ]


def test_none_of_many_is_an_empty_group(peer_factory):
    assert list(peer_factory.many(0)) == []
