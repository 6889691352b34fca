"""Peers without pytest: `start`, `start_link`, `mailbox`, and the end at the process's exit."""

import atexit
import contextlib
import os
import sys
import threading
from typing import Any

from ..link.protocol import reductions
from ..link.protocol.mailbox import Mailbox
from ..link.unhandled import Unhandled
from .lifecycle import PeerLife
from .peer import Peer
from .restart import stop_all
from .supervisor import Supervisor, living


class _Library(Supervisor):
    """Has the peers of `start`, which no scope ends."""

    def down(self, life: PeerLife) -> None:
        super().down(life)
        # After a failed boot the error has all that the peer wrote.
        if life.process.started and not life.died_unasked:
            life.record.artifacts.discard()

    stopped = Supervisor.warn


_library = _Library()


def start(**options: Any) -> Peer:
    """Start a peer. The caller stops it, best by a ``with`` statement. Erlang's ``peer:start/1``.

    :param options: See the guide; all are optional.
    :raises TypeError: An unknown option or a value of the wrong type.
    :raises ValueError: A value outside of what the option allows.
    :raises BootError: The peer did not boot.
    :raises NameInUse: A peer of that name is alive.
    """
    _library.warn()
    if sys.meta_path is not None:  # else the interpreter ends, and nothing can be imported
        reductions.remember()
    return _library.start(options)


def start_link(**options: Any) -> Peer:
    """Start a peer as `start` does; it ends with this thread. Erlang's ``peer:start_link/1``."""
    peer = start(**options)
    if not hasattr(_of_thread, "peers"):
        _of_thread.peers = _Linked()
    _of_thread.peers.append(peer)
    return peer


def mailbox(name: str) -> Mailbox:
    """Return the mailbox into which peers of `start` put with ``here.origin.send(name, ...)``.

    Peers of a fixture put into ``peer_factory.mailbox(name)``.
    """
    return _library.mailboxes[name]


class _Linked(list[Peer]):
    """Ends with its thread's storage, and stops its peers then."""

    def __del__(self) -> None:
        for peer in self:
            with contextlib.suppress(Exception):  # no caller could catch it
                stop_all(peer.lives.stoppable)


_of_thread = threading.local()


def _forget() -> None:
    """In a forked child, leave the failures of its parent's peers to the parent."""
    _library._deaths.clear()
    _library.unhandled = Unhandled()


os.register_at_fork(after_in_child=_forget)


@atexit.register
def _stop_all() -> None:
    with contextlib.suppress(Exception):  # no caller could catch it
        stop_all(living())
    _library.warn(closed=True)
