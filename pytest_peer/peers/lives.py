"""The lives of a peer: which is the present one, and how the next follows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from ..core.options import PeerOptions
from ..core.options import checked
from ..core.states import PeerState
from ..core.sync import Condition
from . import shutdown
from .lifecycle import PeerInstance
from .process import KILLED

__tracebackhide__ = True


class Lives:
    """One at a time.

    :param make: makes one with given options.
    :param begin: starts its process, and returns when that is there.
    """

    def __init__(
        self,
        make: Callable[[PeerOptions], PeerInstance],
        begin: Callable[[PeerInstance], object],
        options: PeerOptions,
    ) -> None:
        self._make = make
        self._begin = begin
        self.present: PeerInstance = make(options)
        # One for each process: a thread that is not in a forked child may have held the parent's.
        self._turns: dict[int, Condition] = {}

    def with_process(self) -> PeerInstance:
        """The present one, when it has a process, which another thread may be about to start.

        :raises PeerDown: it never will have one.
        """
        life = self.present
        if not life.body.born:
            life.begun.wait(KILLED)
            life = self.present
            if not life.body.born:
                raise life.record.down_error()
        return life

    def renew(self, changes: Mapping[str, Any]) -> PeerInstance:
        """Stop the present one, begin the next, and return it; if it cannot be begun, the present one stays.

        Threads that do so at the same time do it one after the other, but no thread waits for the boot that another one has begun.

        :param changes: in the options of the present one.
        """
        while True:
            ended = self.present
            values = {name: getattr(ended.options, name) for name in PeerOptions.__slots__}
            options = checked({**values, **changes})  # before anything is stopped
            shutdown.stop([ended])
            with self._turns.setdefault(os.getpid(), Condition()):
                if self.present is ended:
                    return self._follow(ended, options)

    def _follow(self, ended: PeerInstance, options: PeerOptions) -> PeerInstance:
        life = self._make(options)
        life.expectations = ended.expectations
        try:
            self.present = life
            self._begin(life)
        except BaseException:
            if not life.body.born:
                life.kill()  # else an interrupt that came twice would leave one that is born later, and known to nobody
            # If that is not decided yet, it is to be stopped before the next.
            never = life.state is PeerState.DOWN and not life.body.born
            # A signal's handler may have restarted it meanwhile, in this thread.
            if never and self.present is life:
                self.present = ended  # which tells of its end
            raise
        return life
