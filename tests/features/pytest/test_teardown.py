"""However a test ends, neither its peers nor their children are left."""

from __future__ import annotations

import pytest
from timeouts import PROMPTLY_GONE


def test_failing_test(inner):
    inner.write(
        """
        def test_it(peer, peer_factory):
            note(peer, *peer_factory.many(2))
            assert False
        """
    )
    inner.run().assert_outcomes(failed=1)
    inner.assert_nothing_left(within=0)


def test_error_in_the_setup_of_another_fixture(inner):
    inner.write(
        """
        @pytest.fixture
        def broken(peer):
            note(peer)
            raise ZeroDivisionError

        def test_it(peer, broken): pass
        """
    )
    inner.run().assert_outcomes(errors=1)
    inner.assert_nothing_left(within=0)


def test_error_in_the_teardown_of_another_fixture(inner):
    inner.write(
        """
        @pytest.fixture
        def broken(peer):
            yield
            raise ZeroDivisionError

        def test_it(peer, broken): note(peer)
        """
    )
    inner.run().assert_outcomes(passed=1, errors=1)
    inner.assert_nothing_left(within=0)


def test_second_peer_that_does_not_boot(inner):
    inner.write(
        """
        def test_it(peer_factory):
            note(peer_factory())
            peer_factory(exec="no-such-program-anywhere")
        """
    )
    inner.run().assert_outcomes(failed=1)
    inner.assert_nothing_left(within=0)


def test_end_after_the_first_failure(inner):
    inner.write(
        """
        @pytest.fixture(scope="session")
        def shared(session_peer_factory):
            return session_peer_factory()

        def test_one(shared, peer):
            note(shared, peer)
            assert False

        def test_two(shared): pass
        """
    )
    inner.run("-x").assert_outcomes(failed=1)
    inner.assert_nothing_left(within=0)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("raise KeyboardInterrupt", pytest.ExitCode.INTERRUPTED),
        ("os.kill(os.getpid(), signal.SIGINT)", pytest.ExitCode.INTERRUPTED),
        ("pytest.exit('enough', returncode=7)", 7),
    ],
)
def test_interruption(inner, statement, code):
    inner.write(
        f"""
        def test_it(peer, session_peer_factory):
            # Whoever runs these tests in the background may have it ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            note(peer, session_peer_factory())
            {statement}
        """
    )
    assert inner.run_apart().ret == code
    inner.assert_nothing_left(within=0)


@pytest.mark.parametrize(("method", "within"), [("signal", 0), ("thread", PROMPTLY_GONE)])
def test_timeout_in_a_call(inner, method, within):
    inner.write(
        f"""
        @pytest.mark.timeout(4, method={method!r})
        def test_it(peer):
            note(peer)
            peer.call(time.sleep, 600)
        """
    )
    assert inner.run_apart().ret == 1
    inner.assert_nothing_left(within)


def test_timeout_in_the_stop_of_the_peers(inner):
    inner.write(
        """
        import atexit

        def hang_at_exit():
            atexit.register(time.sleep, 600)

        @pytest.mark.timeout(4, method="signal")
        @pytest.mark.peer(shutdown=20)
        def test_it(peer, peer_factory):
            note(peer, *peer_factory.many(2))
            peer.call(hang_at_exit)

        def test_next(inner_pids):
            assert not inner_pids()
        """
    )
    inner.write(
        """
        from processes import running

        @pytest.fixture
        def inner_pids():
            return lambda: running(int(pid) for pid in open("pids").read().split())
        """,
        "conftest.py",
    )
    inner.run_apart().assert_outcomes(passed=2, errors=1)


@pytest.mark.parametrize("statement", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_death_of_pytest_itself(inner, statement):
    inner.write(
        f"""
        def test_it(peer, session_peer_factory):
            note(peer, session_peer_factory())
            {statement}
        """
    )
    inner.run_apart()
    inner.assert_nothing_left(PROMPTLY_GONE)


def test_test_that_stops_the_peer_itself(inner):
    inner.write(
        """
        @pytest.mark.parametrize("end", ["stop", "kill"])
        def test_it(peer, end):
            note(peer)
            getattr(peer, end)()
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=2)
    inner.assert_nothing_left(within=0)


def test_peer_that_is_dead_already(inner):
    inner.write(
        """
        @pytest.mark.peer(peer_down="continue")
        def test_it(peer):
            note(peer)
            peer.cast(os._exit, 3)
            peer.wait_down(20)
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


def test_peer_that_dies_just_then(inner):
    inner.write(
        """
        @pytest.mark.peer(peer_down="continue")
        def test_it(peer):
            note(peer)
            peer.cast(os._exit, 3)
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


def test_peer_that_is_paused(inner):
    inner.write(
        """
        @pytest.mark.peer(shutdown=0.2)
        def test_it(peer):
            note(peer)
            peer.pause()
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


def test_peer_that_still_boots(inner):
    inner.write(
        """
        def test_it(peer, peer_factory):
            note(peer)
            hang = "echo $$ $$ >>pids; echo there; exec sleep 600"
            booting = peer_factory(exec=["/bin/sh", "-c", hang], wait_boot=False)
            booting.stdout.wait_for("there")
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


def test_peer_with_a_running_call(inner):
    inner.write(
        """
        def test_it(peer):
            note(peer)
            peer.submit(time.sleep, 600)
            peer.cast(time.sleep, 600)
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


def test_peers_are_stopped_at_the_same_time(inner):
    inner.write(
        """
        def test_it(peer_factory):
            group = peer_factory.many(6, shutdown=0.5)
            note(*group)
            for peer in group:
                peer.pause()
        """
    )
    result = inner.run("--durations=0", "-vv")
    result.assert_outcomes(passed=1)
    (line,) = (line for line in result.outlines if " teardown " in line and "s " in line)
    assert float(line.split("s ")[0]) < 2.5  # not 3
    inner.assert_nothing_left(within=0)
