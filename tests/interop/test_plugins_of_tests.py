"""Plugins that change what a test does, or how: with a peer in each test, used as users do."""

from __future__ import annotations

import pytest


def test_mock(inner, load):
    load("pytest_mock")
    inner.write(
        """
        def cwd(): return os.getcwd()

        def test_mocks_of_the_test_are_not_in_the_peer(mocker, peer):
            before = peer.call(cwd)
            mocker.patch("os.getcwd", return_value="/here")
            assert cwd() == "/here"
            assert peer.call(cwd) == before

        def test_spy_on_the_handle(mocker, peer):
            spy = mocker.spy(peer, "call")
            assert peer.call(abs, -1) == 1
            spy.assert_called_once_with(abs, -1)

        @pytest.mark.in_peer
        def test_fixture_is_of_the_origin(mocker): pass
        """
    )
    result = inner.run_apart()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*EncodeError: the fixture 'mocker'*"])


def test_check(inner, load):
    load("check")
    inner.write(
        """
        from pytest_check import check

        def look(): check.equal(1, 2, "in the peer")

        def test_both(peer):
            check.equal(3, 4, "in the test")
            peer.call(look)
            peer.call(look)

        def test_none(peer): peer.call(abs, -1)
        """
    )
    result = inner.run_apart()
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert text.count("FAILURE: ") == 3
    assert "in the peer" in text and "in the test" in text


def test_bdd(inner, load):
    load("pytest-bdd")
    (inner.path / "db.feature").write_text(
        "Feature: db\\n  Scenario: it answers\\n    Given a db\\n    When I ask for -1\\n"
        "    Then the answer is 1\\n".replace("\\n", "\n")
    )
    inner.write(
        """
        from pytest_bdd import given, parsers, scenarios, then, when

        scenarios("db.feature")

        @given("a db", target_fixture="db")
        def db(peer_factory): return peer_factory(name="db")

        @when(parsers.parse("I ask for {number:d}"), target_fixture="answer")
        def ask(db, number):
            db.call(print, "said", "out")
            return db.call(abs, number)

        @then(parsers.parse("the answer is {number:d}"))
        def answer_is(answer, number): assert answer == number + 1
        """
    )
    result = inner.run_apart()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout ?db? call*", "said out"])


def test_hypothesis(inner, load):
    load("hypothesispytest")
    inner.write(
        """
        from hypothesis import HealthCheck, given, settings, strategies as st

        def add(one, other):
            print("said", one, other, flush=True)
            return one + other if one < 10 else 0

        @given(st.integers(), st.integers())
        @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture],
                  deadline=None, database=None)
        def test_passes(shared, one, other):
            assert shared.call(abs, one) == abs(one)

        @pytest.fixture(scope="module")
        def shared(module_peer_factory): return module_peer_factory(name="shared")

        @pytest.fixture
        def db(peer_factory): return peer_factory(name="db")

        @given(st.integers(0, 100))
        @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture],
                  deadline=None, database=None)
        def test_fails(db, one):
            assert db.call(add, one, 0) == one
        """
    )
    result = inner.run_apart()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*one=10,*", "*Captured stdout ?db? call*", "said 10 0"])


def test_randomly_seeds_both(inner, load):
    load("randomly")
    inner.write(
        """
        import random

        def test_seeded(peer):
            with open("numbers", "a") as file: print(peer.call(random.random), file=file)
        """
    )
    for _ in range(2):
        inner.run_apart("-p", "randomly", "-p", "no:xdist", "--randomly-seed=7").assert_outcomes(
            passed=1
        )
    first, second = (inner.path / "numbers").read_text().split()
    assert first == second


def test_subtests(inner, load):
    load("subtests")
    inner.write(
        """
        def say(word): print("said", word)

        def test_it(subtests, peer_factory):
            db = peer_factory(name="db")
            for word in ("one", "two", "three"):
                with subtests.test(msg=word):
                    db.call(say, word)
                    assert word != "two"
        """
    )
    result = inner.run_apart("-rA")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*_ test_it ?two? _*", "*Captured stdout ?db? call*", "said two"])


def test_classes_of_unittest(inner, load):
    load()
    inner.write(
        """
        import unittest

        def say(word): print("said", word)

        class Orders(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _peer(self, peer_factory):
                self.db = peer_factory(name="db")

            def setUp(self): assert self.db.call(abs, -1) == 1
            def test_passes(self): assert self.db.call(abs, -2) == 2
            def test_fails(self):
                self.db.call(say, "out")
                self.assertEqual(1, 2)
            def tearDown(self): assert self.db.call(abs, -3) == 3
        """
    )
    result = inner.run_apart()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout ?db? call*", "said out"])
