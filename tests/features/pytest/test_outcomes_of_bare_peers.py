"""The outcomes of a test whose peer has no pytest."""

from __future__ import annotations

from typing import Any

import pytest
from inner_pytest import load_only

SUITE = """
    import pytest

    def skip():
        pytest.skip("not there")

    def fail():
        pytest.fail("broken there", pytrace=False)

    def expect_failure():
        pytest.xfail("known there")

    @pytest.mark.parametrize("function", [skip, fail, expect_failure])
    def test_outcome(peer, function):
        peer.call(function)
"""


def test_outcomes_are_those_of_the_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, requires_python: Any
) -> None:
    load_only(monkeypatch, "peer")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess(f"--peer-exec={requires_python('3.8')}", "-rsfx")
    result.assert_outcomes(skipped=1, failed=1, xfailed=1)
    told = [r"SKIPPED \[1\] .*: not there", "XFAIL .* known there", "broken there"]
    result.stdout.re_match_lines_random(told)
