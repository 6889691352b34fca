"""An origin without ``/proc``, or with one of another namespace of process ids."""

from __future__ import annotations

import os
import subprocess

import pytest
from origin_programs import said_by


def requires(command: list[str], lacking: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        reason = f"{lacking} for a process: {exc}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)


def test_peers_work_with_the_proc_of_another_namespace(run):
    unshared = ["unshare", "--pid", "--fork"]
    requires([*unshared, "true"], "no namespace of process ids")
    # Not as process 1, with whose end the kernel would end all others.
    launcher = [*unshared, "sh", "-c", '"$@"; true', "sh"]
    said = run(
        """
        from pytest_peer.launch import procfs
        peer, other = start(), start(start_method="spawn")
        print(peer.call(int), other.call(int), procfs.children(1))
        peer.stop()
        other.kill()
        print(peer.down_reason, "and", other.down_reason)
        """,
        launcher=launcher,
    )
    assert said == ["0 0 []", "stopped (exited with status 0) and killed by SIGKILL"]


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
