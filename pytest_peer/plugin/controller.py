"""In a worker of pytest-xdist: peers end with the controller.

When the controller has ended, nobody will ever see what the worker's tests find. But the worker goes on with its test; execnet ends
it 5 or 15 seconds later.
"""

from __future__ import annotations

import os

import pytest

from ..core.clock import Thread

_watched_key = pytest.StashKey[int]()


def watch(config: pytest.Config) -> None:
    """Begin to, if this is a worker, and if one can wait for a process that is not one's child."""
    if not hasattr(config, "workerinput") or _watched_key in config.stash:
        return
    try:
        fd = os.pidfd_open(os.getppid())
    except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
        return
    from ..core.loop import watcher  # not at the top: a suite without peers does not pay for it

    config.stash[_watched_key] = fd

    def ended() -> None:
        watcher.remove(fd)
        # On a thread: who watches must not wait for a peer that is just being started.
        Thread(target=_abandon, name="pytest-peer-end", daemon=True).start()

    def stop() -> None:
        watcher.remove(fd)
        os.close(fd)

    watcher.add(fd, ended)
    config.add_cleanup(stop)


def _abandon() -> None:
    from ..peers import supervisor

    supervisor.abandon("the controller of this pytest-xdist worker has ended")
