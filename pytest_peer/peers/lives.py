"""The lives of one peer: which is the present one, and how the next follows it."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.options import PeerOptions, checked
from . import shutdown
from .lifecycle import ExpectedDeath, PeerLife
from .transitions import Phase

if TYPE_CHECKING:
    from .supervisor import Supervisor

__tracebackhide__ = True


class Lives:
    """One at a time; while the next is being started, the one before is still the present one.

    :param on_boot: Called by the option ``wait_boot`` that is a callable.
    """

    def __init__(
        self, owner: Supervisor, on_boot: Callable[[Callable[..., object]], object]
    ) -> None:
        #: The blocks that wait for the peer's death, in whichever life it comes.
        self.expectations: set[ExpectedDeath] = set()
        self._owner = owner
        self._on_boot = on_boot
        #: What can be stopped: the life that had a process last, and those begun after it.
        self.stoppable: tuple[PeerLife, ...] = ()
        # One for each process: a thread that is not in a forked child may have held the parent's.
        self._turns: dict[int, threading.RLock] = {}

    @property
    def present(self) -> PeerLife:
        """The last life that has or had a process."""
        for life in reversed(self.stoppable):
            if life.process.started:
                return life
        raise AssertionError("a peer without a process")

    @property
    def started(self) -> bool:
        """Whether there is a present life."""
        return any(life.process.started for life in self.stoppable)

    def begin(self, options: PeerOptions) -> PeerLife:
        """Begin a life, which becomes the present one when it has a process.

        An interrupt or an error leaves none.
        """
        life = PeerLife(options, self._owner, self.expectations, self._publish)
        wait = options.wait_boot
        life.start(functools.partial(self._on_boot, wait) if callable(wait) else None)
        return life

    def _publish(self, life: PeerLife) -> None:
        # On the boot thread. From now on this life can be stopped and killed, as others that begin.
        present = [life for life in self.stoppable if life.process.started][-1:]
        begun = [life for life in self.stoppable if life.phase < Phase.DOWN and life not in present]
        self.stoppable = (*present, *begun, life)

    def renew(self, changes: Mapping[str, Any]) -> PeerLife:
        """Stop the present life, begin the next, and return it.

        Threads take turns to begin a life, but none waits for the boot of another's. If no process
        can be started, the present life stays.

        :param changes: Of the options of the present life.
        """
        while True:
            ended = self.present
            values = {name: getattr(ended.options, name) for name in PeerOptions.__slots__}
            options = checked({**values, **changes})  # before anything is stopped
            shutdown.stop([ended], wait_closed=True)
            with self._turns.setdefault(os.getpid(), threading.RLock()):
                if self.present is ended:
                    return self.begin(options)
