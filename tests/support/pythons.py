"""Which other Pythons the tests start peers on."""

from __future__ import annotations

import os

#: `.ci/newest` says another one.
NEWEST = os.environ.get("PEER_TESTS_NEWEST", "3.13")
