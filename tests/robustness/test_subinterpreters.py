"""Subinterpreters in the origin and in a peer."""

from __future__ import annotations

import sys

import pytest

#: `create` makes one, and `execute` runs code in it.
INTERPRETERS = """
try:
    import _interpreters as interpreters  # from Python 3.13 on
except ImportError:
    import _xxsubinterpreters as interpreters
execute = interpreters.run_string

def create():
    global kept
    kept = interpreters.create()
    execute(kept, "import threading, os")
    return str(kept) != ""

def run_on():
    create()
    threading.Thread(target=execute, args=(kept, "import time\\nwhile True: time.sleep(0.01)"), daemon=True).start()
    return True
"""


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_subinterpreter_of_the_origin_does_not_disturb_peers(run, start_method):
    said = run(
        INTERPRETERS,
        f"""
        peers = [start(start_method={start_method!r}) for _ in range(2)]
        print(create(), peers[0].call_within(20, int))
        print(told(peers[0].call_within, 20, die))
        peers[1].stop()
        print(peers[1].down_reason)
        with start(start_method={start_method!r}) as peer:
            print(peer.call_within(20, int))
        """,
    )
    assert said[0] == "True 0"
    assert "killed by SIGKILL" in said[1]
    assert said[2:] == ["stopped (exited with status 0)", "0"]


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize("kind", ["create", "run_on"])
def test_subinterpreter_of_a_peer_does_not_disturb_it(run, start_method, kind):
    said = run(
        INTERPRETERS,
        f"""
        peers = [start(start_method={start_method!r}, shutdown=("halt", 20)) for _ in range(2)]
        for peer in peers:
            print(peer.call_within(20, {kind}), peer.call_within(20, int))
        print(told(peers[0].call_within, 20, die))
        peers[1].stop()
        print(peers[1].down_reason)
        """,
    )
    assert said[:2] == ["True 0", "True 0"]
    assert "killed by SIGKILL" in said[2]
    assert said[3] == "stopped (exited with status 0)"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="they can have daemon threads before 3.12")
def test_start_in_a_subinterpreter_is_a_boot_error(run):
    said = run(
        INTERPRETERS,
        """
        create()
        execute(kept, f"import sys; sys.path[:0] = {sys.path!r}\\nimport pytest_peer")
        start = "try: pytest_peer.start(name='db')\\nexcept pytest_peer.BootError as exc: print(exc, flush=True)"
        execute(kept, start)
        """,
    )
    assert "'db' could not be started: daemon threads are disabled" in said[0]
