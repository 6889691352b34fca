"""Tests that are not plain functions: subtests of unittest, doctests."""

from __future__ import annotations

import pytest


def test_subtests_of_unittest(inner, load):
    load("subtests")  # pytest has them from 9.0 on
    inner.write(
        """
        import unittest

        def say(word): print("said", word)

        class Orders(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _factory(self, peer_factory):
                self.factory = peer_factory

            def setUp(self):
                self.db = self.factory(name="db")
                note(self.db)

            def test_it(self):
                for word in ("one", "two", "three"):
                    with self.subTest(word=word):
                        self.db.call(say, word)
                        assert word != "two"
        """
    )
    result = inner.run_apart()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*Captured stdout ?db? call*", "said two"])
    assert "said three" not in result.stdout.str()
    if pytest.version_tuple >= (9,):  # pytest-subtests tells nobody of one that has passed
        assert "said one" not in result.stdout.str()
    inner.assert_nothing_left()


def test_doctest(inner, load):
    load()
    inner.write(
        '''
        def answer():
            """
            >>> peer = getfixture("peer")
            >>> note(peer)
            >>> peer.call(abs, -1)
            1
            >>> import pytest_peer
            >>> with pytest_peer.start() as other:
            ...     other.call(os.getpid) == peer.pid
            False
            """
        ''',
        "documented.py",
    )
    inner.run_apart("--doctest-modules", "documented.py").assert_outcomes(passed=1)
    inner.assert_nothing_left()


def test_failing_doctest_shows_the_peer(inner, load):
    load()
    inner.write(
        '''
        def say(word): print("said", word)

        def answer():
            """
            >>> peer = getfixture("peer")
            >>> peer.call(say, "out")
            >>> peer.call(abs, -1)
            2
            """
        ''',
        "documented.py",
    )
    result = inner.run_apart("--doctest-modules", "documented.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Expected:", "*2", "Got:", "*1", "*Captured stdout*", "said out"])
