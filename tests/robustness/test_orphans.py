"""The orphans of a peer are not its children, and yet end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from origin_programs import said_by
from processes import assert_gone, is_running, start
from test_resource_trackers import make_segment, removed
from timeouts import LONG
from ways import available, found, needs_root

from pytest_peer import Peer, eventually

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are subreapers on Linux only"
)

METHODS = ["forkserver", "spawn"]

#: What `su` does on most systems (pam_limits), for which it has to be root: it sets all limits.
RESETTING = (
    "import os, resource\n"
    "for limit in range(16):\n"
    "    resource.setrlimit(limit, [resource.getrlimit(limit)[1]] * 2)\n"
    "os.execlp('sleep', 'sleep', '600')"
)


def leave(*words: str) -> int:
    """Leave a process in a session of its own, without variables and descriptors of the peer's."""
    script = 'setsid env -i "$@" >/dev/null 2>&1 & echo $!'
    argv = ["/bin/sh", "-c", script, "sh", *words]
    return int(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)


def leave_with_other_limits() -> int:
    return leave(sys.executable, "-S", "-c", RESETTING)


def leave_a_tracker() -> str:
    """Leave a process that has a segment, in the group of the peer, and the tracker of its parent."""
    reader, writer = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        path = make_segment()
        if os.fork() == 0:
            writer.send(path)
            signal.pause()
        os._exit(0)
    os.waitpid(child, 0)
    path: str = reader.recv()
    return path


def status_of_any_child() -> str:
    try:
        return str(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        return "no child"


@pytest.fixture(params=METHODS)
def peer(request: pytest.FixtureRequest, peer_factory: Any) -> Peer:
    peer: Peer = peer_factory(start_method=request.param, peer_down="continue")
    return peer


def test_orphan_that_has_ended_is_reaped(peer: Peer) -> None:
    pid = peer.call(leave, "true")
    eventually(lambda: not psutil.pid_exists(pid))


def test_orphan_is_not_a_child_of_the_peer(peer: Peer) -> None:
    peer.call(leave, "true")
    assert peer.call(leave, "sleep", "600")
    assert peer.call(status_of_any_child) == "no child"
    assert psutil.Process(peer.pid).children() == []


def test_status_of_a_child_is_still_the_peers(peer: Peer) -> None:
    assert peer.call(subprocess.call, ["sh", "-c", "true & exit 3"]) == 3


def test_orphans_of_two_peers_end_with_their_own(peer_factory: Any, peer: Peer) -> None:
    other = peer_factory()
    orphan, others = peer.call(leave, "sleep", "600"), other.call(leave, "sleep", "600")
    peer.kill()
    assert_gone([orphan], within=0)
    assert is_running(others)
    other.stop()
    assert_gone([others], within=0)


@pytest.mark.parametrize("method", METHODS)
def test_orphan_with_limits_of_its_own_ends_with_its_peer(peer_factory: Any, method: str) -> None:
    peer_factory()  # an older one, which lives on
    peer = peer_factory(start_method=method)
    orphan = peer.call(leave_with_other_limits)
    eventually(lambda: psutil.Process(orphan).name() == "sleep", LONG)
    peer.stop()
    assert_gone([orphan], within=0)


def test_orphan_with_limits_of_its_own_outlives_other_peers(peer_factory: Any, peer: Peer) -> None:
    orphan = peer.call(leave_with_other_limits)
    eventually(lambda: psutil.Process(orphan).name() == "sleep", LONG)
    peer_factory().stop()
    assert is_running(orphan)


def test_orphan_of_another_user_ends_with_its_peer(tmp_path: Path) -> None:
    with available():
        needs_root("another user")
        dropping = [found("setpriv"), "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
    said = said_by(
        tmp_path,
        """
        import subprocess
        def leave_as_nobody():
            script = "setsid setpriv --reuid=65534 sleep 600 >/dev/null 2>&1 & echo $!"
            return int(subprocess.check_output(["/bin/sh", "-c", script]))
        peers = [start(), start()]
        pids = [peer.call(leave_as_nobody) for peer in peers]
        pytest_peer.eventually(lambda: all(os.stat(f"/proc/{pid}").st_uid for pid in pids))
        peers[0].stop()
        print([told(os.kill, pid, 0) is None for pid in pids])
        """,
        launcher=dropping,
    )
    assert said == ["[False, True]"]


#: An origin inside a peer, whose own peer leaves an orphan, which nothing of its own can kill.
ORIGIN = """
import signal
import psutil, pytest_peer
from test_orphans import leave
peer = pytest_peer.start(start_method="forkserver")
orphan = peer.call(leave, "sleep", "600")
for each in psutil.Process(peer.pid).parents()[:3]:
    each.suspend()
print(orphan, flush=True)
signal.pause()
"""


def start_an_origin(path: list[str], place: Path) -> int:
    origin = start(
        sys.executable,
        "-c",
        f"import sys; sys.path[:] = {path!r}\n{ORIGIN}",
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(place)},  # for the artifacts of its peer
    )
    assert origin.stdout is not None
    return int(origin.stdout.readline())


def test_orphan_of_a_peer_of_a_peer_ends_with_both(
    peer_factory: Any, peer: Peer, tmp_path: Path
) -> None:
    others = peer_factory().call(leave, "sleep", "600")
    orphan = peer.call(start_an_origin, sys.path, tmp_path)
    peer.kill()
    assert_gone([orphan], within=0)
    assert is_running(others)


def test_tracker_that_is_an_orphan_has_its_moment(peer: Peer) -> None:
    with removed(peer.call(leave_a_tracker)):
        peer.kill()


def test_orphan_ends_with_a_reaper_that_is_killed(peer_factory: Any, peer: Peer) -> None:
    others = peer_factory().call(leave, "sleep", "600")
    orphan = peer.call(leave, "sleep", "600")
    os.kill(peer.call(os.getppid), signal.SIGKILL)
    assert peer.wait_down(LONG).signal == signal.SIGKILL
    assert_gone([orphan], within=0)
    assert is_running(others)


def test_orphan_ends_with_a_peer_whose_reaper_is_stopped(peer_factory: Any) -> None:
    peer = peer_factory()
    orphan = peer.call(leave, "sleep", "600")
    os.kill(peer.call(os.getppid), signal.SIGSTOP)
    peer.kill()
    assert_gone([orphan], within=0)


def test_peer_of_another_user_ends_with_a_reaper_that_is_killed(peer: Peer) -> None:
    with available():
        needs_root("another user")
    orphan = peer.call(leave, "sleep", "600")
    peer.call(os.setuid, 65534)
    os.kill(peer.call(os.getppid), signal.SIGKILL)
    assert peer.wait_down(LONG).signal == signal.SIGKILL
    assert_gone([orphan], within=0)


@pytest.mark.parametrize("method", METHODS)
def test_orphan_ends_with_a_fork_server_that_is_killed(tmp_path: Path, method: str) -> None:
    said = said_by(
        tmp_path,
        f"""
        import psutil
        peer = start(start_method={method!r})
        (orphan,) = peer.call(start_daemon)
        psutil.Process(peer.pid).parents()[2].kill()
        pytest_peer.eventually(lambda: not psutil.pid_exists(orphan))
        print(peer.wait_down(20).kind)
        """,
    )
    assert said == ["link lost"]


def test_reaper_has_nothing_open_but_the_lifeline(peer: Peer) -> None:
    (file,) = Path(f"/proc/{peer.call(os.getppid)}/fd").iterdir()
    assert os.readlink(file).startswith("pipe:")
