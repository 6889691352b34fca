"""What the failure of a test has told is not told again in its report."""

from __future__ import annotations

import pytest

CRASHES = """
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)

"""


def test_stacks_of_a_call_that_timed_out_are_shown_once(inner):
    inner.write(
        """
        from mailbox_calls import report_and_take

        @pytest.mark.peer(name="db")
        def test_it(peer, peer_factory):
            peer.cast(report_and_take, "never")
            peer_factory.mailbox("runs").get(30)
            peer.call_within(0, os.getpid)
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["E*, in report_and_take"])
    assert result.stdout.str().count(", in report_and_take") == 1
    result.stdout.fnmatch_lines(["<Peer db pid *: running>"])


def test_other_peer_at_the_same_place_is_shown(inner):
    inner.write(
        """
        from mailbox_calls import report_and_take

        def test_it(peer_factory):
            asked, other = peer_factory(name="asked"), peer_factory(name="other")
            for peer in asked, other:
                peer.cast(report_and_take, "never")
                peer_factory.mailbox("runs").get(30)
            asked.call_within(0, os.getpid)
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["E*, in report_and_take", "*Captured stacks [[]other] call*"])
    assert result.stdout.str().count(", in report_and_take") == 2


def test_crash_that_the_failure_tells_has_no_section(inner):
    inner.write(
        CRASHES
        + """
@pytest.mark.peer(name="db")
def test_it(peer):
    peer.call(crash)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1, warnings=0)
    assert result.stdout.str().count("Segmentation fault") == 1
    result.stdout.fnmatch_lines(["<Peer db pid *: killed by SIGSEGV after *>"])


def test_crash_that_it_does_not_tell_has_a_section_and_a_warning(inner):
    inner.write(
        CRASHES
        + """
@pytest.mark.peer(name="db")
def test_it(peer):
    peer.cast(crash)
    peer.wait_down(20)
    assert False
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["*Captured stacks [[]db] call*", "*Segmentation fault", "*in crash"]
    )
    result.stdout.fnmatch_lines(["*test_inner.py:9: PeerDownWarning: peer 'db' *SIGSEGV*"])


@pytest.mark.parametrize(
    "raising",
    [
        "peer.call(os.getpid)",
        "peer_factory.mailbox('never').get(20)",
        "wrapped(peer)",
        "with_cleanup(peer)",
        "grouped(peer)",
    ],
)
def test_death_that_the_failure_tells_is_no_warning(inner, raising):
    inner.write(
        f"""
        def wrapped(peer):
            try:
                peer.call(os.getpid)
            except Exception as exc:
                raise RuntimeError("no pid") from exc

        def with_cleanup(peer):
            try:
                peer.call(os.getpid)
            finally:
                raise RuntimeError("no cleanup")

        def grouped(peer):
            raise ExceptionGroup("all", [peer.submit(os.getpid).exception(20)])

        @pytest.mark.peer(name="db")
        def test_it(peer, peer_factory):
            peer.cast(os._exit, 3)
            {raising}
        """
    )
    result = inner.run("-W", "error::SyntaxWarning")
    result.assert_outcomes(failed=1, warnings=0)
    result.stdout.fnmatch_lines(["*exited with status 3*"])


def test_death_that_a_passing_test_has_seen_is_a_warning(inner):
    inner.write(
        """
        import pytest_peer

        @pytest.mark.peer(name="db")
        def test_it(peer):
            with pytest.raises(pytest_peer.PeerDown):
                peer.call(os._exit, 3)
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_inner.py:7: PeerDownWarning: peer 'db' *status 3*"])
