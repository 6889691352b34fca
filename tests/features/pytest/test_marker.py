"""The marker `peer` gives options to `peer` and `peer_factory`."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.mark.peer(args=["-O"], env={"A": "1"})
def test_marker_gives_options_to_peer(peer):
    assert peer.options.args == ("-O",)
    assert peer.call(os.getenv, "A") == "1"


@pytest.mark.peer(env={"A": "1"})
def test_marker_gives_defaults_to_peer_factory(peer_factory):
    assert peer_factory().call(os.getenv, "A") == "1"
    assert peer_factory(env={}).call(os.getenv, "A") is None
    assert peer_factory.many(1)[0].call(os.getenv, "A") == "1"


def test_marker_may_say_that_a_peer_is_not_linked(inner):
    inner.write(
        """
        kept = []

        @pytest.mark.peer(link=False)
        def test_one(peer):
            kept.append(peer)
            note(peer)

        def test_two():
            assert kept[0].call(os.getpid) == kept[0].pid
        """
    )
    inner.run().assert_outcomes(passed=2)
    inner.assert_nothing_left(within=0)


def test_closest_marker_wins_option_by_option(inner):
    inner.write(
        """
        pytestmark = pytest.mark.peer(name="module", host="module", call_timeout=1)

        @pytest.mark.peer(name="class", host="class")
        class TestMarked:
            @pytest.mark.peer(name="test")
            def test_one(self, peer):
                options = peer.options
                assert (options.name, options.host, options.call_timeout) == ("test", "class", 1)

            def test_two(self, peer):
                assert (peer.options.name, peer.options.call_timeout) == ("class", 1)

        def test_three(peer):
            assert (peer.options.name, peer.options.host) == ("module", "module")
        """
    )
    inner.run("-W", "error").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("peer(colour='red')", "colour*unknown option"),
        ("peer('red')", "keyword arguments only*red"),
    ],
)
@pytest.mark.parametrize("fixture", ["peer", "peer_factory", "session_peer_factory", "tmp_path"])
def test_bad_marker_is_an_error_of_its_test(inner, marker, words, fixture):
    inner.write(
        f"""
        @pytest.mark.{marker}
        def test_marked({fixture}): pass

        def test_other(peer): pass
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"test_inner.py::test_marked: peer marker: *{words}*"])


def test_bad_marker_of_a_module_is_an_error_of_its_tests_only(inner):
    inner.write("def test_other(peer): pass", "test_other.py")
    inner.write(
        """
        pytestmark = pytest.mark.peer(colour="red")

        def test_one(module_peer_factory): module_peer_factory()
        def test_two(): pass
        """
    )
    inner.run().assert_outcomes(passed=1, errors=2)


def test_bad_marker_is_an_error_with_several_interpreters(inner):
    inner.write(
        """
        @pytest.mark.peer(colour="red")
        def test_marked(peer): pass

        def test_other(peer): pass
        """
    )
    programs = [f"--peer-exec={sys.executable}", f"--peer-exec=env {sys.executable}"]
    inner.run(*programs).assert_outcomes(passed=2, errors=2)


def test_bad_marker_is_an_error_of_its_test_under_xdist(inner):
    inner.write(
        """
        @pytest.mark.in_peer(colour="red")
        def test_marked(): pass

        def test_other(peer): pass
        """
    )
    inner.run("-n", "1").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("args='-O'", "args: expected a list of str, got '-O'"),
        ("name='a b'", "name: *got 'a b'"),
        ("link='no'", "link: expected a bool, got 'no'"),
        ("call_timeout=-1", "call_timeout: seconds must not be negative*"),
    ],
)
def test_bad_value_of_a_marker_is_an_error_of_its_test(inner, marker, words):
    inner.write(
        f"""
        @pytest.mark.peer({marker})
        def test_marked(peer): pass

        def test_other(peer): pass
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"E *Error: *{words}"])


def test_marker_is_known_to_strict_markers(inner):
    inner.write("@pytest.mark.peer\ndef test_marked(peer): pass")
    inner.run("--strict-markers").assert_outcomes(passed=1)


def test_fixtures_and_marker_have_a_description(inner):
    inner.run("--markers").stdout.fnmatch_lines(["@pytest.mark.peer(*"])
    fixtures = inner.run("--fixtures").stdout
    for name in ("peer", "peer_factory", "session_peer_factory"):
        fixtures.re_match_lines([rf"{name}\b.*"])
    fixtures.no_fnmatch_line("*no docstring available*")
