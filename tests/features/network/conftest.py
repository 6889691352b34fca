"""Imports the fixture's modules once: pytester forgets those that an inner run has imported first.

Half of them would be there twice, as attributes of their package and anew.
"""

from __future__ import annotations

import pytest_peer.plugin.network  # noqa: F401
