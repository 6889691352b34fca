"""How soon the kernel of a host sends again what TCP has lost: ``tcp="kernel"`` or ``"fast"``."""

from __future__ import annotations

import os

KERNEL, FAST = "kernel", "fast"
#: Milliseconds behind the usual round trip, where Linux takes 200 and its least is a tick.
RTO_MIN_MS = 5
_RTO_MIN = "tcp_rto_min_us"
#: For `FAST`, by names below ``/proc/sys/net/ipv4``; they are for IPv6 too. With a second at most
#: between two attempts, a connect into a hole fails after 7 seconds instead of 130, and a
#: connection is given up after some 14 seconds without an answer instead of 15 minutes. The first
#: attempts to connect are a second apart in every Linux.
_FAST = {
    _RTO_MIN: str(RTO_MIN_MS * 1000),  # since Linux 6.11
    "tcp_rto_max_ms": "1000",  # since Linux 6.15; its least value
    "tcp_syn_retries": "6",
    "tcp_synack_retries": "5",
    "tcp_retries2": "15",
    "tcp_orphan_retries": "3",
}


def checked(value: object) -> str:
    """Return the value of the option ``tcp`` if it is one, else raise TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"tcp: expected a str, got {value!r}")
    if value not in (KERNEL, FAST):
        raise ValueError(f"tcp: expected {KERNEL!r} or {FAST!r}, got {value!r}")
    return value


def shorten(directory: str = "/proc/sys/net/ipv4") -> bool:
    """Make the timers of this thread's network namespace short.

    :returns: whether the kernel had one for the least time; else it is for routes to say.
    """
    written = [name for name, value in _FAST.items() if _write(f"{directory}/{name}", value)]
    return _RTO_MIN in written


def _write(path: str, value: str) -> bool:
    # An older kernel has not all of them; in a container all may be read-only.
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
