"""The clock as it was when this module was imported.

A test may freeze or replace `time.monotonic` and `time.sleep` while peers live: freezegun,
`unittest.mock`. That is for the code under test; our time limits go on. These are partial objects,
because freezegun also replaces the functions wherever a module has them under a name of its own.
"""

from __future__ import annotations

import time
from functools import partial

#: `time.monotonic`.
monotonic: partial[float] = partial(time.monotonic)
#: `time.time`.
now: partial[float] = partial(time.time)
#: `time.sleep`.
sleep: partial[None] = partial(time.sleep)
