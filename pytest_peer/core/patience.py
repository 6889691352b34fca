"""Decide from looks at one thread whether it waits; also sent to peers."""

from __future__ import annotations

from .syscalls import Wait
from .threads import Sight

#: Seconds: a limit that ends sooner may be that of a wait that only looks again. SQLite and the
#: usual libraries of file locks look every 0.1 s or more often.
LONG = 0.12
#: Seconds for which a thread waits for a lock while others run that may have it.
_HANDED = 0.03
#: Seconds of processor time that each of these has had meanwhile. A thread that has started another
#: one waits until that runs; on a busy machine this takes any time.
_OTHERS_RAN = 0.005
#: Different short waits of a thread that polls.
_TURNS = 4
#: The part of the time that such a thread runs at most.
_SHARE = 0.25


class Patience:
    """Has looked at one thread for some time."""

    def __init__(self) -> None:
        self._since = self._begun = 0.0
        self._last: Sight | None = None
        self._turns = 0
        self._ran = 0.0
        self._others: dict[int, float] = {}  # their processor time when first seen in this wait

    def decided(self, now: float, sight: Sight, wait: Wait | None) -> str:
        """Return what the thread waits for; empty as long as it may run.

        :param now: a moment in seconds.
        :param sight: what was seen twice in a row.
        :param wait: what it waits for then; ``None`` if it does not, or may want the GIL.
        """
        if wait is None or not sight.asleep:
            return ""
        if sight != self._last:
            self._last, self._since, self._others = sight, now, {}
            if not wait.limit > LONG:
                if not self._turns:
                    self._begun, self._ran = now, sight.processor_seconds
                self._turns += 1
        stays = now - self._since
        if wait.limit > LONG:  # also without any
            return wait.on if self._stays_so(wait.others, stays) else ""
        if wait.limit != wait.limit:  # it is not known
            if stays > LONG:
                return wait.on
            if wait.others:
                return ""
        # Without the times, NaN is not greater.
        busy = sight.processor_seconds - self._ran > _SHARE * (now - self._begun)
        return "polling" if self._turns >= _TURNS and not busy else ""

    def _stays_so(self, others: dict[int, float], stays: float) -> bool:
        """Return whether none of these threads ends the wait soon."""
        rans = [ran - self._others.setdefault(each, ran) for each, ran in others.items()]
        # Without the times, NaN is not less.
        return not rans or (stays > _HANDED and not any(ran < _OTHERS_RAN for ran in rans))
