"""A boot over TCP that fails does so at once and says why."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from processes import assert_gone
from timeouts import NO_TCP_BOOT_LIMIT

import pytest_peer


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a port, as one of another program would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def port() -> int:
    """One that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]
        return free


def failure(peer_factory: Callable[..., pytest_peer.Peer], **options: Any) -> pytest_peer.BootError:
    began = time.monotonic()
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(**{"connection": 0, "wait_boot": 30, **options})
    assert time.monotonic() - began < NO_TCP_BOOT_LIMIT
    assert not isinstance(caught.value, TimeoutError)
    return caught.value


@pytest.mark.parametrize("detached", [False, True])
def test_program_that_ends_is_a_boot_error_with_its_output(peer_factory, program, detached):
    path = program("echo banner; echo sorry >&2; exit 3")
    error = failure(peer_factory, exec=path, detached=detached)
    assert error.exit_status == 3
    assert error.argv[0] == str(path)
    assert "banner\n" in error.output
    assert "sorry\n" in error.output


def test_program_that_ends_by_a_signal_is_named(peer_factory, program):
    assert "SIGTERM" in str(failure(peer_factory, exec=program("kill -TERM $$")))


def test_missing_program_is_exec_not_found(peer_factory, tmp_path):
    error = failure(peer_factory, exec=str(tmp_path / "missing"))
    assert isinstance(error, pytest_peer.ExecNotFound)


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_too_old_python_is_reported(peer_factory, requires_python, version):
    error = failure(peer_factory, exec=requires_python(version))
    assert isinstance(error, pytest_peer.HandshakeError)
    assert f"Python {version}" in str(error)


def test_program_that_never_connects_times_out_with_its_output(peer_factory, program, tmp_path):
    script = f"echo banner; sleep 600 & echo $$ $! >{tmp_path}/pids; wait"
    with pytest.raises(pytest_peer.BootTimeout) as caught:
        peer_factory(connection=0, exec=program(script), wait_boot=1)
    assert caught.value.output == "banner\n"
    assert_gone(map(int, (tmp_path / "pids").read_text().split()), within=0)


def test_program_that_loses_the_secret_is_reported(peer_factory):
    words = ["env", "-u", "PYTEST_PEER_SECRET", sys.executable]
    assert "PYTEST_PEER_SECRET" in failure(peer_factory, exec=words).output


def test_program_that_connects_and_leaves_is_a_boot_error(peer_factory, program):
    """With the right secret, which it says, and goes."""
    code = "import os,sys,_socket;os.close(0);exec(sys.argv[2].partition('f=os')[0]);os._exit(4)"
    error = failure(peer_factory, exec=[sys.executable, "-c", code])
    assert error.exit_status == 4


# Ports


def test_port_in_use_is_a_boot_error_that_names_it(peer_factory, listener):
    port = listener.getsockname()[1]
    error = failure(peer_factory, connection=port, wait_boot=False)
    assert f"127.0.0.1 port {port}" in str(error)
    assert "in use" in str(error)
    assert "connection=0" in str(error)


def test_address_of_another_machine_is_a_boot_error(peer_factory):
    error = failure(peer_factory, connection=("192.0.2.1", 0))  # reserved by RFC 5737
    assert "192.0.2.1" in str(error)


def test_second_peer_on_a_port_is_a_boot_error_naming_the_first(peer_factory, port):
    first = peer_factory(name="first", connection=port)
    error = failure(peer_factory, name="second", connection=("127.0.0.1", port))
    assert "'second'" in str(error)
    assert "'first'" in str(error)
    assert str(port) in str(error)
    assert first.call(os.getpid) == first.pid


def test_of_many_on_a_port_one_boots(peer_factory, port):
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(3, name="rank", connection=port)
    assert len(caught.value.exceptions) == 2
    assert all(str(port) in str(each) for each in caught.value.exceptions)


def test_port_is_free_again_when_its_peer_is_down(peer_factory, port):
    peer_factory(connection=port).stop()
    peer = peer_factory(connection=port, shutdown="close")
    peer.stop()
    peer.wait_down(NO_TCP_BOOT_LIMIT)
    assert peer_factory(connection=port).call(os.getpid)


def test_port_is_free_again_after_a_failed_boot(peer_factory, program, port, tmp_path):
    failure(peer_factory, connection=port, exec=program("exit 1"))
    failure(peer_factory, connection=port, exec=str(tmp_path / "missing"))
    assert peer_factory(connection=port).call(os.getpid)


def test_peer_restarts_on_its_port(peer_factory, port):
    peer = peer_factory(connection=port)
    for _ in range(3):
        peer.kill()
        assert peer.restart().call(os.getpid) == peer.pid


def test_connection_comes_to_the_port(peer_factory, port):
    peer = peer_factory(connection=port, wait_boot=30)
    assert f"('127.0.0.1', {port})" in " ".join(
        peer.call("builtins:eval", "__import__('sys').orig_argv")
    )
