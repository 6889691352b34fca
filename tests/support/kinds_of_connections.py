"""Options for every connection that there is."""

from __future__ import annotations

from typing import Any

CONNECTIONS: dict[str, dict[str, Any]] = {
    "stdio": {"connection": "stdio"},
    "tcp": {"connection": 0},
    "address": {"connection": ("127.0.0.1", 0)},
    "ipv6": {"connection": ("::1", 0)},
    "detached": {"connection": 0, "detached": True},
}
