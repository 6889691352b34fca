"""The fork server: its death ends its peers, and other deaths leave it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from processes import assert_gone

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are fork servers on Linux only"
)


@pytest.fixture(autouse=True)
def own_temporary_directory(monkeypatch, tmp_path):
    """For the artifacts of peers that crash, which the library keeps."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


# Its death, in a program of its own: the other tests need theirs


@pytest.fixture
def run(tmp_path):
    """Run a program that uses the library, and return what it printed, line by line."""

    def run(*bodies: str) -> list[str]:
        program = tmp_path / "program.py"
        program.write_text(
            "import os, pytest_peer, signal, sys, threading, time, warnings, psutil\n"
            "warnings.simplefilter('ignore', pytest_peer.PeerDownWarning)\n"
            "def start(**options):\n"
            "    return pytest_peer.start(**{'start_method': 'forkserver', **options})\n"
            "def server_of(peer): return psutil.Process(peer.pid).parents()[2].pid\n"
            + "".join(map(textwrap.dedent, bodies))
        )
        done = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=50, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return run


def test_running_peers_go_down_with_it_and_say_why(run):
    told = run(
        """
        peer = start()
        busy = peer.submit(time.sleep, 600)
        os.kill(server_of(peer), signal.SIGKILL)
        try:
            busy.result(10)
        except pytest_peer.PeerDown as exc:
            print(exc)
        print(peer.wait_down(10).kind)
        print(peer.pid)
        """
    )
    assert "link lost: the fork server died (killed by SIGKILL)" in told[0]
    assert told[-2] == "link lost"
    assert_gone([int(told[-1])])


@pytest.mark.parametrize("killed", ["server", "zygote"])
def test_next_peer_gets_a_new_one(run, killed):
    told = run(
        f"""
        first = start()
        zygote, server = psutil.Process(first.pid).parents()[1:3]
        {killed}.kill()
        first.wait_down(10)
        with start() as second:
            print(second.call(os.getpid) == second.pid, server_of(second) != os.getpid())
        """
    )
    assert told == ["True True"]


def test_end_of_the_zygote_is_named(run):
    kill = "psutil.Process(peer.pid).parents()[1].kill()"
    assert "zygote" in "".join(run(f"peer = start(); {kill}; print(peer.wait_down(10))"))


def test_one_that_dies_while_there_is_no_peer_is_replaced(run):
    told = run(
        """
        with start() as peer:
            server = server_of(peer)
        pytest_peer.eventually(lambda: threading.active_count() == 1, 20)
        os.kill(server, signal.SIGKILL)
        print(server_of(start()) != server, os.path.exists(f"/proc/{server}"))
        """
    )
    assert told == ["True False"]


def test_one_that_is_too_slow_for_a_peer_goes_on_for_the_others(run):
    told = run(
        """
        first = start()
        for limit in (0, 0.0001, 0.0005, 0.001, 0.002):
            try:
                start(wait_boot=limit)
            except pytest_peer.BootTimeout:
                pass
        print(first.call(abs, -1), server_of(start()) == server_of(first))
        """
    )
    assert told == ["1 True"]


def test_origin_may_ignore_the_ends_of_children(run):
    told = run(
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        first, second = start(), start()
        first.stop()
        print(second.call(abs, -1), second.call(signal.getsignal, signal.SIGCHLD) == signal.SIG_IGN)
        """
    )
    assert told == ["1 True"]


@pytest.mark.parametrize("killed", ["spare", "reaper"])
def test_spare_that_is_killed_is_no_loss(run, killed):
    told = run(
        f"""
        first = start()
        used, zygote = psutil.Process(first.pid).parents()[:2]
        others = lambda: [each for each in zygote.children() if each != used and each.children()]
        (reaper,) = pytest_peer.eventually(others)
        (spare,) = reaper.children()
        {killed}.kill()
        pytest_peer.eventually(lambda: not psutil.pid_exists(spare.pid))
        pytest_peer.eventually(lambda: not psutil.pid_exists(reaper.pid))
        print(first.call(abs, -1))
        with start() as second:
            print(second.call(abs, -1))
        """
    )
    assert told == ["1", "1"]


#: Then there are no more peers: a spare has been used, or there was none.
STOP_ZYGOTE = """
first = start()
zygote = psutil.Process(first.pid).parents()[1]
zygote.suspend()
try:
    for _ in range(3):
        start(wait_boot=1)
except pytest_peer.BootTimeout:
    pass
"""


def test_stopped_zygote_keeps_no_peer_from_ending(run):
    told = run(
        STOP_ZYGOTE,
        """
        begun = time.monotonic()
        first.stop()
        print(first.down_reason, time.monotonic() - begun < 5)
        zygote.resume()
        print(start().call(abs, -1))
        """,
    )
    assert told == ["stopped (exited with status 0) True", "1"]


#: Imported by a fork server, it leaves no process for a reaper, or for its peer.
SCARCE = """
import ctypes, os, sys
c = sys.modules["pytest_peer_agent.agent.forkserver.reaper"]._c
fork, server = c.fork, os.getpid()
def scarce():
    if (os.getppid() == server) is {no_reaper}:
        ctypes.set_errno(11)
        return -1
    return fork()
c.fork = scarce
"""


@pytest.mark.parametrize("no_reaper", [True, False])
def test_start_without_a_process_left_is_an_error(run, tmp_path, no_reaper):
    (tmp_path / "scarce.py").write_text(SCARCE.format(no_reaper=no_reaper))
    told = run(
        """
        from pytest_peer.launch.forkserver import preload
        preload.modules.append("scarce")
        for _ in range(2):
            try:
                start()
            except pytest_peer.BootError as exc:
                print(exc.args[0].splitlines()[0])
        server = psutil.Process().children()[0]
        pytest_peer.eventually(lambda: len(server.children(recursive=True)) == 1)
        """
    )
    text = "Resource temporarily unavailable"
    assert len(told) == 2
    assert all(f"the fork server: cannot fork: [Errno 11] {text}" in each for each in told)


def test_peer_that_found_no_spare_has_no_other_descriptors(run):
    told = run(
        """
        first = start()
        server = psutil.Process(server_of(first))
        server.suspend()
        others = []
        def begin(): others.append(start())
        import threading
        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads: thread.start()
        server.resume()
        for thread in threads: thread.join()
        print({peer.call(lambda: len(os.listdir("/proc/self/fd"))) for peer in [first, *others]})
        """
    )
    assert len(told[0].split(",")) == 1


def test_prewarming_leaves_nothing_in_the_peer(run):
    told = run(
        """
        import gc
        def agents():
            gc.collect()
            return [type(each).__name__ for each in gc.get_objects()].count("Agent")
        print(start().call(agents))
        """
    )
    assert told == ["1"]


def test_first_exception_of_a_peer_imports_nothing(run):
    """An import takes 20 ms, of a test that expects the exception."""
    told = run(
        """
        import operator
        peer = start()
        def modules(): return set(sys.modules)
        before = peer.call(modules)
        try: peer.call(operator.floordiv, 1, 0)
        except ZeroDivisionError: print(peer.call(modules) - before)
        """
    )
    assert told == ["set()"]


def test_restart_gets_a_new_one_too(run):
    told = run(
        """
        peer = start()
        os.kill(server_of(peer), signal.SIGKILL)
        peer.wait_down(10)
        print(peer.restart().call(abs, -1), peer.state)
        peer.stop()
        """
    )
    assert told == ["1 running"]


def test_spawned_peers_go_down_with_it_too(run):
    """It is their subreaper: nothing would find the children of a peer that ends after it."""
    told = run(
        """
        spawned = start(start_method="spawn")
        os.kill(server_of(spawned), signal.SIGKILL)
        print(spawned.wait_down(10))
        """
    )
    assert told == ["link lost: the fork server died (killed by SIGKILL)"]


def test_exit_that_the_fork_server_reports_late_is_reported(run):
    """On a busy machine it may come to it a second after the end of the link."""
    told = run(
        """
        peer = start()
        server = server_of(peer)
        os.kill(server, signal.SIGSTOP)
        peer.cast(os._exit, 3)
        try:
            peer.wait_down(1.5)
        except TimeoutError:
            print("not told yet")
        os.kill(server, signal.SIGCONT)
        print(peer.wait_down(20))
        """
    )
    assert told == ["not told yet", "exited with status 3"]


def test_its_death_while_many_boot_leaves_no_peer(run):
    told = run(
        """
        import threading
        server = server_of(start())
        outcomes = []
        def begin():
            try:
                peer = start()
                peer.call(abs, -1)
                outcomes.append("ran")
            except (pytest_peer.BootError, pytest_peer.PeerDown) as exc:
                outcomes.append(type(exc).__name__)
        threads = [threading.Thread(target=begin) for _ in range(30)]
        for number, thread in enumerate(threads):
            thread.start()
            if number == 15:
                os.kill(server, signal.SIGKILL)
        for thread in threads:
            thread.join()
        print(len(outcomes))
        print(*[peer.pid for peer in psutil.Process().children(recursive=True)])
        """
    )
    assert told[0] == "30"
    assert_gone(map(int, told[1].split()))


# The end of its origin


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_ends_with_its_origin(tmp_path, end):
    program = textwrap.dedent(
        f"""
        import os, psutil, pytest_peer, signal, sys
        peer = pytest_peer.start(start_method="forkserver")
        print(*[each.pid for each in psutil.Process().children(recursive=True)], flush=True)
        {end}
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stderr == ""
    assert_gone(map(int, done.stdout.split()))


def test_it_ends_with_its_origin_while_its_zygote_is_stopped(run):
    told = run(
        STOP_ZYGOTE,
        """
        print(*[each.pid for each in psutil.Process().children(recursive=True)], flush=True)
        os._exit(0)
        """,
    )
    assert_gone(map(int, told[0].split()))


def test_forked_child_of_the_origin_does_not_keep_it(tmp_path):
    program = textwrap.dedent(
        """
        import os, psutil, pytest_peer, signal, sys, time
        peer = pytest_peer.start(start_method="forkserver")
        child = os.fork()
        if child == 0:
            os.close(1)
            os.close(2)
            time.sleep(600)
        parents = psutil.Process(peer.pid).parents()[:3]
        print(child, peer.pid, *[each.pid for each in parents], flush=True)
        os._exit(0)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    child, *ours = map(int, done.stdout.split())
    try:
        assert_gone(ours)
    finally:
        os.kill(child, signal.SIGKILL)
