"""The marker `peer` gives options to `peer` and `peer_factory`."""

from __future__ import annotations

import os

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
def test_bad_marker_is_an_error_that_names_the_test(inner, marker, words):
    inner.write(
        f"""
        @pytest.mark.{marker}
        def test_marked(peer): pass
        """
    )
    result = inner.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*test_inner.py::test_marked*{words}*"])


def test_bad_value_of_a_marker_is_an_error_that_names_the_option(inner):
    inner.write(
        """
        @pytest.mark.peer(args="-O")
        def test_marked(peer): pass
        """
    )
    result = inner.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*args: expected a list of str, got '-O'*"])


def test_marker_is_known_to_strict_markers(inner):
    inner.write("@pytest.mark.peer\ndef test_marked(peer): pass")
    inner.run("--strict-markers").assert_outcomes(passed=1)


def test_fixtures_and_marker_have_a_description(inner):
    inner.run("--markers").stdout.fnmatch_lines(["@pytest.mark.peer(*"])
    fixtures = inner.run("--fixtures").stdout
    for name in ("peer", "peer_factory", "session_peer_factory"):
        fixtures.re_match_lines([rf"{name}\b.*"])
    fixtures.no_fnmatch_line("*no docstring available*")
