"""Boots that fail: the program is missing, ends, hangs, or is too old."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable

import pytest
from processes import assert_gone
from timeouts import NO_BOOT_LIMIT

import pytest_peer


def failure(
    peer_factory: Callable[..., pytest_peer.Peer], **options: object
) -> pytest_peer.BootError:
    """The error of a boot that fails, which it does at once."""
    began = time.monotonic()
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(**options)
    assert time.monotonic() - began < NO_BOOT_LIMIT
    return caught.value


# Things that are not programs


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
def test_program_that_exits_is_a_boot_error_with_its_output(peer_factory, program, status):
    path = program(f"echo banner; echo sorry >&2; exit {status}")
    error = failure(peer_factory, exec=path, args=["-X", "dev"])
    assert error.exit_status == status
    assert error.argv[:3] == [str(path), "-X", "dev"]
    assert "banner\n" in error.output
    assert "sorry\n" in error.output
    for part in ("banner", "sorry", str(path), str(status)):
        assert part in str(error)


def test_program_that_dies_of_a_signal_is_a_boot_error_naming_it(peer_factory, program):
    error = failure(peer_factory, exec=program("echo banner; kill -TERM $$"))
    assert error.exit_status is None
    assert "SIGTERM" in str(error)
    assert "banner\n" in error.output


def test_program_that_ends_before_the_time_is_no_timeout(peer_factory, program):
    error = failure(peer_factory, exec=program("exit 1"), wait_boot=None)
    assert not isinstance(error, TimeoutError)


def test_bad_interpreter_argument_is_a_boot_error_with_output(peer_factory):
    error = failure(peer_factory, args=["--no-such-option"])
    assert error.exit_status == 2
    assert re.search(r"unknown option:? --no-such-option", error.output, re.IGNORECASE)


def test_program_that_closes_the_link_is_a_boot_error_at_once(peer_factory, program):
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


def test_timeout_names_limit_option_and_what_was_missing(peer_factory, program):
    with pytest.raises(pytest_peer.BootTimeout) as caught:
        peer_factory(name="db", exec=program("exec sleep 600"), wait_boot=0.5)
    assert str(caught.value).startswith(
        "peer 'db' did not boot within 0.5 s (option wait_boot) and was killed: "
        "no Python interpreter answered\n"
    )


#: Of an interpreter in which our agent hangs.
HANGING_AGENT = """
import faulthandler, time
faulthandler.enable = lambda *_, **__: time.sleep(600)
"""


def test_timeout_of_an_agent_that_hangs_says_so(peer_factory, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HANGING_AGENT)
    with pytest.raises(pytest_peer.BootTimeout, match="killed: the agent did not start"):
        peer_factory(env={"PYTHONPATH": str(tmp_path)}, wait_boot=3)


def test_program_that_hangs_is_killed_with_its_children(peer_factory, program, tmp_path):
    script = f"sleep 600 & echo $$ $! >{tmp_path}/pids; wait"
    with pytest.raises(pytest_peer.BootTimeout):
        peer_factory(exec=program(script), wait_boot=1)
    assert_gone(map(int, (tmp_path / "pids").read_text().split()), within=0)


def test_wait_boot_of_zero_seconds_is_a_timeout_at_once(peer_factory, gate):
    began = time.monotonic()
    with pytest.raises(pytest_peer.BootTimeout):
        peer_factory(exec=gate.launcher(), wait_boot=0)
    assert time.monotonic() - began < NO_BOOT_LIMIT


# Interpreters that are too old


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_too_old_python_is_a_boot_error_at_once(peer_factory, requires_python, version):
    error = failure(peer_factory, exec=requires_python(version))
    assert version in str(error)
    assert "too old" in str(error)


# What gevent and eventlet leave of the origin


@pytest.mark.parametrize(
    ("patched", "by"),
    [
        ("_thread.start_new_thread", "gevent.thread"),
        ("socket.socket", "gevent._socket3"),
        ("subprocess.Popen", "eventlet.green.subprocess"),
    ],
)
def test_monkey_patched_origin_is_a_boot_error_that_says_so(peer_factory, monkeypatch, patched, by):
    def replacement() -> None:
        raise AssertionError("used")

    replacement.__module__ = by
    with monkeypatch.context() as patching:
        patching.setattr(patched, replacement)
        error = failure(peer_factory, name="db")
    assert f"peer 'db' is not started: {by.partition('.')[0]} has monkey-patched" in str(error)
    assert peer_factory(name="db").call(os.getpid)
