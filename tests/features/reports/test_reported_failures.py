"""The report of a failing test shows where it failed in the peer."""

from __future__ import annotations

import re

import pytest

NAMED = '@pytest.mark.peer(name="db")\n'


def lines_with(result: pytest.RunResult, text: str) -> list[int]:
    return [number for number, line in enumerate(result.outlines) if text in line]


# Frames

EXPLODING = (
    """
def explode(number):
    raise ValueError(f"boom {number}")

"""
    + NAMED
    + """def test_it(peer):
    peer.call(explode, 42)
"""
)


@pytest.mark.parametrize("style", ["long", "short"])
def test_peer_frames_with_source_follow_the_local_ones(inner, style):
    inner.write(EXPLODING)
    result = inner.run(f"--tb={style}")
    result.assert_outcomes(failed=1)
    (local,) = lines_with(result, "peer.call(explode, 42)")
    (remote,) = lines_with(result, 'raise ValueError(f"boom {number}")')
    errors = [line for line in lines_with(result, "ValueError: boom 42") if line > remote]
    assert local < remote < errors[0]


def test_note_says_which_peer(inner):
    inner.write(EXPLODING)
    inner.run().stdout.fnmatch_lines(["E*ValueError: boom 42", "E*raised in peer 'db' (pid *)"])


@pytest.mark.parametrize("style", ["long", "short", "native", "line"])
def test_no_frame_of_the_library_is_shown(inner, style):
    inner.write(EXPLODING)
    text = inner.run(f"--tb={style}").stdout.str()
    assert "boom 42" in text
    if style != "native":  # which hides nothing
        assert not re.search(r"pytest_peer/\S*\.py", text)
        assert "concurrent/futures" not in text


def test_no_frame_of_the_library_is_shown_whatever_failed(inner):
    inner.write(
        """
        def explode(number):
            raise ValueError("boom")

        CALLS = [
            lambda peer, start: peer.call_within(5, explode, 42),
            lambda peer, start: peer.submit(explode, 42).result(),
            lambda peer, start: start.many(1).call(explode, 42),
            lambda peer, start: peer.call(time.sleep, iter([threading.Lock()])),
            lambda peer, start: peer.call(threading.Lock),
            lambda peer, start: peer.call_within(0, time.sleep, 1),
            lambda peer, start: peer.stop() or peer.call(os.getpid),
            lambda peer, start: peer.call(os._exit, 3),
            lambda peer, start: peer.wait_down(0),
            lambda peer, start: peer.stdout.wait_for("nothing", 0),
            lambda peer, start: peer.restart(cwd="/no/such/directory"),
            lambda peer, start: start(colour="red"),
            lambda peer, start: start(exec="no-such-program-anywhere"),
            lambda peer, start: start(args=["--no-such-option"]),
        ]

        @pytest.mark.parametrize("call", CALLS)
        def test_it(peer, peer_factory, call):
            call(peer, peer_factory)
        """
    )
    result = inner.run("--tb=short")
    result.assert_outcomes(failed=14)
    frames = [line for line in result.outlines if re.match(r"\S+\.py:\d+: in ", line)]
    assert len(frames) >= 28
    assert not [line for line in frames if "pytest_peer/" in line]
    assert not [line for line in frames if "concurrent/futures" in line]


def test_full_trace_shows_the_frames_of_the_library(inner):
    inner.write(EXPLODING)
    assert re.search(r"pytest_peer/\S*\.py", inner.run("--full-trace").stdout.str())


def test_failing_assert_in_a_peer_shows_its_line(inner):
    inner.write(
        """
        def check(number):
            assert number == 42, "not the answer"

        def test_it(peer):
            peer.call(check, 41)
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert number == 42*", "E*AssertionError: not the answer*"])


# Outcomes


def test_outcome_raised_in_a_peer_is_that_of_the_test(inner):
    inner.write(
        """
        def skip(): pytest.skip("no disk there")
        def import_or_skip(): pytest.importorskip("no_such_module", reason="no module there")
        def xfail(): pytest.xfail("no luck there")
        def fail(): pytest.fail("no way there")

        @pytest.mark.parametrize("judge", [skip, import_or_skip, xfail, fail])
        def test_it(peer, judge):
            peer.call(judge)
        """
    )
    result = inner.run("-ra")
    result.assert_outcomes(skipped=2, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["SKIPPED * no disk there"])
    result.stdout.fnmatch_lines(["SKIPPED * no module there"])
    result.stdout.fnmatch_lines(["XFAIL * no luck there"])
    result.stdout.fnmatch_lines(["FAILED *no way there"])


@pytest.mark.parametrize(
    "way",
    [
        "peer.call(judge)",
        "peer.submit(judge).result(30)",
        "asyncio.run(peer.acall(judge))",
        "asyncio.run(peer.acall(later, judge))",
        "peer_factory.many(2).call(judge)",
    ],
)
def test_outcome_is_that_of_the_test_whatever_the_way(inner, way):
    inner.write(
        f"""
        import asyncio
        import unittest

        def skip(): pytest.skip("no disk there")
        def import_or_skip(): pytest.importorskip("no_such_module", reason="no module there")
        def skip_as_unittest(): raise unittest.SkipTest("no unit there")
        def xfail(): pytest.xfail("no luck there")
        def fail(): pytest.fail("no way there")

        async def later(judge): judge()

        @pytest.mark.parametrize("judge", [skip, import_or_skip, skip_as_unittest, xfail, fail])
        def test_it(peer_factory, peer, judge):
            {way}
        """
    )
    result = inner.run("-ra")
    result.assert_outcomes(skipped=3, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["SKIPPED * test_inner.py:8: no disk there"])
    result.stdout.fnmatch_lines(["SKIPPED * test_inner.py:9: no module there"])
    result.stdout.fnmatch_lines(["SKIPPED * no unit there"])
    result.stdout.fnmatch_lines(["XFAIL * no luck there"])
    result.stdout.fnmatch_lines(["*Failed: no way there"])


@pytest.mark.parametrize("skip", ["pytest.skip", "pytest.importorskip", "unittest.SkipTest"])
def test_module_that_skips_itself_in_the_peer_skips_the_test(inner, skip):
    words = {
        "pytest.skip": "pytest.skip('not for this node', allow_module_level=True)",
        "pytest.importorskip": "pytest.importorskip('no_such_module', reason='not for this node')",
        "unittest.SkipTest": "raise unittest.SkipTest('not for this node')",
    }
    inner.write(
        f"""
        import os
        import unittest

        if "SMALL" in os.environ:
            {words[skip]}

        def work(): return 1

        def test_it(peer_factory):
            peer_factory(env={{"SMALL": "1"}}).call(work)
        """
    )
    result = inner.run("-ra")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * not for this node"])


def test_member_that_skips_does_not_hide_one_that_fails(inner):
    inner.write(
        """
        from pytest_peer import here

        def judge():
            if here.name == "rank-0":
                pytest.skip("no disk there")
            raise ValueError("broken")

        def test_it(peer_factory):
            peer_factory.many(2, name="rank").call(judge)
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ValueError: broken"])


def test_exception_of_a_peer_can_be_expected_by_its_class(inner):
    inner.write(
        """
        class Refused(Exception):
            def __init__(self, code, *, why):
                super().__init__(f"{code}: {why}")
                self.code = code

        def refuse():
            raise Refused(42, why="just so")

        def test_it(peer):
            with pytest.raises(Refused, match="just so") as caught:
                peer.call(refuse)
            assert caught.value.code == 42
        """
    )
    inner.run().assert_outcomes(passed=1)
