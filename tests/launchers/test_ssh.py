"""Features of ssh: words for a remote shell, errors, shared connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import daemons
import pytest
import ways

import pytest_peer

PYTHON = sys.executable


def test_words_are_not_seen_by_the_shell_over_there(ssh, peer_factory):
    words = ["a b", "$HOME", "`id`", "'", '"', ";", "*", "", "\\", "é"]
    peer = peer_factory(exec=[*ssh.before, "env", "-u", "X", PYTHON], args=["-X", f"of={words}"])
    assert peer.call("sys:_xoptions.get", "of") == str(words)


def test_banner_and_what_the_shell_says_are_shown(ssh, peer_factory):
    script = 'echo "welcome"; echo "mind the gap" >&2; exec "$@"'
    peer = peer_factory(exec=[*ssh.before, "sh", "-c", script, "sh", PYTHON])
    assert peer.call(os.getpid) == peer.pid
    assert peer.stdout.text == "welcome\n"
    assert "for members only" in peer.stderr.text
    assert "mind the gap" in peer.stderr.text


@pytest.mark.parametrize("before", [["env", "A=1"], ["timeout", "60"], ["nice", "-n", "1"]])
def test_program_in_front_of_it(ssh, peer_factory, before):
    peer = peer_factory(exec=[*before, *ssh.exec], env={"WORD": "a b"})
    assert peer.call(os.getenv, "WORD") == "a b"


@pytest.mark.parametrize(
    "option", [["-o", "ServerAliveInterval=1"], ["-4q"], ["-qp", "{port}"], ["--"]]
)
def test_options_in_front_of_the_host(ssh, peer_factory, option):
    *before, host = ssh.before
    port = Path(before[2]).read_text().partition("Port ")[2].split()[0]
    words = [word.format(port=port) for word in option]
    peer = peer_factory(exec=[*before, *words, host, PYTHON], env={"WORD": "a b"})
    assert peer.call(os.getenv, "WORD") == "a b"


# Errors


def failure(peer_factory, *words: str) -> pytest_peer.BootError:
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(exec=[*words, PYTHON])
    assert not isinstance(caught.value, pytest_peer.BootTimeout)
    assert caught.value.exit_status == 255
    return caught.value


def test_unknown_host(ssh, peer_factory):
    error = failure(peer_factory, *ssh.before[:-1], "no-such-host.invalid")
    assert "Could not resolve hostname no-such-host.invalid" in error.output
    assert "no-such-host.invalid" in error.argv


def test_refused_key(ssh, peer_factory, tmp_path):
    subprocess.run(
        [ways.found("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"],
        check=True,
    )
    other = ["-o", f"IdentityFile={tmp_path}/key", "-F", "/dev/null", "-o", "BatchMode=yes"]
    port = Path(ssh.before[2]).read_text().partition("Port ")[2].split()[0]
    unasked = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    words = [ssh.before[0], *other, *unasked, "-o", "IdentitiesOnly=yes", "-p", port, "127.0.0.1"]
    assert "Permission denied (publickey)" in failure(peer_factory, *words).output


def test_closed_port(ssh, peer_factory):
    words = (*ssh.before[:-1], "-p", str(daemons.free_port()), ssh.before[-1])
    assert "Connection refused" in failure(peer_factory, *words).output


# Shared connections


def with_path(ssh: ways.Way, path: Path, *more: str) -> list[str]:
    return [*ssh.before[:-1], "-S", str(path), *more, ssh.before[-1]]


@pytest.fixture
def socket_path():
    """Not in `tmp_path`, whose name may be too long for a socket."""
    path = Path(f"/tmp/peer-test-{os.getpid()}-{time.monotonic_ns()}")
    yield path
    path.unlink(missing_ok=True)


def test_shared_connection_is_used(ssh, peer_factory, socket_path):
    master = subprocess.Popen(with_path(ssh, socket_path, "-M", "-N"), stderr=subprocess.PIPE)
    try:
        pytest_peer.eventually(socket_path.exists, 20)
        peer = peer_factory(exec=[*with_path(ssh, socket_path), PYTHON], peer_down="continue")
        assert peer.call(os.getpid) == peer.pid
        master.kill()
        assert peer.wait_down(20).kind == "link lost"
    finally:
        master.kill()
        master.communicate()


def test_no_peer_depends_on_the_connection_of_another(ssh, peer_factory, socket_path):
    words = with_path(ssh, socket_path, "-o", "ControlMaster=auto", "-o", "ControlPersist=60")
    first, second = peer_factory(exec=[*words, PYTHON]), peer_factory(exec=[*words, PYTHON])
    first.stop()
    assert second.call(os.getpid) == second.pid
    assert not socket_path.exists()


def test_lost_connection_is_reported(ssh, started, trace):
    peer = started(ssh)
    remote = peer.call(os.getppid)  # the relay, which sshd's session has started
    os.kill(remote, signal.SIGKILL)
    assert peer.wait_down(20).kind == "link lost"
    assert "the connection through" in peer.stderr.text
    trace.assert_gone(ssh.patience)


def test_peers_of_an_xdist_worker_behind_ssh_start_on_its_host(ssh, pytester, tmp_path):
    """pytest-xdist copies the tests there; the peers' origin is the worker."""
    pytester.makepyfile(
        """
        import os

        def test(peer):
            here = os.environ["SSH_CONNECTION"]
            assert peer.call(os.getenv, "SSH_CONNECTION") == here
            assert peer.call(os.getcwd) == os.getcwd()
        """
    )
    worker = f"ssh=far//ssh_config={ssh.before[2]}//python={sys.executable}//chdir={tmp_path}"
    # There all plugins are loaded; of these two, one half of each has to be here.
    without = "-p", "no:randomly", "-p", "no:rerunfailures"
    result = pytester.runpytest_subprocess(
        "-d", f"--tx={worker}", f"--rsyncdir={pytester.path}", *without, "-W", "ignore"
    )
    result.assert_outcomes(passed=1)
