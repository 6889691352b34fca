"""Seeds for peers where pytest-randomly seeds each test: the same in every run with its seed."""

import functools
import random
from collections.abc import Callable

import pytest

from .session import running_key

#: How many peers of a test have a seed.
_count = pytest.StashKey[int]()


def pytest_peer_setup(config: pytest.Config) -> Callable[[], object] | None:
    seed = config.getoption("randomly_seed", None)
    item = config.stash.get(running_key, None)
    if item is None or seed is None or not config.getoption("randomly_reset_seed", False):
        return None
    number = item.stash[_count] = item.stash.get(_count, 0) + 1
    return functools.partial(random.seed, f"{seed} {item.nodeid} {number}")
