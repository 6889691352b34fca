"""An origin in a namespace of process ids whose ``/proc`` is that of the one outside, where they have other numbers."""

from __future__ import annotations

import os
import subprocess
from functools import partial

import pytest
from debugging import DEBUGGER
from origin_programs import said_by

UNSHARED = ["unshare", "--pid", "--fork"]


def requires(command: list[str], lacking: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        reason = f"{lacking} for a process: {exc}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def run(run):
    """A function that runs a program there, not as process 1, with whose end the kernel would end all others."""
    requires([*UNSHARED, "true"], "no namespace of process ids")
    launcher = [*UNSHARED, "sh", "-c", '"$@"; true', "sh"]
    return partial(run, RUNS, launcher=launcher)


RUNS = """
    def runs(pid):
        try: os.kill(pid, 0)
        except ProcessLookupError: return False
        return True
"""


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_what_a_peer_has_started_is_gone_with_it(run, start_method):
    said = run(
        f"""
        peer, other = start(start_method={start_method!r}), start()
        daemons = peer.call(start_daemon) + other.call(start_daemon)
        print(*map(runs, daemons))
        peer.stop()
        print(*map(runs, daemons))
        """
    )
    assert said == ["True True", "False True"]


def test_what_a_peer_has_started_is_gone_with_the_origin(run):
    said = run(
        """
        heard, said = os.pipe()
        origin = os.fork()
        if origin == 0:
            (daemon,) = start().call(start_daemon)
            os.write(said, str(daemon).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        daemon = int(os.read(heard, 20))
        os.waitpid(origin, 0)
        pytest_peer.eventually(lambda: not runs(daemon), 5)
        print("gone")
        """
    )
    assert said == ["gone"]


def test_process_with_an_outer_pid_is_not_taken_for_a_descendant(run):
    """Where there is no fork server, the origin looks for descendants itself."""
    said = run(
        """
        from pytest_peer.launch import descendants, procfs
        child = os.fork()
        if child == 0:
            time.sleep(600)
        print(descendants.outside_group(1), procfs.of_process(1), procfs.ends(1))
        os.kill(child, signal.SIGKILL)
        """
    )
    assert said == ["[] None False"]


def test_the_exit_status_of_a_peer_with_a_debugger_is_told(run):
    said = run(
        f"""
        import subprocess
        peer, other = start(), start()
        command = [sys.executable, "-c", {DEBUGGER!r}, str(peer.pid), "0"]
        debugger = subprocess.Popen(command, stdout=subprocess.PIPE)
        print(debugger.stdout.readline().decode().strip())
        peer.cast(os._exit, 3)
        print(told(peer.wait_down, 20), told(other.call_within, 20, int))
        debugger.kill()
        """
    )
    if said[0] != "attached":
        pytest.skip(f"ptrace is not permitted: {said[0]}")
    assert said[1:] == ["exited with status 3 0"]


@pytest.mark.parametrize("start_method", [None, "spawn"])  # a fork server needs it
def test_without_proc_peers_are_called_die_and_are_stopped(tmp_path, start_method):
    alone = ["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    requires([*alone, "true"], "no namespace without /proc")
    said = said_by(
        tmp_path,
        f"""
        peers = [start(start_method={start_method!r}) for _ in range(3)]
        print([peer.call(int) for peer in peers])
        print(told(peers[0].call, os._exit, 3).partition("(")[0], peers[0].down_reason)
        peers[1].stop()
        peers[2].kill()
        print(peers[1].down_reason, "and", peers[2].down_reason)
        """,
        launcher=alone,
    )
    assert said == [
        "[0, 0, 0]",
        "PeerDown exited with status 3",
        "stopped (exited with status 0) and killed by SIGKILL",
    ]
