"""`peer_network` in a container: as Docker starts one it skips, and says what would allow it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from engines import IMAGE, mounts
from paths import ROOT, SUPPORT
from timeouts import LONGER

INNER = """
from network_calls import ask, start_server

def test_it(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    assert a.call(ask, b.host) == b.host
    with peer_network.partition([a], [b], expect_hits=False):
        pass
"""
pytestmark = pytest.mark.timeout(4 * LONGER)  # two containers, and a suite in one of them
#: Tests of the suite that need nothing but Python.
SMOKE = ("test_network_hosts.py", "test_cuts.py")
#: The second of two ways that the reason names.
OTHER_WAY = ", or with "
WAYS = ["unconfined", "rights"]


@pytest.fixture
def run(dockerd, tmp_path):
    """A function that runs pytest in a container, with options of docker."""
    (tmp_path / "test_inner.py").write_text(INNER)

    def run(options, *arguments):
        seen = [*mounts(sys.executable), "-v", f"{ROOT}:{ROOT}:ro", "-v", f"{tmp_path}:/inner:ro"]
        limits = ["--network", "none", "--tmpfs", "/tmp:mode=1777", "-w", "/inner"]
        variables = ["PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", f"PYTHONPATH={SUPPORT}:{ROOT}"]
        words = [word for each in variables for word in ("-e", each)]
        inner = [sys.executable, "-B", "-m", "pytest", "-rs", "-p", "peer"]
        inner += ["-p", "no:cacheprovider", *arguments]
        return subprocess.run(
            [*dockerd, "run", "--rm", *limits, *words, *seen, *options, IMAGE, *inner],
            check=False,
            capture_output=True,
            text=True,
            timeout=3 * LONGER,
        )

    return run


@pytest.fixture
def reason(run):
    """Why a test skips in a container that is started without options."""
    result = run([], "test_inner.py")
    found = re.search(r"SKIPPED \[1\] \S+ (.*)", result.stdout)
    assert found, result.stdout + result.stderr
    return found[1]


def test_network_skips_in_a_stock_container(reason):
    assert reason.startswith("no network namespaces: ")
    assert OTHER_WAY in reason


def test_required_network_fails_in_a_stock_container(run):
    result = run([], "test_inner.py", "--peer-require=network")
    assert result.returncode == 1
    assert "no network namespaces: " in result.stdout
    assert "1 error" in result.stdout


@pytest.mark.parametrize("way", WAYS)
def test_options_that_the_reason_names_allow_it(run, reason, way):
    result = run(options_of(reason, way), "test_inner.py", "--peer-require=network")
    assert "1 passed" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("way", WAYS)
def test_networks_in_a_container_are_like_others(run, reason, way):
    tests = [f"{ROOT}/tests/features/network/{name}" for name in SMOKE]
    arguments = ["--rootdir", str(ROOT), "-c", f"{ROOT}/pyproject.toml"]
    result = run(options_of(reason, way), *arguments, "--peer-require=network", *tests)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout


def options_of(reason, way):
    """The options of one of the two ways in the text."""
    first, second = reason.split(OTHER_WAY)
    options = first.partition("start it with ")[2] if way == "unconfined" else second
    assert options.startswith("--")
    return options.split()
