"""Programs that execute another one in their place or as their child, with all descriptors: nothing is needed for them."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from timeouts import LONGER
from ways import available
from ways import found

#: As in the guide.
PREFIXES = {
    "env": ["COLOUR=red"],
    "nice": ["-n", "1"],
    "ionice": ["-c", "3"],
    "taskset": ["-c", "0"],
    "setsid": ["--wait"],
    "stdbuf": ["-oL"],
    "timeout": ["300"],
    "unshare": ["--fork"],
    "faketime": ["-f", "+1y"],
    "strace": ["-f", "-o", "/dev/null"],
    "uv": ["run", "--no-project", "--python", sys.executable],
    "valgrind": ["-q", "--tool=none"],
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", PREFIXES)
def test_prefix_needs_nothing(peer_factory, name):
    with available():
        beside = shutil.which(name, path=os.path.dirname(sys.executable))
        program = beside or found(name)
    peer = peer_factory(exec=[program, *PREFIXES[name], sys.executable], wait_boot=3 * LONGER)
    assert peer.call_within(60, os.getpid) == peer.pid
