"""Starting peers, and seeing to it that none is left: when a scope, a thread or the process ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import warnings
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import ClassVar
from typing import Protocol

from ..core import names
from ..core.errors import BootError
from ..core.errors import PeerDownWarning
from ..core.errors import PeerError
from ..core.monkey_patches import patched_by
from ..core.options import PeerOptions
from ..core.options import checked
from ..core.states import DownReason
from ..core.states import PeerState
from ..evidence.artifacts import Artifacts
from ..link.pickling import decode
from ..link.protocol.mailbox import Mailbox
from ..link.protocol.mailbox import Mailboxes
from . import shutdown
from .group import PeerGroup
from .lifecycle import PeerInstance
from .peer import Peer

__tracebackhide__ = True

_alive: set[PeerInstance] = set()
#: Why no peer is started any more.
_abandoned = ""


class LifecycleListener(Protocol):
    """Is told what happens in a nursery, on threads of ours, and may not raise."""

    def test(self) -> str:
        """The test that runs, for the manifest."""

    def prepared(self, place: Path, /) -> object:
        """A peer is about to be started, with a new directory for its artifacts."""

    def died(self, life: PeerInstance, /) -> object:
        """A peer went down although nobody asked it to."""


class Supervisor:
    """Peers that end together: those of a test, of a scope, of the process.

    :param directory: where their artifacts go; ``None`` for temporary directories.
    """

    #: Called, on a thread of ours, when a peer with ``peer_down="crash"`` went down unasked.
    on_crash: ClassVar[Callable[[], None] | None] = None

    def __init__(
        self, directory: Callable[[], Path] | None = None, observer: LifecycleListener | None = None
    ) -> None:
        self._directory = directory
        self._observer = observer
        self.mailboxes: Mailboxes = Mailboxes(lambda payload: decode(payload, "the message"))
        self.peers: list[Peer] = []
        #: What the peers have been started in; left after them.
        self.resources: contextlib.ExitStack = contextlib.ExitStack()
        self._unasked: list[tuple[PeerInstance, DownReason]] = []

    def start(self, options: Mapping[str, Any]) -> Peer:
        """Check options, start a peer, and wait for its boot as ``wait_boot`` says."""
        chosen, begun = checked(options), list[Peer]()
        try:
            begun.append(self._begin(chosen))
            if chosen.awaits_boot:
                begun[0].wait_boot()
        except BaseException:
            for peer in begun:
                peer.kill()  # Ctrl-C, or a timeout's signal, while it boots
            raise
        return begun[0]

    def start_many(
        self,
        count: int,
        options: Mapping[str, Any],
        name: Callable[[], str],
        placed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> PeerGroup:
        """Start `count` peers that boot at the same time.

        :param name: makes one up.
        :param placed: gives each its own options.
        :raises ExceptionGroup: some did not boot; the others are stopped.
        """
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"many: expected a number of peers, got {count!r}")
        if count < 0:
            raise ValueError(f"many: expected a number of peers, got {count!r}")
        prefix = options.get("name")
        if prefix is not None:
            names.checked(prefix)
        chosen = [f"{prefix}-{index}" if prefix is not None else name() for index in range(count)]
        every = [checked(placed({**options, "name": each})) for each in chosen]
        peers: list[Peer] = []
        failures: list[Exception] = []
        try:
            for each in every:
                try:
                    peers.append(self._begin(each))
                except PeerError as exc:
                    failures.append(exc)
            for peer in peers:
                if peer.options.awaits_boot:
                    try:
                        peer.wait_boot()
                    except PeerError as exc:
                        failures.append(exc)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {count} peers did not boot", failures)
        except BaseException:
            shutdown.kill([peer.instance for peer in peers])
            raise
        return PeerGroup(peers)

    def _begin(self, options: PeerOptions) -> Peer:
        peer = Peer(self._live, options)
        self.peers.append(peer)  # before it is started: whatever interrupts us, `close` knows it
        try:
            peer.begin()
        except BaseException:
            life = peer.instance
            life.kill()  # nobody gets it, and an interrupt may have come twice
            never = life.state is PeerState.DOWN and not life.body.born
            if never:  # there is nothing to be told of it
                self.peers = [other for other in self.peers if other is not peer]
            raise
        return peer

    def _live(self, options: PeerOptions) -> PeerInstance:
        if library := patched_by():
            raise BootError(
                f"peer {options.name!r} is not started: {library} has monkey-patched this process, and its greenlets "
                "cannot control peers; patch in the peer, by its first call, and not where pytest runs"
            )
        life = PeerInstance(options, lambda: prepare(life), self.mailboxes, self._down)

        def prepare(life: PeerInstance) -> Artifacts:
            names.claim(options.name)
            try:
                _alive.add(life)
                if _abandoned:  # after it was added: `abandon` kills it, or is seen here
                    raise BootError(f"peer {options.name!r} is not started: {_abandoned}")
                parent = options.artifacts or (self._directory() if self._directory else None)
                artifacts = Artifacts.below(parent, options.name)
            except BaseException:
                _alive.discard(life)
                names.release(options.name)
                raise
            if self._observer is not None:
                artifacts.test = self._observer.test()
                self._observer.prepared(artifacts.path)
            return artifacts

        return life

    def _down(self, life: PeerInstance) -> None:
        names.release(life.options.name)
        _alive.discard(life)
        assert life.record.reason is not None
        known = life in dict(self._unasked)  # the telling was interrupted, and is done again
        if not life.asked and life.record.reason.kind != "boot failed" and not known:
            if self._observer is not None:
                self._observer.died(life)
            self._unasked.append((life, life.record.reason))
            crashed = type(self).on_crash
            if life.options.peer_down == "crash" and crashed is not None:
                crashed()

    @property
    def started(self) -> list[Peer]:
        """The peers of which there is something to tell."""
        return [peer for peer in self.peers if peer.instance.body.born]

    def raise_crashes(self) -> None:
        """Raise for the first peer with ``peer_down="crash"`` that went down unasked.

        :raises PeerDown: there was one.
        """
        for death in list(self._unasked):
            if death[0].options.peer_down == "crash":
                self._unasked.remove(death)
                raise death[0].record.down_error()

    def warn_of_deaths(self) -> None:
        """Warn of every peer that went down although nobody asked it to, if its option ``peer_down`` says so."""
        deaths, self._unasked = self._unasked, []
        for life, reason in deaths:
            if life.options.peer_down != "continue":
                message = (
                    f"{life.record.whom()} went down: {reason}; see {life.record.artifacts.path}"
                )
                warnings.warn(PeerDownWarning(message), stacklevel=3)

    def close(self) -> None:
        """Stop all peers at the same time.

        :raises PeerError: one is not gone although it was killed; several: ExceptionGroup.
        """
        peers, self.peers = self.peers, []
        with self.resources:
            shutdown.stop([peer.instance for peer in peers])
            # Those with shutdown="close" die by themselves, but not after the end of their scope.
            shutdown.stop([peer.instance for peer in peers if peer.options.shutdown == "close"])


class _Library(Supervisor):
    """The peers of `start`: nobody waits for their scope to end."""

    def _down(self, life: PeerInstance) -> None:
        super()._down(life)
        self.peers = [peer for peer in self.peers if peer.state is not PeerState.DOWN]
        assert life.record.reason is not None
        if (
            life.asked or life.record.reason.kind == "boot failed"
        ):  # then the error has all that it wrote
            life.record.artifacts.discard()


_library = _Library()


def start(**options: Any) -> Peer:
    """Start a peer; the caller stops it, best by using it in a ``with`` statement. Erlang's ``peer:start/1``.

    :raises TypeError: an unknown option or a value of the wrong type.
    :raises ValueError: a value outside of what the option allows.
    :raises BootError: it did not boot.
    :raises NameInUse: a peer of that name is alive.
    """
    _library.warn_of_deaths()
    return _library.start(options)


def start_link(**options: Any) -> Peer:
    """Start a peer that ends with the calling thread, however that ends; Erlang's ``peer:start_link/1``."""
    peer = start(**options)
    if not hasattr(_thread_owned, "peers"):
        _thread_owned.peers = _Owned()
    _thread_owned.peers.append(peer)
    return peer


def mailbox(name: str) -> Mailbox:
    """The mailbox of that name into which peers of `start` put with ``here.origin.send``."""
    return _library.mailboxes[name]


class _Owned(list[Peer]):
    """Dies with its thread's storage, and ends its peers then."""

    def __del__(self) -> None:
        for peer in self:
            with contextlib.suppress(Exception):  # nobody could catch it here
                peer.stop()


_thread_owned = threading.local()


def abandon(why: str) -> None:
    """Kill all peers, and start none any more: nobody has a use for them."""
    global _abandoned
    _abandoned = why
    with contextlib.suppress(PeerError):  # nobody could catch it here
        shutdown.kill(list(_alive))


def _stop_all() -> None:
    """At exit: politely, so that their own exit handlers run."""
    with contextlib.suppress(Exception):  # nobody could catch it here
        shutdown.stop(list(_alive))
    _library.warn_of_deaths()


def _forked() -> None:
    """In a forked child: the peers are the parent's. Holding their links open would keep them alive after its death."""
    null = os.open(os.devnull, os.O_RDWR)
    for life in _alive:
        life.disown(null)
    os.close(null)
    _alive.clear()
    names.forget()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forked)
