"""Does what peers ask the origin for: calls and messages to siblings, barriers, marks.

It runs on the thread that reads the links, and neither waits nor raises. What takes longer, such as
the stacks of a peer, has a thread.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from ...core.errors import CallTimeout, PeerDown
from ...core.loop import loop
from ...core.worker import start_thread
from ...link import relayed
from ...link.protocol import messages
from ...link.protocol.messages import Payload
from ...link.relayed import Request
from .barrier import Party
from .barriers import Barriers
from .marks import Marks

if TYPE_CHECKING:
    from ...link.calls import RpcClient
    from ..lifecycle import PeerLife
    from ..peer import Peer
    from ..supervisor import Supervisor

#: Seconds between two looks for the process of a peer that is about to be started.
_STARTING_SECONDS = 0.01
#: All peers of this process, by the keys under which their handles travel.
handles: WeakValueDictionary[str, Peer] = WeakValueDictionary()


class Asker(NamedTuple):
    """Who asks: a peer, or a process that it has started."""

    life: PeerLife
    process: int  # 0 for the peer itself


class Relay:
    """Serves the peers of a supervisor."""

    def __init__(self, owner: Supervisor) -> None:
        self._owner = owner
        #: Its peers by name, those that are being started included.
        self.peers: WeakValueDictionary[str, Peer] = WeakValueDictionary()
        #: The places in their groups of those that have one, by name.
        self.indexes: dict[str, int] = {}
        self.barriers: Barriers = Barriers(owner)
        self.marks: Marks = Marks(owner)
        self._requests: dict[PeerLife, dict[int, Request]] = {}

    def received(
        self, life: PeerLife, client: RpcClient, kind: int, ident: int, payload: Payload
    ) -> None:
        """Take a message of a peer."""
        requests = self._requests.get(life)
        if requests is None:
            requests = self._requests[life] = {}
            client.at_end.append(partial(self._end, life))
        if kind == messages.CANCEL:
            if ident in requests:
                requests[ident].at_cancel()
            return
        request = requests[ident] = Request(client, ident)
        request.forget = partial(requests.pop, ident, None)
        try:
            (what, *arguments), payload = messages.split_head(payload)
            asker = Asker(life, 0)
            if what == "of child":
                process, what, *arguments = arguments
                asker = Asker(life, process)
            _SERVED[what](self, request, asker, payload, *arguments)
        except Exception as exc:
            request.fail(exc)

    def owes(self, life: PeerLife, ident: int) -> bool:
        """Return whether a request of `life` has no answer yet; 0 stands for what needs none."""
        return not ident or ident in self._requests.get(life, ())

    def call_of(self, life: PeerLife, ident: int) -> tuple[RpcClient, int] | None:
        """Return which call of another peer a request of `life` waits for; see `Request.call`."""
        request = self._requests.get(life, {}).get(ident)
        return None if request is None else request.call

    def _end(self, life: PeerLife) -> None:
        """Give up what a peer that has ended has asked for."""
        for request in list(self._requests.pop(life, {}).values()):
            request.answered = True
            request.at_cancel()

    def _peer(self, request: Request, _: Asker, __: Payload, name: str) -> None:
        living = sorted(life.options.name for life in self._owner.left())
        peer = self.peers.get(name)
        if peer is None or (peer.lives.started and name not in living):
            names = ", ".join(map(repr, living))
            raise LookupError(
                f"no living peer of this factory has the name {name!r}; there are {names}"
            )

        def tell(client: RpcClient) -> None:
            python = client.python if client.python[0] else None
            request.answer(marshal.dumps((peer.key, peer.options.call_timeout, python), 2))

        _with_client(peer.key, request, tell)

    def _about(self, request: Request, _: Asker, __: Payload, key: str) -> None:
        def tell(client: RpcClient) -> None:
            client.check_up()
            request.answer(marshal.dumps(client.python, 2))

        _with_client(key, request, lambda c: c.opened.after(request, partial(tell, c)))

    def _call(self, request: Request, _: Asker, payload: Payload, key: str, python: Any) -> None:
        def late(limit: float) -> None:
            whom = handles[key].life.record.whom()
            text = f"no answer from {whom} within {limit:g} s"
            request.fail(CallTimeout(text, self._stacks_of(key)))

        request.at_cancel = lambda: request.fail(CancelledError())
        request.at_late = late
        request.python = tuple(python)
        _with_client(key, request, lambda client: relayed.call(client, request, payload))

    def _cast(self, request: Request, _: Asker, payload: Payload, key: str) -> None:
        _with_client(key, request, lambda client: relayed.cast(client, request, payload))

    def _send(self, request: Request, _: Asker, payload: Payload, key: str, mailbox: str) -> None:
        _with_client(key, request, lambda client: relayed.send(client, request, mailbox, payload))

    def _held(self, request: Request, _: Asker, __: Payload, key: str = "") -> None:
        held = handles[key].life.held if key else self._owner.held
        _on_thread(request, lambda: request.answer(b"1" if held() else b""))

    def _stacks(self, request: Request, asker: Asker, _: Payload, key: str, ident: int) -> None:
        request.call = self.call_of(asker.life, ident)  # which still is what is waited for
        _on_thread(request, lambda: request.answer(self._stacks_of(key).encode()))

    def _stacks_of(self, key: str) -> str:
        """Return where a peer is that was called in vain; takes its time."""
        return self._owner.with_deadlock(handles[key].life.stacks.record("a call timed out"))

    def _late(self, request: Request, asker: Asker, _: Payload, ident: int, limit: float) -> None:
        request.answered = True  # nobody waits for it
        request.forget()
        late = self._requests.get(asker.life, {}).get(ident)
        if late is not None:
            _on_thread(late, partial(late.at_late, limit))

    def _barrier(self, request: Request, asker: Asker, _: Payload, name: str, parties: int) -> None:
        def settle(error: BaseException | None) -> None:
            if error is None:
                request.answer()
            else:
                request.fail(error)

        party = Party(asker.life.options.name, asker.process)
        token = self.barriers.token()
        request.at_cancel = lambda: self.barriers.leave(token, "has given up")
        request.at_late = partial(self.barriers.expire, token)
        self.barriers.enter(token, name, parties, party, settle)

    def _index(self, request: Request, asker: Asker, _: Payload) -> None:
        request.answer(marshal.dumps(self.indexes.get(asker.life.options.name), 2))

    def _mark(self, request: Request, asker: Asker, payload: Payload, name: str) -> None:
        self.marks.add(name, asker.life.options.name, payload)
        request.answer()


_SERVED: dict[str, Callable[..., None]] = {
    "peer": Relay._peer,
    "about": Relay._about,
    "call": Relay._call,
    "cast": Relay._cast,
    "send": Relay._send,
    "held": Relay._held,
    "stacks": Relay._stacks,
    "late": Relay._late,
    "barrier": Relay._barrier,
    "index": Relay._index,
    "mark": Relay._mark,
}


def _with_client(key: str, request: Request, step: Callable[[RpcClient], object]) -> None:
    """Call `step` as soon as the peer has a process, or is about to have one."""
    peer = handles.get(key)
    if peer is None:
        request.fail(PeerDown("the peer of that handle is no more"))
    elif peer.lives.started:
        step(peer.life.client)
    elif not request.answered:
        loop.call_later(_STARTING_SECONDS, partial(_with_client, key, request, step))


def _on_thread(request: Request, step: Callable[[], object]) -> None:
    def run() -> None:
        try:
            step()
        except Exception as exc:
            request.fail(exc)

    start_thread(run, "pytest-peer-relay")
