"""The system refuses descriptors or threads to the origin."""

from __future__ import annotations

import resource
import sys

import pytest

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS: other numbers")

#: Has so many descriptors at most, for a moment.
LIMITED = """
    def with_descriptors(most, function):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
        try: return told(function)
        finally: resource.setrlimit(resource.RLIMIT_NOFILE, before)
    def life():
        peer = start(start_method=sys.argv[1] if len(sys.argv) > 1 else None)
        started = peer.call(int)
        peer.stop()
        return started
"""


@linux
@pytest.mark.parametrize("most", [8, 13, *range(15, 22)])
def test_start_without_free_descriptors_is_an_error_that_passes(run, most):
    said = run(
        LIMITED,
        f"""
        print(with_descriptors({most}, life).replace("\\n", " "))
        print(told(life), told(start, ).call(os.getppid) != os.getpid(), flush=True)
        """,
    )
    assert "BootError(" in said[-2]
    assert "RLIMIT_NOFILE" in said[-2]
    assert said[-1] == "0 True"  # with a fork server


@linux
def test_fork_server_has_descriptors_for_all_peers_of_its_origin(run):
    said = run(
        LIMITED,
        """
        print(with_descriptors(40, start))
        peers = [start() for _ in range(20)]
        print({peer.call(os.getppid) == os.getpid() for peer in peers})
        print({peer.call(resource.getrlimit, resource.RLIMIT_NOFILE) for peer in peers}
            == {resource.getrlimit(resource.RLIMIT_NOFILE)})
        """,
    )
    assert said[1:] == ["{False}", "True"]


def test_start_without_free_threads_is_an_error_that_passes(run):
    said = run(
        """
        import threading
        threading.stack_size(1 << 47)  # no system has that
        print(told(start).replace("\\n", " "))
        threading.stack_size(0)
        print(start().call(int))
        """,
    )
    assert "BootError(" in said[0]
    assert "pids.max" in said[0]
    assert said[-1] == "0"


def test_many_without_free_descriptors_fail_together(run):
    said = run(
        """
        from pytest_peer.peers.supervisor import Supervisor
        import itertools
        start().stop()
        names = map("peer-{}".format, itertools.count())
        def many(): Supervisor().start_many(2, {}, lambda: next(names))
        """,
        LIMITED,
        "print(with_descriptors(20, many).replace('\\n', ' '))",
    )
    assert said[-1].startswith("ExceptionGroup('2 of 2 peers did not boot'")
    assert "BootError(" in said[-1]


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_descriptors_may_have_numbers_that_select_does_not_know(run, start_method):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 < hard < 2000:
        pytest.skip(f"no more than {hard} descriptors for a process here (ulimit -Hn)")
    said = run(
        f"""
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, {hard}))
        kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        peers = [start(start_method={start_method!r}) for _ in range(3)]
        print([peer.call(int) for peer in peers])
        print(told(peers[0].call, os._exit, 3).partition("(")[0], peers[0].down_reason)
        peers[1].stop()
        peers[2].kill()
        print(peers[1].down_reason, "and", peers[2].down_reason)
        """,
    )
    assert said == [
        "[0, 0, 0]",
        "PeerDown exited with status 3",
        "stopped (exited with status 0) and killed by SIGKILL",
    ]


@linux
@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_running_peer_needs_no_more_descriptors(run, most):
    said = run(
        LIMITED,
        f"""
        peer = start()
        def use():
            future = peer.submit(os.getppid)
            return peer.call(int), future.result() > 1, told(peer.stop)
        print(with_descriptors({most}, use))
        """,
    )
    assert said == ["(0, True, None)"]


@linux
def test_call_without_free_descriptors_is_an_error_that_passes(
    run,
):
    said = run(
        LIMITED,
        """
        peer = start()
        def call():  # by value: cloudpickle has to be imported
            return peer.call_within(20, lambda: 0)
        print(with_descriptors(3, call))
        print(call())
        """,
    )
    assert said[0].startswith("EncodeError(")
    assert "Too many open files" in "".join(said)
    assert said[-1] == "0"
