"""The section "peers that crashed" at the end of a run."""

from __future__ import annotations

import re

import pytest
from inner_pytest import DIES

TITLE = "*= peers that crashed =*"

PLAIN_AND_XDIST = pytest.mark.parametrize("arguments", [[], ["-n", "1"]], ids=["plain", "xdist"])

ONE = (
    DIES
    + """
@pytest.mark.peer(name="db", peer_down="continue")
def test_it(peer): die(peer)
"""
)


@PLAIN_AND_XDIST
@pytest.mark.parametrize("mode", ["stop", "continue", "crash"])
def test_death_is_listed_with_test_peer_reason_pid_and_place(inner, arguments, mode):
    inner.write(ONE.replace("continue", mode))
    result = inner.run(*arguments)
    result.stdout.fnmatch_lines(
        [
            TITLE,
            "test_inner.py::test_it",
            "  db (pid *): exited with status 3",
            "    /*/test_it0/peers/db",
        ],
        consecutive=True,
    )
    pid = re.search(r"db \(pid (\d+)\)", result.stdout.str())
    assert pid is not None and int(pid[1]) > 1


@PLAIN_AND_XDIST
def test_place_is_the_copy_where_there_is_one(inner, arguments):
    inner.write(ONE)
    result = inner.run("--peer-artifacts=kept", *arguments)
    result.stdout.fnmatch_lines([TITLE, f"    {inner.path}/kept/test_inner.py--test_it/db"])


@PLAIN_AND_XDIST
def test_nothing_is_said_when_no_peer_crashed(inner, arguments):
    inner.write(
        """
        def test_it(peer, peer_factory):
            peer.kill()
            with (other := peer_factory()).expect_death():
                other.cast(os._exit, 3)
            assert False
        """
    )
    inner.run(*arguments).stdout.no_fnmatch_line(TITLE)


@PLAIN_AND_XDIST
def test_death_in_a_wider_scope_is_listed_below_the_running_test(inner, arguments):
    inner.write(
        DIES
        + """
@pytest.fixture(scope="session")
def shared(session_peer_factory):
    return session_peer_factory(name="db", peer_down="continue")

def test_before(shared): pass
def test_it(shared): die(shared)
def test_after(shared): pass
"""
    )
    result = inner.run(*arguments)
    result.stdout.fnmatch_lines([TITLE, "test_inner.py::test_it", "  db *"], consecutive=True)
    assert result.stdout.str().count("exited with status 3") == 1


@PLAIN_AND_XDIST
def test_death_after_the_last_test_is_listed(inner, arguments):
    inner.write(
        DIES
        + """
@pytest.fixture(scope="session")
def shared(session_peer_factory):
    peer = session_peer_factory(name="db", peer_down="continue")
    yield peer
    die(peer)

def test_it(shared): assert False
def test_after(shared): pass
"""
    )
    result = inner.run("-x", "--peer-artifacts=kept", *arguments)
    result.stdout.fnmatch_lines([TITLE, "test_inner.py::test_it", "  db *exited with status 3"])
    assert (inner.path / "kept/test_inner.py--test_it/db").is_dir()


def test_every_life_is_listed(inner):
    inner.write(
        DIES
        + """
@pytest.mark.peer(name="db", peer_down="continue")
def test_it(peer):
    die(peer)
    die(peer.restart())
"""
    )
    inner.run().stdout.fnmatch_lines(
        [TITLE, "test_inner*", "  db *", "    *peers/db", "  db *", "    *peers/db.2"],
        consecutive=True,
    )


def test_quiet_run_says_it_too(inner):
    inner.write(ONE)
    inner.run("-q").stdout.fnmatch_lines([TITLE])


@PLAIN_AND_XDIST
def test_report_for_junit_has_none_of_it(inner, arguments):
    inner.write(ONE)
    inner.run("--junitxml=report.xml", *arguments).assert_outcomes(passed=1)
    assert "status 3" not in (inner.path / "report.xml").read_text()
