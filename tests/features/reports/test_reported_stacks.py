"""The report of a failing test shows the stacks of its peers."""

from __future__ import annotations

import re

import pytest

HEADER = """
import re
from occupations import hold_the_gil
from mailbox_calls import report_and_take

def occupy(peer, factory):
    peer.cast(report_and_take, "never")
    factory.mailbox("runs").get(30)

def hold(*peers):
    for peer in peers:
        peer.cast(hold_the_gil)
    for peer in peers:
        peer.stdout.wait_for("holding", 30)
"""

OCCUPIED = (
    HEADER
    + """
@pytest.mark.peer(name="db")
def test_it(peer, peer_factory):
    occupy(peer, peer_factory)
    assert False
"""
)


def test_every_running_peer_has_a_section(inner):
    inner.write(OCCUPIED)
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- Captured stacks [[]db] call -*", "*in report_and_take*"])


def test_they_are_in_a_file_of_the_artifacts(inner):
    inner.write(OCCUPIED)
    inner.run("--basetemp=base")
    (file,) = inner.path.glob("base/test_it0/peers/db/stacks.txt")
    text = file.read_text()
    assert "test_inner.py::test_it failed in call" in text
    assert "in report_and_take" in text


def test_passing_and_skipped_tests_take_none(inner):
    inner.write(
        HEADER
        + """
def test_passing(peer):
    peer.call(os.getpid)

def test_skipped(peer):
    pytest.skip("no reason")

@pytest.mark.xfail
def test_expected_to_fail(peer):
    assert False
"""
    )
    result = inner.run("-rA", "--basetemp=base")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.no_fnmatch_line("*Captured stacks*")
    assert not list(inner.path.rglob("stacks.txt"))


def test_stopped_peer_has_no_section(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory(name="db").stop()
            assert False
        """
    )
    inner.run().stdout.no_fnmatch_line("*Captured stacks*")


def test_failing_setup_shows_them(inner):
    inner.write(
        HEADER
        + """
@pytest.fixture
def server(peer_factory):
    occupy(peer_factory(name="db"), peer_factory)
    assert False

def test_it(server): pass
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["*- Captured stacks [[]db] setup -*", "*in report_and_take*"])


def test_peers_of_wider_scopes_show_theirs(inner):
    inner.write(
        HEADER
        + """
def test_it(module_peer_factory):
    occupy(module_peer_factory(name="db"), module_peer_factory)
    assert False
"""
    )
    inner.run().stdout.fnmatch_lines(["*- Captured stacks [[]db] call -*", "*in report_and_take*"])


def test_test_that_took_too_long_shows_them(inner):
    inner.write(
        HEADER
        + """
@pytest.mark.timeout(3, method="signal")
@pytest.mark.peer(name="db")
def test_it(peer):
    peer.call(report_and_take, "never")
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["E*Timeout*"])
    result.stdout.fnmatch_lines(["*- Captured stacks [[]db] call -*", "*in report_and_take*"])


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_peer_that_holds_its_gil_shows_where(inner, method):
    inner.write(
        HEADER
        + f"""
@pytest.mark.peer(name="db", start_method={method!r}, shutdown=("halt", 0))
def test_it(peer):
    hold(peer)
    assert False
"""
    )
    inner.run().stdout.fnmatch_lines(["*Captured stacks [[]db] call*", "*in hold_the_gil*"])


def test_stopped_process_says_so(inner):
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.pause()
            assert False
        """
    )
    inner.run().stdout.fnmatch_lines(["*Captured stacks [[]db] call*", "no stacks: *SIGSTOP*"])


def test_many_take_no_longer_than_one(inner):
    inner.write(
        HEADER
        + """
@pytest.mark.parametrize("stuck", [1, 8])
def test_it(peer_factory, stuck):
    group = peer_factory.many(12, shutdown=("halt", 0))
    hold(*group[:stuck])
    assert False, f"stuck: {stuck}"

"""
    )
    inner.write(
        """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            began = time.monotonic()
            report = yield
            if report.failed:
                print("took", time.monotonic() - began)
            return report
        """,
        "conftest.py",
    )
    result = inner.run("-s", "-p", "no:randomly")
    one, many = (float(seconds) for seconds in re.findall(r"took (\S+)", result.stdout.str()))
    result.stdout.fnmatch_lines(["11 peers idle: *", "4 peers idle: *"])
    # One after the other they would take eight times as long; but they need the same processors.
    assert many < 4 * one + 1.0


def test_each_stack_says_its_order(inner):
    inner.write(
        HEADER
        + """
def test_it(peer_factory):
    silent, talking = peer_factory(name="silent", shutdown=("halt", 0)), peer_factory(name="talking")
    occupy(talking, peer_factory)
    hold(silent)
    assert False
"""
    )
    result = inner.run()
    result.stdout.re_match_lines([r".*in hold_the_gil$"])
    result.stdout.fnmatch_lines(
        ["Thread MainThread* (most recent call last):", "*in report_and_take"]
    )
    result.stdout.re_match_lines([r"(Current thread|Thread) 0x.* \(most recent call first\):"])
