"""The option `peer_down`: the outcome of a test whose peer goes down unasked."""

from __future__ import annotations

import pytest
from inner_pytest import DIES


def test_stop_warns_with_name_reason_and_place(inner):
    inner.write(
        DIES
        + """
@pytest.mark.peer(name="db")
def test_it(peer):
    die(peer)
"""
    )
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*PeerDownWarning: *'db'*exited with status 3*/peers/db*"])


def test_warning_is_located_at_the_test(inner):
    inner.write(
        """
        def wrong():
            raise LookupError("lost")

        class TestIt:
            def test_it(self, peer_factory):
                failing, dying = peer_factory.many(2, name="db")
                failing.cast(wrong)
                failing.stderr.wait_for("LookupError: lost", 20)
                dying.cast(os._exit, 3)
                dying.wait_down(20)
        """
    )
    result = inner.run()
    lines = (inner.path / "test_inner.py").read_text().splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if "def test_it" in text)
    for kind in ("PeerDownWarning", "UnhandledPeerException"):
        result.stdout.fnmatch_lines([f"  {inner.path}/test_inner.py:{line}: {kind}: *'db-*"])


def test_stop_warns_of_a_peer_that_dies_at_the_very_end(inner):
    inner.write(
        """
        def die_at_exit():
            signal.raise_signal(signal.SIGKILL)

        def test_it(peer):
            peer.cast(die_at_exit)
            while peer.state != "down":
                pass
        """
    )
    inner.run().assert_outcomes(passed=1, warnings=1)


def test_stop_warns_of_every_one(inner):
    inner.write(
        DIES
        + """
def test_it(peer_factory):
    for peer in peer_factory.many(2):
        die(peer)
"""
    )
    inner.run().assert_outcomes(passed=1, warnings=2)


def test_peers_are_stopped_when_the_warning_is_an_error(inner):
    inner.write(
        DIES
        + """
def test_it(peer_factory):
    first, second = peer_factory.many(2)
    note(second)
    die(first)
"""
    )
    result = inner.run("-W", "error::pytest_peer.PeerDownWarning")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E*PeerDownWarning*"])
    inner.assert_nothing_left(within=0)


def test_warning_can_be_filtered_by_a_marker(inner):
    inner.write(
        DIES
        + """
@pytest.mark.filterwarnings("ignore::pytest_peer.PeerDownWarning")
def test_it(peer):
    die(peer)
"""
    )
    inner.run("-W", "error").assert_outcomes(passed=1, warnings=0)


def test_death_of_a_session_peer_is_warned_of(inner):
    inner.write(
        DIES
        + """
def test_it(session_peer_factory):
    die(session_peer_factory(name="db"))
"""
    )
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)


def test_continue_does_not_warn(inner):
    inner.write(
        DIES
        + """
@pytest.mark.peer(peer_down="continue")
def test_it(peer):
    die(peer)
    assert peer.state == "down"
    assert peer.down_reason.exit_status == 3
"""
    )
    inner.run("-W", "error").assert_outcomes(passed=1)


def test_crash_fails_a_test_whose_body_passed(inner):
    inner.write(
        DIES
        + """
@pytest.mark.peer(peer_down="crash", name="db")
def test_it(peer):
    die(peer)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*PeerDown*'db'*exited with status 3*"])


def test_crash_in_a_wider_scope_fails_the_running_test(inner):
    inner.write(
        DIES
        + """
@pytest.fixture(scope="module")
def shared(module_peer_factory):
    return module_peer_factory(peer_down="crash")

def test_before(shared): pass
def test_it(shared): die(shared)
def test_after(): pass
"""
    )
    result = inner.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_it*"])


def test_crash_fails_a_test_that_is_blocked(inner):
    inner.write(
        """
        @pytest.mark.timeout(5)
        @pytest.mark.peer(peer_down="crash", name="db")
        def test_it(peer):
            peer.cast(os._exit, 3)
            threading.Event().wait()
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*PeerDown*'db'*exited with status 3*"])
    result.stdout.no_fnmatch_line("*Timeout*pytest-timeout*")


def test_crash_while_a_call_is_pickled_fails_the_test_at_once(inner):
    inner.write(
        """
        class Argument:
            def __init__(self, peer): self.peer = peer
            def __reduce__(self):
                if self.peer.state == "running":
                    self.peer.cast(os._exit, 3)
                    self.peer.wait_down(20)
                    for _ in range(1000): pass  # here the signal's handler runs
                return int, ()

        @pytest.mark.timeout(5)
        @pytest.mark.peer(name="db")
        def test_it(peer_factory):
            other = peer_factory(name="other")
            peer = peer_factory(peer_down="crash")
            other.submit(time.sleep, 0)
            other.call(lambda _: time.sleep(600), Argument(peer))
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*PeerDown*'db'*exited with status 3*"])
    result.stdout.no_fnmatch_line("*Timeout*pytest-timeout*")


@pytest.mark.parametrize("mode", ["stop", "continue", "crash"])
@pytest.mark.parametrize("end", ["stop()", "kill()", "kill(signal.SIGTERM)", "restart()"])
def test_end_that_was_asked_for_is_none_of_its_business(peer_factory, mode, end):
    import signal

    peer = peer_factory(peer_down=mode)
    eval(f"peer.{end}", {"peer": peer, "signal": signal})
    if "SIGTERM" in end:
        peer.wait_down(20)


@pytest.mark.parametrize("mode", ["stop", "continue", "crash"])
def test_pending_and_later_calls_say_why_in_every_mode(inner, mode):
    inner.write(
        f"""
        import pytest_peer

        @pytest.mark.peer(peer_down={mode!r})
        def test_it(peer):
            answer = peer.submit(time.sleep, 600)
            peer.cast(os._exit, 3)
            for wait in (answer.result, lambda: peer.call(os.getpid)):
                with pytest.raises(pytest_peer.PeerDown, match="exited with status 3"):
                    wait()
            print("as", "it should")
        """
    )
    inner.run("-rA").stdout.fnmatch_lines(["as it should"])


def test_crash_fails_a_test_that_catches_what_is_raised(inner):
    inner.write(
        """
        @pytest.mark.peer(peer_down="crash")
        def test_it(peer):
            peer.cast(os._exit, 3)
            try:
                time.sleep(600)
            except Exception:
                pass  # a loop that tries again, or an event loop that tells and goes on
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*PeerDown*exited with status 3*"])


def test_crash_fails_a_blocked_test_that_ran_pytest_in_process(inner):
    inner.write(
        """
        pytest_plugins = "pytester"

        @pytest.mark.peer(peer_down="crash")
        def test_it(peer, pytester):
            pytester.makepyfile("def test_inside(peer): peer.call(int)")
            pytester.runpytest_inprocess("-p", "pytest_peer.plugin").assert_outcomes(passed=1)
            peer.cast(os._exit, 3)
            time.sleep(600)
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*PeerDown*exited with status 3*"])
