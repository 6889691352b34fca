"""Options of pytest itself that take away a plugin, or change which tests run and how."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

SUITE = """
def say(word): print("said", word)

@pytest.fixture
def db(peer_factory): return peer_factory(name="db")

@pytest.fixture
def web(peer_factory): return peer_factory(name="web")

def test_fails(db, web):
    note(db, web)
    db.call(say, "one")
    web.call(say, "other")
    assert False

def test_passes(db): assert db.call(abs, -1) == 1
"""


@pytest.fixture
def suite(inner, load):
    load()
    inner.write(SUITE)
    return inner


def test_stops_at_the_first_failure(suite):
    result = suite.run_apart("-x")
    result.assert_outcomes(failed=1)
    suite.assert_nothing_left()


def test_last_failed(suite, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p peer")  # with the cache
    suite.run_apart().assert_outcomes(failed=1, passed=1)
    result = suite.run_apart("--lf")
    assert result.parseoutcomes().keys() <= {"failed", "deselected"}
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_setup_show(suite):
    result = suite.run_apart("--setup-show", "-k", "passes")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*SETUP    F db (fixtures used: peer_factory)*", "*TEARDOWN F db*"]
    )


def test_setup_only_starts_peers(suite):
    suite.run_apart("--setup-only").assert_outcomes()


@pytest.mark.parametrize(
    "plugin",
    [
        "capture",
        "logging",
        "junitxml",
        "unraisableexception",
        "threadexception",
        "faulthandler",
        "warnings",
        "debugging",
        "assertion",
        "skipping",
        "xdist",
    ],
)
def test_without_a_plugin_of_pytest(suite, plugin: str):
    result = suite.run_apart("-p", f"no:{plugin}")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*peers call*", "<Peer db *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_without_a_terminal_reporter(suite):
    result = suite.run_apart("-p", "no:terminal", "--junitxml=report.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    (tests,) = ElementTree.parse(suite.path / "report.xml").iter("testsuite")
    assert (tests.get("tests"), tests.get("failures")) == ("2", "1")


def test_outputs_of_two_peers_are_apart_in_xml(suite):
    suite.run_apart("--junitxml=report.xml", "-o", "junit_logging=system-out")
    (out,) = (
        each.text or ""
        for each in ElementTree.parse(suite.path / "report.xml").iter("system-out")
        if "said" in (each.text or "")
    )
    lines = out.splitlines()
    db = next(i for i, line in enumerate(lines) if "[db]" in line)
    web = next(i for i, line in enumerate(lines) if "[web]" in line)
    assert lines[db + 1] == "said one" and lines[web + 1] == "said other"
