"""Which deaths are looked at in pytest's own view.

The way and the moment of a death are known before the option ``peer_down`` is read. So each way to
die is combined with one moment, each moment with one way, and each way to be blocked with one
death; test_peer_dies has all combinations.
"""

from __future__ import annotations

from deaths import MOMENTS, WAYS

#: Of those that lose their link and are killed for it, which takes a second, one is enough.
_WAYS = [way for way in WAYS if way != "executes_sleep"]

STOP_CELLS = [
    *((way, "in_a_call") for way in _WAYS),
    # Two deaths are two warnings; a peer that was stopped is not dead unasked.
    *(("segfault", moment) for moment in MOMENTS if moment not in ("in_a_call", "stopping")),
]

BLOCKED = ["in_sleep", "in_a_lock", "in_a_socket", "in_a_call_of_another_peer", "over"]

CRASH_CELLS = [
    *((way, "in_a_call", "in_sleep") for way in _WAYS),
    # The first of two deaths is enough.
    *(
        ("segfault", moment, "in_a_lock")
        for moment in MOMENTS
        if moment not in ("in_a_call", "stopping", "twice")
    ),
    *(("abort", "idle", blocked) for blocked in BLOCKED),
]
