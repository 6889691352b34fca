"""Where a fork server cannot start: default peers are spawned, and the user is told why."""

from __future__ import annotations

import sys

import pytest
from timeouts import LONGER

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are fork servers on Linux only"
)

THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
#: A thread at the start of an interpreter; at an import of ours; and an end of the fork server.
CAUSES = {
    "a thread": THREAD,
    "a thread that an import starts": f"""
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "cloudpickle":
            exec({THREAD!r})
sys.meta_path.insert(0, Finder())
""",
    "an end": """
import os, sys
if "forkserver" in sys.orig_argv[-1]:
    os._exit(7)
""",
}
TESTS = """
import json, os, sys
import pytest

def told(peer):
    return json.loads((peer.artifacts / "manifest.json").read_text())

def test_default(peer):
    assert peer.call(os.getpid) == peer.pid
    assert told(peer)["start_method"] == "spawn"
    assert "the fork server di" in told(peer)["start_method_reason"]

def test_several(peer_factory):
    group = peer_factory.many(3)
    assert [told(peer)["start_method"] for peer in group] == ["spawn"] * 3

@pytest.mark.in_peer
def test_in_peer():
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch, inner):
    """Run tests in a pytest whose interpreters run this at their start."""

    def run(cause, tests, *arguments):
        (pytester.path / "hook").mkdir()
        (pytester.path / "hook/sitecustomize.py").write_text(CAUSES[cause])
        monkeypatch.setenv("PYTHONPATH", str(pytester.path / "hook"))
        inner.write(tests)
        return pytester.runpytest_subprocess(*arguments, timeout=LONGER)

    return run


def notes(result):
    return [line for line in result.outlines if "peers were spawned, not forked" in line]


@pytest.mark.parametrize("cause", CAUSES)
def test_default_peers_are_spawned_and_a_line_says_why(run, cause):
    result = run(cause, TESTS)
    result.assert_outcomes(passed=3)
    (line,) = notes(result)
    assert "died" in line or "started a thread" in line


def test_a_fork_server_that_cannot_be_is_not_tried_again(run, monkeypatch, tmp_path):
    count = "import sys; open(%r, 'a').write(sys.orig_argv[-1].split()[-1] + chr(10))\n"
    monkeypatch.setitem(CAUSES, "a thread", count % str(tmp_path / "started") + THREAD)
    run("a thread", TESTS).assert_outcomes(passed=3)
    assert (tmp_path / "started").read_text().split().count("pytest-peer-forkserver") == 1


def test_warnings_as_errors_do_not_change_that(run):
    run("a thread", TESTS, "-W", "error").assert_outcomes(passed=3)


def test_controller_of_xdist_shows_one_line(run):
    result = run("a thread", TESTS, "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=3)
    assert len(notes(result)) == 1


def test_asking_for_the_fork_server_stays_an_error(run):
    result = run(
        "a thread",
        """
        import pytest_peer

        def test_twice(peer_factory):
            for _ in range(2):
                with pytest.raises(pytest_peer.BootError, match="started a thread") as caught:
                    peer_factory(start_method="forkserver")
                assert "spawn" not in str(caught.value)
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("test", "argument"),
    [("def test_it(): pass", "-v"), ("def test_it(peer): pass", "--peer-start-method=spawn")],
)
def test_where_none_is_wanted_nothing_is_said(run, test, argument):
    assert notes(run("a thread", test, argument)) == []
