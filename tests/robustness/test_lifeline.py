"""The kernel ends peers when the subreaper cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import psutil
import pytest
from processes import assert_gone
from timeouts import LONG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a lifeline is Linux's")


#: Starts a peer, tells its own, its child's and its parents' process ids, and waits.
PROGRAM = """
import os, psutil, signal, threading
import pytest_peer
{before}
peer = pytest_peer.start(**{options})
child = peer.call(eval, "__import__('subprocess').Popen(['sleep', '600']).pid")
parents = [each.pid for each in psutil.Process(peer.pid).parents()]
print(peer.pid, child, *parents[: parents.index(os.getpid())], flush=True)
{last}
print(flush=True)
threading.Event().wait()
"""
HOLD_THE_GIL = """
peer.cast(eval, "print('now'), __import__('ctypes').PyDLL(None).sleep(600)")
peer.stdout.wait_for("now", 10)
"""


@pytest.fixture
def origin(tmp_path, monkeypatch) -> Iterator[Callable[..., list[int]]]:
    """A function that runs an origin and returns the process ids that it tells, its own first."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started: list[psutil.Process] = []
    origins: list[subprocess.Popen[str]] = []

    def run(options: str, before: str = "", last: str = "") -> list[int]:
        program = tmp_path / "origin.py"
        program.write_text(
            textwrap.dedent(PROGRAM.format(options=options, before=before, last=last))
        )
        process = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
        origins.append(process)
        with process.stdout as stdout:
            pids = [int(word) for word in stdout.readline().split()]
            started.extend(map(psutil.Process, pids))
            stdout.readline()
        return [process.pid, *pids]

    yield run
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for origin in origins:
        origin.kill()
        origin.wait()


WITHOUT_GUARDIAN = (
    "import pytest_peer.launch.forkserver.registry as s; s.unavailable = lambda: 'a test'"
)
HOW = {
    "forkserver": ("{'start_method': 'forkserver'}", ""),
    "spawn": ("{'start_method': 'spawn'}", ""),
    "spawn without a guardian": ("{'start_method': 'spawn'}", WITHOUT_GUARDIAN),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("state", ["idle", "holds the GIL", "stopped"])
def test_peer_and_child_end_with_the_origin_without_subreaper(origin, how, state):
    last = {
        "idle": "",
        "holds the GIL": HOLD_THE_GIL,
        "stopped": "peer.pause()",
    }[state]
    options, before = HOW[how]
    process, peer, child, *parents = origin(options, before, last=last)
    for parent in parents:
        os.kill(parent, signal.SIGSTOP)
    os.kill(process, signal.SIGKILL)
    assert_gone([peer, child], within=LONG)


def test_forked_child_of_the_origin_does_not_hold_it(origin):
    process, peer, child, *parents = origin(
        "{'start_method': 'forkserver'}",
        last="if os.fork() == 0:\n    signal.alarm(60)\n    signal.pause()\n",
    )
    (forked,) = (each for each in psutil.Process(process).children() if each.pid != parents[-1])
    try:
        for parent in parents:
            os.kill(parent, signal.SIGSTOP)
        os.kill(process, signal.SIGKILL)
        assert_gone([peer, child], within=LONG)
        assert forked.is_running()
    finally:
        forked.kill()


def test_end_of_a_forked_child_of_the_origin_is_no_end(peer):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert peer.call(os.getpid) == peer.pid


def test_launcher_may_close_all_descriptors_but_the_link_s(peer_factory, program):
    closing = "; ".join(f"exec {number}>&-" for number in (3, 4, 5, 6, 9))
    peer = peer_factory(exec=[program(f'{closing}; exec "$@"'), sys.executable])
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_what_a_peer_executes_does_not_inherit_it(peer_factory, method):
    peer = peer_factory(start_method=method)
    listing = peer.call(subprocess.check_output, ["ls", "/proc/self/fd"], close_fds=False)
    assert listing.split() == [b"0", b"1", b"2", b"3"]  # the last is the listing's own


def test_fork_server_that_imports_ends_with_the_origin(tmp_path, monkeypatch):
    """Although the import never ends: the module opens a FIFO."""
    began, never = tmp_path / "began", tmp_path / "never"
    os.mkfifo(began)
    os.mkfifo(never)
    (tmp_path / "slow.py").write_text(
        f"import os\nopen({str(began)!r}, 'w').write(str(os.getpid()))\nopen({str(never)!r})\n"
    )
    (tmp_path / "test_slow.py").write_text("def test(peer): pass\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = ["-m", "pytest", "-q", "-o", "peer_preload=slow", f"--rootdir={tmp_path}", tmp_path]
    origin = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    server = int(began.read_text())
    try:
        origin.kill()
        origin.wait()
        assert_gone([server], within=LONG)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
