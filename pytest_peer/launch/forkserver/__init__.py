"""The origin's side of the fork server: its client, and the peers that it forks."""

from __future__ import annotations

#: The modules that a fork server imports once for all of its peers, in this order. A change
#: concerns the servers that are started after it.
preload: list[str] = ["cloudpickle"]
