"""Peers that end together: those of a test, of a scope, of the process."""

import contextlib
import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..core import names
from ..core.errors import BootError, NameInUse, PeerDownWarning, PeerError
from ..core.locks import Lock
from ..core.options import PeerOptions, checked, of_each
from ..core.services import Services
from ..core.start_methods import patched_by
from ..core.sync import Event
from ..evidence.artifacts import Artifacts
from ..link.calls import RpcClient
from ..link.futures import PeerFuture, users_level
from ..link.protocol.mailbox import Mailboxes
from ..link.protocol.messages import Payload
from ..link.unhandled import Unhandled
from .choreography import blocked, deadlock, where
from .choreography.blocked import Blocked
from .choreography.mailboxes import OriginMailbox
from .choreography.ports import Ports
from .choreography.relay import Relay
from .group import PeerGroup
from .lifecycle import PeerLife
from .peer import Peer
from .restart import kill_all, stop_all
from .transitions import Phase

#: All lives that have or make a process, or still hold something. Changed on threads of ours only.
_living: set[PeerLife] = set()
_lock = Lock()
_abandoned = ""  # why no peer is started any more
#: Why a peer that could boot is stopped.
_GIVEN_UP = "another peer of its group did not boot"


class Supervisor:
    """Starts peers, and stops them together."""

    def __init__(self) -> None:
        self.mailboxes: Mailboxes = Mailboxes(partial(OriginMailbox, owner=self), self.call_timeout)
        #: Woken when a message has come, or perhaps no more can come.
        self.mail: Event = Event()
        #: What must go on while somebody waits for messages of its peers.
        self.services: Services = Services()
        #: Name and text of the lives that ended last. A list of lives would keep their memory.
        self.ended: deque[tuple[str, str]] = deque(maxlen=16)
        #: The first that ended unasked, or the first that ended, of those since none lived.
        self.first_ended: PeerLife | None = None
        #: The threads that restart a peer, which lives for all that.
        self.restarting: set[int] = set()
        #: Failures of code in the peers that nobody has seen.
        self.unhandled: Unhandled = Unhandled()
        #: Does what its peers ask for: calls of each other, barriers, marks.
        self.relay: Relay = Relay(self)
        self.resources: contextlib.ExitStack = contextlib.ExitStack()  # left after the peers
        #: Those that its peers have reserved.
        self.ports: Ports = Ports()
        self.resources.callback(self.ports.close)
        self._deaths: list[PeerLife] = []  # that nobody asked for: a warning or an error
        self._closed = False

    def start(self, options: Mapping[str, Any]) -> Peer:
        """Check options, start a peer, and wait for its boot as ``wait_boot`` says."""
        chosen = checked(options)
        self.relay.indexes.pop(chosen.name, None)
        peers, failures = self._start_all([chosen])
        if failures:
            raise failures[0]
        return peers[0]

    def start_many(
        self,
        count: int,
        options: Mapping[str, Any],
        name: Callable[[], str],
        placed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        each: Sequence[Mapping[str, Any]] | None = None,
    ) -> PeerGroup:
        """Start `count` peers or none; `name` makes up a name, `placed` completes the options."""
        own = of_each(count, each)
        if (prefix := options.get("name")) is not None:
            names.checked(prefix)
        chosen = [f"{prefix}-{index}" if prefix is not None else name() for index in range(count)]
        every = [checked(placed({**options, "name": chosen[i], **own[i]})) for i in range(count)]
        self.relay.indexes.update({each.name: index for index, each in enumerate(every)})
        peers, failures = self._start_all(every)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {count} peers did not boot", failures)
        return PeerGroup(peers)

    def _start_all(self, every: list[PeerOptions]) -> tuple[list[Peer], list[Exception]]:
        """Start peers that boot at the same time; after an error none of them is left."""
        peers = [self.new_peer() for _ in every]
        # Before the first starts: its `setup` may ask for the others.
        self.relay.peers.update({each.name: peer for each, peer in zip(every, peers, strict=True)})
        failures: list[Exception] = []

        def give_up() -> None:
            begun = [peer.life for peer in peers if peer.lives.started]
            for life in begun if failures else ():
                life.requests.stop, life.requests.why = True, _GIVEN_UP
            kill_all(begun)

        with contextlib.ExitStack() as undo:  # also Ctrl-C, or a time limit, while they boot
            undo.callback(give_up)
            for step in (self._begin, self._wait_boot):
                for peer, options in zip(peers, every, strict=True):
                    try:
                        step(peer, options)
                    except PeerError as exc:
                        failures.append(exc)
            if not failures:
                undo.pop_all()
        return peers, failures

    def _begin(self, peer: Peer, options: PeerOptions) -> None:
        if library := patched_by():
            raise BootError(
                f"peer {options.name!r} is not started: {library} has monkey-patched this process, "
                "and its greenlets cannot control peers; patch in the peer, by its first call, "
                "and not where pytest runs"
            )
        PeerLife(options, peer.lives).start()

    def _wait_boot(self, peer: Peer, options: PeerOptions) -> None:
        if options.awaits_boot and peer.lives.started:
            peer.wait_boot()

    # For the lives of its peers, on threads of ours

    def admit(self, life: PeerLife) -> Artifacts:
        """Enter a life into the register, and make the directory of its artifacts."""
        name = life.options.name
        with _lock:
            if any(each.options.name == name and each.phase < Phase.DOWN for each in living()):
                raise NameInUse(
                    f"a peer named {name!r} is alive already; stop it first, or choose another name"
                )
            if not self.left():
                self.first_ended = None
            _living.add(life)
        # After it is in: `close` and `abandon` stop what is in after they have forbidden more.
        if self._closed:
            raise RuntimeError("a peer factory cannot start peers after the end of its scope")
        if _abandoned:
            raise BootError(f"peer {name!r} is not started: {_abandoned}")
        return Artifacts(life.options.artifacts or self.directory(), name)

    def started(self, life: PeerLife) -> None:
        """Note that the process of a peer has been started."""

    def directory(self) -> Path | None:
        """Return where artifacts go; ``None`` for a temporary directory."""
        return None

    def new_peer(self) -> Peer:
        """Return a peer that has not begun."""
        return Peer(self)

    def place(self, options: PeerOptions) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what a peer's process does first: functions of `launch.namespaces`, and values.

        A ``title`` is what ``ps`` shows of it instead of its node.
        """
        return {}

    def on_its_way(self) -> str:
        """Return what is on its way among its peers besides messages; empty for nothing."""
        return ""

    def call_timeout(self) -> float | None:
        """Return the limit of what waits for messages and has no limit of its own."""
        return PeerOptions().call_timeout

    def collectors(self, peer: Peer) -> Iterable[Any]:  # noqa: ARG002
        """Return what the peer runs after each call, for failures that plugins collect there."""
        return ()

    def down(self, life: PeerLife) -> None:
        """Note that a peer is about to be down, with its reason."""
        if life.died_unasked:
            self._deaths.append(life)
        first = self.first_ended
        if first is None or (life.died_unasked and not first.died_unasked):
            self.first_ended = life
        self.relay.barriers.ended(life)

    def released(self, life: PeerLife) -> None:
        _living.discard(life)
        self.ended.append((life.options.name, repr(life)))
        self.mail.wake()

    def left(self) -> list[PeerLife]:
        """Return the lives that are not down; takes no lock."""
        return [life for life in living() if life.owner is self and life.phase < Phase.DOWN]

    def held(self) -> bool:
        """Return whether a debugger holds one of its peers."""
        return any(life.held() for life in self.left())

    def debugged(self, client: RpcClient, payload: Payload) -> None:
        """Take what a debugger in one of its peers says, on a thread that must not wait."""
        from ..debugger import attach, stops  # most never need it

        if not stops.listeners:
            stops.listeners.append(attach.on_stderr().update)
        stops.received(client, payload)

    def wait_blocked(self, life: PeerLife, future: PeerFuture, timeout: float | None) -> Blocked:
        """Wait until a call of one of its peers waits; see `PeerFuture.wait_blocked`."""
        return blocked.wait(life, future, timeout)

    def with_deadlock(self, stacks: str) -> str:
        """Return stacks below a cycle of waits among its peers, if there is one."""
        return "\n\n".join(filter(None, [deadlock.told(self.left()), stacks]))

    def where(self, life: PeerLife, limit: float | None) -> str:
        """Return where one of its peers is from which output was awaited; see `where.after`."""
        return where.after(limit, [life], "output was awaited")

    def stopped(self) -> None:
        """Called when a user has stopped a peer."""

    def raise_crashes(self) -> None:
        """Raise `PeerDown` for the first peer with ``peer_down="crash"`` that went down unasked."""
        __tracebackhide__ = True
        for life in tuple(self._deaths):
            if life.options.peer_down == "crash":
                with contextlib.suppress(ValueError):
                    self._deaths.remove(life)
                raise life.record.down_error()

    def lost(self) -> list[PeerLife]:
        """Return the lives that have died unasked, as long as no warning or failure tells of it.

        A peer that was restarted after that, and has ended as it was asked to, is none of them.
        """
        return [life for life in tuple(self._deaths) if life is life.lives.present]

    def forget_deaths(self, told: Callable[[PeerLife], bool]) -> None:
        """Forget the unasked deaths of which a failure has told: they need no warning."""
        for life in tuple(self._deaths):
            if told(life):
                with contextlib.suppress(ValueError):
                    self._deaths.remove(life)

    def warn(self, closed: bool = False) -> None:
        """Warn of unasked deaths, and of unseen failures as `Unhandled.warnings` gives them."""
        raised: list[Warning] = []
        for warning in itertools.chain(self._warnings_of_deaths(), self.unhandled.warnings(closed)):
            try:
                self.issue(warning)
            except Warning as exc:  # the filters make errors of them
                raised.append(exc)
        if raised:
            raise ExceptionGroup("warnings of peers", raised) if raised[1:] else raised[0]

    def issue(self, warning: Warning) -> None:
        """Warn at the line of the user that has called us."""
        warnings.warn(warning, stacklevel=users_level())

    def _warnings_of_deaths(self) -> Iterator[Warning]:
        with contextlib.suppress(IndexError):
            while True:
                life = self._deaths.pop(0)
                if life.options.peer_down != "continue":
                    whom, reason = life.record.whom(), life.record.reason
                    text = f"{whom} went down: {reason}; see {life.record.artifacts.path}"
                    yield PeerDownWarning(text)

    def close(self) -> None:
        """Stop all peers at the same time, and start no more; raises as `stop_all`."""
        self._closed = self.unhandled.closing = True
        with self.resources:
            stop_all([each for each in living() if each.owner is self], wait_closed=True)


def living() -> list[PeerLife]:
    return list(_living)


def abandon(why: str) -> None:
    """Kill all peers, and start no more: no test needs them any longer."""
    global _abandoned
    _abandoned = why
    with contextlib.suppress(PeerError):  # no caller could catch it
        kill_all(living(), save=False)


def _forked() -> None:
    """Give up all lives, in a forked child: an open link would keep the parent's peers alive."""
    global _lock
    _lock = Lock()
    null = os.open(os.devnull, os.O_RDWR)
    for life in _living:
        life.disown(null)
    os.close(null)
    _living.clear()


os.register_at_fork(after_in_child=_forked)
