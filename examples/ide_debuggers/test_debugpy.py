"""VS Code's debugger, debugpy, in peers, with a client that does what VS Code does.

Shows: "Debug test", which debugs the peers of a test as well; a peer that waits for a debugger, of a
run that has none; limits at a breakpoint; a debugger that has stopped a peer which is stopped or
killed.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import threading

import dap
import prices
import pytest

from pytest_peer import here

PATIENCE = 30  # seconds
SHORT, LONGER = 0.3, 1.0  # a limit, and how long a breakpoint lasts
BREAKPOINT = inspect.getsourcelines(prices.price)[1] + 2
BREAKPOINTS = {prices.__file__: [BREAKPOINT]}
TEST = """
import prices

def test_price(peer):
    assert peer.call(prices.price, 20) == 58
"""


@pytest.mark.timeout(180)
def test_debug_test(tmp_path):
    (tmp_path / "test_price.py").write_text(TEST)
    with dap.start_adapter() as adapter:
        pytest_session = dap.Debugger(adapter.stdout, adapter.stdin)
        pytest_session.begin(
            "launch",
            BREAKPOINTS,
            module="pytest",
            args=["-p", "peer", "-p", "no:cacheprovider", str(tmp_path)],
            env={
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # others make it slower
                "PYTHONPATH": os.path.dirname(prices.__file__),
            },
            cwd=str(tmp_path),
            python=[sys.executable],
            console="internalConsole",
            redirectOutput=True,
            justMyCode=False,
        )
        # Each process that pytest starts is debugged: also those that cannot be fork servers.
        stopped = None
        with contextlib.ExitStack() as stack:
            while stopped is None:
                arguments = pytest_session.event("debugpyAttach")
                session = dap.Debugger.connect(**arguments["connect"])
                stack.callback(session.close)
                session.begin("attach", BREAKPOINTS, **arguments)
                stopped = session.stopped()
            thread, place = stopped
            assert place == ("price", BREAKPOINT)
            session.go_on(thread)
            assert pytest_session.event("exited")["exitCode"] == 0
        pytest_session.send("disconnect")


def wait_for_debugger():
    import debugpy

    here.origin.send("debugger", debugpy.listen(("127.0.0.1", 0))[1])
    debugpy.wait_for_client()


@pytest.fixture
def peer(peer_factory):
    """Return a peer whose boot waits for a debugger."""
    # What a debugger has stopped cannot end by itself.
    return peer_factory(setup=wait_for_debugger, wait_boot=False, shutdown=("halt", 0.5))


@pytest.fixture
def session(peer, peer_factory):
    """Attach a debugger to the peer."""
    port = peer_factory.mailbox("debugger").get(PATIENCE)
    with contextlib.closing(dap.Debugger.connect("127.0.0.1", port)) as session:
        session.begin("attach", BREAKPOINTS, justMyCode=False)
        peer.wait_boot(PATIENCE)
        yield session


def test_attach(peer, session):
    cost = peer.submit(prices.price, 20)
    thread, place = session.stopped()
    assert place == ("price", BREAKPOINT)
    session.go_on(thread)
    assert cost.result(PATIENCE) == 58


def test_no_limit_passes_at_a_breakpoint(peer, session):
    cost = peer.submit(prices.price, 20)
    thread, _ = session.stopped()
    go_on = threading.Timer(LONGER, session.go_on, [thread])
    go_on.start()
    assert cost.result(SHORT) == 58
    go_on.join()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_peer_ends_that_a_debugger_has_stopped(peer, session, how):
    peer.cast(prices.price, 20)
    session.stopped()
    getattr(peer, how)()
    assert peer.state == "down"
