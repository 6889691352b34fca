"""The mailboxes of the state machine of choreography: who has sent what, and who got it.

What is expected: a message that a sender has sent, as its call has returned, is taken once, behind
all that were sent before. Of a sender that dies meanwhile, the first ones arrive, without a gap. A
mailbox of a peer ends with that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass, field
from typing import Any

import machine_calls as calls
import pytest
from machine_model import TEST, Mail, Message, Sending
from machine_world import Call, World, blocked_on, until
from timeouts import LONG

from pytest_peer import PeerDown

TAKE = {"thread": calls.take, "task": calls.atake, "child": calls.child_takes}


@dataclass
class Box:
    mail: Mail = field(default_factory=Mail)
    takers: list[Call] = field(default_factory=list)


#: Messages of one call; whose call; it, if it is none of this process.
Begun = tuple[Sending, str, Any]


class Boxes:
    """All mailboxes, by their owners and names; that of the test has no owner's name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._boxes: dict[tuple[str, str], Box] = {}
        self._wave = 0

    def waiting(self) -> list[Call]:
        """Return the calls that wait for a message."""
        return [call for box in self._boxes.values() for call in box.takers if call.future]

    def send_and_take(
        self, owner: str, name: str, acts: list[Any], meanwhile: Callable[[], object]
    ) -> None:
        """Send and take at the same time, and see who has got what."""
        if owner and not self._world.lives(owner):
            self._send_to_the_dead(owner, name)
            return
        box = self._box(owner, name)
        self._wave += 1
        begun: list[Begun] = []
        for what, *details in acts:
            if what == "send":
                begun += self._send(owner, name, *details)
            elif what == "take":
                box.takers.append(self._take(owner, name, *details))
            else:
                _cancel_one_of(box.takers, *details)
        meanwhile()
        self._account(owner, name, begun)

    def close(self, owner: str, name: str) -> None:
        if owner and not self._world.lives(owner):
            return
        if owner:
            self._world.peers[owner].call_within(LONG, calls.close, self._world.name(name))
        else:
            self._world.factory.mailbox(self._world.name(name)).close()
        self._box(owner, name).mail.closed = True
        self._account(owner, name)

    def account_for_all(self) -> None:
        for owner, name in list(self._boxes):
            self._account(owner, name)

    def ended(self, peer: str) -> None:
        """Check all that has to do with a peer that has ended."""
        for owner, name in list(self._boxes):
            box = self._boxes[owner, name]
            if owner == peer:
                del self._boxes[owner, name]
                self._account_of_the_dead(box, ())
            elif not owner or any(taker.peer == peer for taker in box.takers):
                self._account(owner, name)

    def _box(self, owner: str, name: str) -> Box:
        return self._boxes.setdefault((owner, name), Box())

    def _send(self, owner: str, box: str, sender: str, way: str, count: int) -> list[Begun]:
        world, name = self._world, self._world.name(box)
        sending = Sending(world.ident(), count, self._wave)
        messages = [tuple(each) for each in sending.messages()]
        if sender == TEST:
            for each in messages if owner else ():
                world.peers[owner].send(name, each)
            return [(sending, sender, None)] if owner else []
        if not world.lives(sender):
            return []
        fn = calls.child_sends if way == "child" else calls.send
        return [(sending, sender, world.submit(sender, way, fn, owner, name, messages).future)]

    def _take(
        self, owner: str, box: str, asker: str, way: str, inner: str, limit: float | None
    ) -> Call:
        world, name = self._world, self._world.name(box)
        if not owner:
            mailbox = world.factory.mailbox(name)
            if way == "task":
                call = world.in_test(way, lambda: asyncio.run(mailbox.aget(limit)))
            else:
                call = world.in_test(way, lambda: mailbox.get(limit))
        elif asker and world.lives(asker):
            ask, way = (calls.aask, way) if way == "task" else (calls.ask, "thread")
            call = world.submit(asker, way, ask, owner, TAKE[inner], name, limit)
            call.inner, call.on = inner, blocked_on(way, f"call {owner}")
        else:
            call = world.submit(owner, way, TAKE[way], name, limit)
            call.on = blocked_on(way, f"mailbox {name}")
        call.limit = limit
        return call

    def _account(self, owner: str, name: str, begun: Sequence[Begun] = ()) -> None:
        """Check where all messages of a mailbox are, and who waits for some."""
        box, world = self._box(owner, name), self._world
        for taker in box.takers:
            if taker.limit is not None:  # it sleeps, and so is at rest
                wait([taker.future], LONG)
        world.rest()
        if owner and not world.lives(owner):
            self._account_of_the_dead(box, begun)
            del self._boxes[owner, name]
            return
        taken = self._taken_by_test(box) if not owner else self._taken_by_peer(owner, box)
        left = [Message(*each) for each in self._rest_of(owner, world.name(name))]
        for sending, sender, future in begun:
            errors = () if sender == TEST or world.lives(sender) else (PeerDown,)
            if future is None or world.is_value(future, errors):
                box.mail.add(sending)
            else:
                arrived = [each for each in (*taken, *left) if each.sending == sending.ident]
                box.mail.add_some(sending, arrived)
        box.mail.take(taken)
        box.mail.take_in_order(left)
        assert not box.mail.left, f"lost: {list(box.mail.left)}"
        assert not (left and box.takers), f"they waited while there was {left}"

    def _taken_by_test(self, box: Box) -> list[Message]:
        world = self._world
        until(lambda: all(taker.parked() for taker in box.takers))
        taken = []
        for taker in list(box.takers):
            if not taker.future.done():
                assert world.living, "all peers are down, and it waits"
                assert not box.mail.closed
                continue
            box.takers.remove(taker)
            errors = [PeerDown] * (box.mail.closed or not world.living)
            if world.is_value(taker.future, (*errors, *_late(taker))):
                taken.append(Message(*taker.future.result(0)))
        return taken

    def _taken_by_peer(self, owner: str, box: Box) -> list[Message]:
        world = self._world
        values, waiting = self._takers(owner, box)
        taken = []
        for taker in list(box.takers):
            if taker.future is not None and world.is_gone(taker):
                errors = [PeerDown] + [CancelledError] * taker.cancelled
                world.is_value(taker.future, (*errors, *_late(taker)))
                taker.future = None  # it waits perhaps, though nobody waits for it
            if taker.ident in waiting:
                if taker.cancelled and taker.inner != "task":
                    taker.future = None
                assert taker.future is None or not taker.future.done(), "let go too early"
                assert not (box.mail.closed or taker.limit is not None)
                continue
            box.takers.remove(taker)
            message = values.get(taker.ident)
            if message is not None:
                taken.append(Message(*message))
            if taker.future is not None:
                errors = [PeerDown] * box.mail.closed + [CancelledError] * taker.cancelled
                is_value = world.is_value(taker.future, (*errors, *_late(taker)))
                assert is_value == (message is not None) or taker.cancelled
        return taken

    def _takers(self, owner: str, box: Box) -> tuple[dict[str, Any], set[str]]:
        """Return what `calls.takers` does, when none waits any more that has a limit.

        If the task that has asked is cancelled, the call that it has asked for goes on.
        """
        limited = {taker.ident for taker in box.takers if taker.limit is not None}
        found: tuple[dict[str, Any], set[str]] = {}, set()

        def are_over() -> bool:
            nonlocal found
            found = self._world.peers[owner].call_within(LONG, calls.takers)
            return not limited & found[1]

        until(are_over)
        return found  # type: ignore[no-any-return]

    def _account_of_the_dead(self, box: Box, begun: Sequence[Begun]) -> None:
        """Check what has come of messages of a peer that has died: none is taken twice."""
        sent = set(box.mail.left)
        for sending, _, future in begun:
            sent |= set(sending.messages())
            if future is not None:
                self._world.is_value(future, (PeerDown, LookupError))
        errors = PeerDown, LookupError, CancelledError, TimeoutError
        taken = [
            Message(*taker.future.result(0))
            for taker in box.takers
            if taker.future is not None and self._world.is_value(taker.future, errors)
        ]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= sent

    def _rest_of(self, owner: str, name: str) -> list[Any]:
        """Take all that is in a mailbox."""
        if owner:
            found: list[Any] = self._world.peers[owner].call_within(LONG, calls.rest, name)
            return found
        messages = []
        while True:
            try:
                messages.append(self._world.factory.mailbox(name).get(0))
            except (TimeoutError, PeerDown):
                return messages

    def _send_to_the_dead(self, owner: str, box: str) -> None:
        name = self._world.name(box)
        with pytest.raises(PeerDown):
            self._world.peers[owner].send(name, "lost")
        for each in self._world.living:
            with pytest.raises(LookupError):
                self._world.peers[each].call_within(LONG, calls.send, "", owner, name, ["lost"])


def _cancel_one_of(every: list[Call], number: int) -> None:
    some = [each for each in every if each.future and each.peer != TEST and not each.cancelled]
    if some:
        call = some[number % len(some)]
        call.cancelled = call.way == "task"
        call.future.cancel()


def _late(taker: Call) -> list[type[BaseException]]:
    return [TimeoutError] * (taker.limit is not None)
