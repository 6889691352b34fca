"""A report shows what peers wrote in the phase in which they did, and in no other report."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

NAMED = '@pytest.mark.peer(name="db")\n'
AT_EXIT = (
    """
import atexit

def begin():
    atexit.register(print, "last words")
    print("first words")

@pytest.fixture
def failing(request):
    yield
    assert request.param != "fails"

"""
    + NAMED
    + """@pytest.mark.parametrize("failing", ["passes", "fails"], indirect=True)
def test_it(failing, peer, request):
    peer.call(begin)
    assert request.node.callspec.params["failing"] == "fails"
"""
)


def test_output_of_a_peer_that_its_teardown_ended_is_shown(inner):
    inner.write(AT_EXIT)
    result = inner.run("-k", "passes")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- Captured stdout [[]db] call -*", "first words"])
    result.stdout.fnmatch_lines(["*- Captured stdout [[]db] teardown -*", "last words"])


def test_failing_teardown_shows_the_peers_that_it_closed(inner):
    inner.write(AT_EXIT)
    result = inner.run("-k", "fails", "--basetemp=base")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*- Captured stdout [[]db] teardown -*", "last words"])
    result.stdout.fnmatch_lines(
        ["*- Captured peers teardown -*", "<Peer db pid *: stopped *>", "    */peers/db"]
    )


def test_peers_of_the_test_before_are_in_no_report(inner):
    inner.write(
        """
        def test_one(peer_factory):
            peer_factory(name="one").call(print, "from one")

        def test_two(peer_factory):
            peer_factory(name="two")
            assert False
        """
    )
    result = inner.run("-p", "no:randomly")
    result.stdout.fnmatch_lines(["1 peer idle: two, in *"])
    result.stdout.no_fnmatch_line("*one, in*")


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="pytest 9 has subtests")
def test_subtest_shows_its_own_output_only(inner):
    inner.write(
        NAMED
        + """
def test_it(peer, subtests):
    for word in "zero", "one", "two", "three":
        with subtests.test(word):
            peer.call(print, f"from {word}")
            assert word in ("zero", "two")
    peer.call(print, "from the test")
"""
    )
    titles = ("[one] _", "[three] _", "_ test_it _")
    text = inner.run().stdout.str()
    one, three, whole = (text.index(title) for title in titles)
    words = ("one", "three", "zero", "two", "the test")
    places = [text.index(f"from {word}\n") for word in words]
    assert one < places[0] < three < places[1] < whole < min(places[2:])
    assert all(text.count(f"from {word}\n") == 1 for word in words)


def test_outputs_of_two_peers_are_apart_in_a_junit_file(inner):
    inner.write(
        """
        def test_it(peer_factory):
            for peer in peer_factory.many(2, name="rank"):
                peer.call(os.write, 1, b"no end of line")
            assert False
        """
    )
    inner.run("--junitxml=junit.xml", "-o", "junit_logging=all")
    found = ElementTree.parse(inner.path / "junit.xml").getroot().findtext(".//system-out") or ""
    assert found.splitlines().count("no end of line") == 2


def test_rerun_shows_its_own_peers_only(inner):
    inner.write(
        """
        runs = []

        def test_it(peer_factory):
            runs.append(1)
            peer = peer_factory(name=f"db-{len(runs)}")
            peer.call(print, f"from run {len(runs)}")
            assert False
        """
    )
    inner.write(
        """
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol
            runtestprotocol(item, log=False, nextitem=nextitem)
            item._initrequest()
        """,
        "conftest.py",
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["<Peer db-2 pid *: running>"])
    result.stdout.no_fnmatch_line("<Peer db-1 *")
    result.stdout.no_fnmatch_line("from run 1")


@pytest.mark.parametrize("style", ["short", "line", "no"])
def test_short_styles_show_the_cause(inner, style):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory.many(3, name="rank").map(signal.raise_signal, [0, 0, 9])
        """
    )
    result = inner.run(f"--tb={style}", "-rA")
    text = result.stdout.str()
    result.assert_outcomes(failed=1)
    assert "killed by SIGKILL" in text
    assert ("Captured peers" in text) is (style != "no")


def test_report_of_an_xdist_worker_has_the_same_sections(inner):
    inner.write(
        NAMED
        + """
def test_it(peer):
    peer.call(print, "hello")
    assert False
"""
    )
    result = inner.run("-n", "2")
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "hello", "<Peer db pid *"])
