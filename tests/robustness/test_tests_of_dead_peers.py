"""The option ``peer_down`` after every way to die, at every moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from deaths import WAYS
from paths import SUPPORT
from peer_down_cases import CRASH_CELLS, STOP_CELLS
from timeouts import LONG

METHODS = ["forkserver", "spawn"] if sys.platform == "linux" else ["spawn"]


class Outcomes:
    """Of the inner tests; their seconds, failure or ``passed``, and warnings."""

    def __init__(self, text: str) -> None:
        lines = [json.loads(line) for line in text.splitlines()]
        self.words = {test: words for test, words, _, _ in lines}
        self.seconds = {test: seconds for test, _, seconds, _ in lines}
        self.warnings = {test: warnings for test, _, _, warnings in lines}


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory) -> Outcomes:
    """Of one run of pytest with a start method, for all cells."""
    place = tmp_path_factory.mktemp("suite")
    inherited = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    variables = {
        "PEER_TESTS_START_METHOD": request.param,
        "PEER_TESTS_OUTCOMES": str(place / "outcomes"),
        "PYTHONPATH": str(SUPPORT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    alone = ["--noconftest", "-c", os.devnull, "--rootdir", str(SUPPORT), "-p", "no:cacheprovider"]
    plugins = ["-p", "peer", "-p", "outcome_recorder", "--basetemp", str(place / "temp")]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *alone, *plugins, str(SUPPORT / "peer_down_suite.py")],
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert (place / "outcomes").exists(), (result.returncode, result.stdout + result.stderr)
    return Outcomes((place / "outcomes").read_text())


def reason(way: str) -> str:
    """Return the words of the reason."""
    expected = WAYS[way]
    if expected.kind == "exited":
        return f"exited with status {expected.exit_status}"
    return f"killed by {expected.signal.name}" if expected.signal else "link lost"


@pytest.mark.parametrize("outcomes", METHODS, indirect=True)
@pytest.mark.parametrize(("way", "moment"), STOP_CELLS)
def test_stop_warns(outcomes, way, moment):
    test = f"test_stop[{way}-{moment}]"
    assert outcomes.words[test] == "passed"
    warnings = [each for each in outcomes.warnings[test] if each.startswith("PeerDownWarning")]
    assert len(warnings) == (2 if moment == "twice" else 1)
    assert all(reason(way) in each for each in warnings)


@pytest.mark.parametrize("outcomes", METHODS, indirect=True)
@pytest.mark.parametrize(("way", "moment", "blocked"), CRASH_CELLS)
def test_crash_fails_the_test(outcomes, way, moment, blocked, record_property):
    test = f"test_crash[{way}-{moment}-{blocked}]"
    assert "PeerDown" in outcomes.words[test]
    assert reason(way) in outcomes.words[test]
    assert outcomes.seconds[test] < LONG / 2
    record_property("seconds", outcomes.seconds[test])
