"""Whatever ends the origin, its peers and all their descendants end, whatever they do."""

from __future__ import annotations

import sys

import origins
import pytest
from occupied_peers import CELLS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are watched by their descriptors"
)

WAYS = {
    "return": origins.program("return"),
    "exception": origins.program("exception"),
    "os._exit": origins.program("os._exit"),
    "segfault": origins.program("segfault"),
    "SIGTERM": origins.program("SIGTERM"),
    # What the test has forked lives on.
    "SIGKILL_after_forks": origins.program("SIGKILL", "forks"),
    "pytest_SIGKILL": origins.suite("test_is_killed", killed="itself"),
    "pytest_timeout_thread": origins.suite("test_takes_too_long", "-p", "pytest_timeout"),
    "xdist_worker_SIGKILL": origins.suite(
        "test_is_killed", "-p", "xdist", "-n1", "--max-worker-restart=0", killed="its worker"
    ),
    "xdist_controller_SIGKILL": origins.suite(
        "test_is_killed", "-p", "xdist", "-n1", killed="itself"
    ),
}
RUNS = [(way, method) for way in WAYS for method in ("forkserver", "spawn")]


@pytest.fixture(scope="module")
def outcome(request, tmp_path_factory) -> origins.Outcome:
    """Of one origin, for all cells with its way to die and its start method."""
    way, method = request.param
    return origins.run(WAYS[way], method, tmp_path_factory.mktemp("origin"))


# Two parametrizations: so pytest runs all cells of an origin in a row, however they are shuffled.
@pytest.mark.parametrize("outcome", RUNS, indirect=True, ids="-".join)
@pytest.mark.parametrize("occupation", CELLS)
def test_origin_dies(outcome, occupation, record_property):
    assert outcome.survivors.get(occupation) is None
    record_property("seconds", outcome.seconds[occupation])
