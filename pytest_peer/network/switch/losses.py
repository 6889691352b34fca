"""Packets that the network itself has lost: it was too slow for them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: Behind the colon in ``/proc/net/dev``: the packets that an interface has dropped, not sent.
_DROPPED = 11


class Lost(NamedTuple):
    """How many packets of a host got lost."""

    #: That it has sent, and the switch has not seen.
    sent: int
    #: That were for it, and have not got to it.
    received: int


def dropped(listing: str) -> dict[str, int]:
    """Return how many packets each interface has dropped, from the text of ``/proc/net/dev``."""
    found = {}
    for line in listing.splitlines()[2:]:
        name, _, rest = line.partition(":")
        found[name.strip()] = int(rest.split()[_DROPPED])
    return found


def described(lost: Mapping[str, Lost]) -> str:
    """Return a text for packets that got lost; empty if there are none."""
    parts = [
        f"{count} {way} {name}"
        for name, counts in lost.items()
        for count, way in ((counts.sent, "from"), (counts.received, "to"))
        if count
    ]
    return (
        f"packets lost by no fault, but as they were too many: {', '.join(parts)}" if parts else ""
    )
