"""Packets that no fault has lost: they were too many, or an interface was down. No I/O."""

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
    #: Whether its interface was down for a while, as a program there has set it.
    down: bool = False


def dropped(listing: str) -> dict[str, int]:
    """Return how many packets each interface has dropped, from the text of ``/proc/net/dev``."""
    found = {}
    for line in listing.splitlines()[2:]:
        name, _, rest = line.partition(":")
        found[name.strip()] = int(rest.split()[_DROPPED])
    return found


def described(lost: Mapping[str, Lost]) -> str:
    """Return a text for packets that got lost; empty if there are none."""
    many = _counted({name: counts for name, counts in lost.items() if not counts.down})
    down = _counted({name: counts for name, counts in lost.items() if counts.down})
    reasons = {"as they were too many": many, "as the host's interface was down": down}
    text = ", and ".join(f"{why}: {counts}" for why, counts in reasons.items() if counts)
    return text and f"packets lost by no fault, but {text}"


def _counted(lost: Mapping[str, Lost]) -> str:
    return ", ".join(
        f"{count} {way} {name}"
        for name, counts in lost.items()
        for count, way in ((counts.sent, "from"), (counts.received, "to"))
        if count
    )
