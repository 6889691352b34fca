"""The mailboxes of the test: whose wait ends when no peer is left that could send."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.clock import Periods
from ...core.errors import PeerDown
from ...link.pickling import decode
from ...link.protocol.awaiting import on_thread, reached
from ...link.protocol.mailbox import Mailbox, Mailboxes
from ...link.protocol.messages import Payload
from . import where

if TYPE_CHECKING:
    from ..lifecycle import PeerLife
    from ..supervisor import Supervisor


class OriginMailbox(Mailbox):
    """A mailbox whose `get` raises `PeerDown` when no peer is left that could send."""

    def __init__(self, name: str, boxes: Mailboxes, owner: Supervisor) -> None:
        super().__init__(name, lambda payload: decode(payload, "the message"), boxes, owner.mail)
        self._owner = owner

    def __iter__(self) -> Iterator[Any]:
        with contextlib.suppress(PeerDown):
            yield from super().__iter__()

    def _take(self, timeout: float | None) -> Payload:
        look = _Look(self, self._owner)
        wait = partial(self._owner.mail.wait_for, look.settled)
        settled = any(map(wait, Periods(timeout, self._owner.held)))
        return look.outcome(settled, "" if settled else look.where(timeout))

    async def _atake(self, timeout: float | None) -> Payload:
        look, owner = _Look(self, self._owner), self._owner
        periods = Periods(timeout, owner.held)
        settled = await reached(look.settled, owner.mail.call_back, periods)
        told = "" if settled else await on_thread(partial(look.where, timeout))
        return look.outcome(settled, told)

    def hints(self) -> str:
        """Return what else a reader of an error should know."""
        restarted = {life.options.name for life in self._owner.left()}
        down = [text for name, text in list(self._owner.ended) if name not in restarted]
        failed = [cast for text in self._owner.unhandled.texts() if (cast := _failed_cast(text))]
        every = (super()._hints(), "; failed casts: ", failed), ("", "; down: ", down)
        return "".join(
            first + (title + ", ".join(texts) if texts else "") for first, title, texts in every
        )

    _hints = hints


class _Look:
    """One wait for a message of a mailbox of the test."""

    def __init__(self, box: OriginMailbox, owner: Supervisor) -> None:
        self._box = box
        self._owner = owner
        self._taken: list[Payload] = []
        self._cause: PeerLife | None = None
        self._failure: BaseException | None = None  # of a service

    def settled(self) -> bool:
        """Return whether there is a message, which is taken, or none will come."""
        owner = self._owner
        # Before the look at messages: what they have sent has come then.
        self._cause = None if owner.left() or owner.restarting else owner.first_ended
        self._failure = owner.services.failure()
        ended = self._cause is not None or self._failure is not None
        return self._box._pop(self._taken) or ended or self._box.closed

    def where(self, limit: float | None) -> str:
        """Return where the peers are that have sent nothing within `limit`."""
        return where.after(limit, self._owner.left(), "a message was awaited")

    def outcome(self, settled: bool, told: str) -> Payload:
        """Return the message, or raise why there is none."""
        if not settled:
            raise queue.Empty(self._box.hints() + told)
        if self._taken:
            return self._taken[0]
        if self._failure is not None:
            raise self._failure
        if self._cause is None:
            raise self._box._end(self._box.hints())
        error = self._cause.record.down_error()
        error.args = (f"no message in mailbox {self._box.name!r}{self._box.hints()}",)
        raise error


def _failed_cast(text: str) -> str:
    """Return peer and exception of the text of a failed cast, on one line; else nothing."""
    head, _, rest = text.partition(": exception in a cast:")
    return f"{head}: {rest.strip().splitlines()[-1]}" if rest.strip() else ""
