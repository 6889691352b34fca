"""``--peer-artifacts DIR`` and peers that live longer than a test."""

from __future__ import annotations

import json

import pytest
from inner_pytest import DIES


def of_tests(inner) -> list[str]:
    """Those of which something is kept."""
    return [path.name for path in (inner.path / "kept").glob("test_*")]


def state(inner, test: str) -> str:
    manifest = inner.path / "kept" / f"test_inner.py--{test}" / "db" / "manifest.json"
    return json.loads(manifest.read_text())["state"]


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_failing_test_keeps_those_that_run(inner, scope):
    inner.write(
        f"""
        @pytest.fixture(scope={scope!r})
        def shared({scope}_peer_factory):
            return {scope}_peer_factory(name="db")

        class TestIt:
            def test_before(self, shared): pass
            def test_failing(self, shared): assert False
            def test_after(self, shared): pass
        """
    )
    inner.run("--peer-artifacts=kept", "-p", "no:randomly").assert_outcomes(passed=2, failed=1)
    assert of_tests(inner) == ["test_inner.py--TestIt--test_failing"]
    assert state(inner, "TestIt--test_failing") == "down"


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_passing_tests_keep_none(inner, scope):
    inner.write(
        f"""
        class TestIt:
            def test_before(self, {scope}_peer_factory): {scope}_peer_factory(name="db")
            def test_after(self): assert False
        """
    )
    inner.run("--peer-artifacts=kept", "-p", "no:randomly").assert_outcomes(passed=1, failed=1)
    kept = [path.name for path in (inner.path / "kept").iterdir()]
    assert ("test_inner.py--TestIt--test_after" in kept) and len(kept) == 2


def test_passing_session_leaves_nothing(inner):
    inner.write(
        """
        def test_it(session_peer_factory, peer_factory):
            session_peer_factory()
            peer_factory(link=False)
        """
    )
    inner.run("--peer-artifacts=kept").assert_outcomes(passed=1)
    assert not list((inner.path / "kept").iterdir())


def test_peer_that_ended_before_the_test_is_none_of_it(inner):
    inner.write(
        """
        def test_before(session_peer_factory):
            session_peer_factory(name="gone").stop()
            session_peer_factory(name="db")

        def test_it(): assert False
        """
    )
    inner.run("--peer-artifacts=kept", "-p", "no:randomly").assert_outcomes(passed=1, failed=1)
    kept = inner.path / "kept"
    assert [path.name for path in kept.glob("test_*/*")] == ["db"]
    assert [path.name for path in kept.glob("session/*")] == ["db"]


def test_failing_test_that_is_the_last_keeps_them_as_they_ended(inner):
    inner.write("def test_it(module_peer_factory): module_peer_factory(name='db'); assert False")
    inner.run("--peer-artifacts=kept").assert_outcomes(failed=1)
    assert state(inner, "test_it") == "down"


def test_test_in_which_one_went_down_keeps_it(inner):
    inner.write(
        DIES
        + """
@pytest.fixture(scope="session")
def shared(session_peer_factory):
    return session_peer_factory(name="db", peer_down="continue")

def test_before(shared): pass
def test_it(shared): die(shared)
def test_after(): pass
"""
    )
    inner.run("--peer-artifacts=kept").assert_outcomes(passed=3)
    assert of_tests(inner) == ["test_inner.py--test_it"]
    assert state(inner, "test_it") == "down"


def test_artifacts_of_a_failed_test_show_a_later_crash(inner):
    inner.write(
        DIES
        + """
@pytest.fixture(scope="module")
def shared(module_peer_factory):
    return module_peer_factory(name="db", peer_down="continue")

def test_failing(shared): assert False
def test_crashing(shared): die(shared)
def test_last(shared): pass
"""
    )
    inner.run("--peer-artifacts=kept").assert_outcomes(passed=2, failed=1)
    assert state(inner, "test_failing") == state(inner, "test_crashing") == "down"
    assert not (inner.path / "kept/test_inner.py--test_last").exists()


def test_peer_of_the_whole_session_is_kept_too(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory(name="db", link=False)
            assert False
        def test_after(): pass
        """
    )
    inner.run("--peer-artifacts=kept").assert_outcomes(passed=1, failed=1)
    assert state(inner, "test_it") == "down"
