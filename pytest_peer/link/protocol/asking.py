"""How a peer, and what it has started, asks the origin to do something, and waits for that.

The origin answers each request once, also when the peer that it is about dies. So nothing here has
a limit of its own. When the time is over, the origin is told, and its answer says so.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Iterator, Optional, Protocol, Sequence, Tuple

from ...core.waiting import TaskWaiting, Waiting
from . import awaiting, children, messages
from .messages import Payload
from .unpatched import _thread, queue

#: Kind, payload, and the warnings before, which are still encoded.
Answer = Tuple[int, Payload, Sequence[Payload]]
#: Takes the answer, on a thread that must not wait; its kind is 0 if there will be none.
Done = Callable[[Answer], object]
#: How long to wait, the key of the peer that is waited for, which is empty for any, and what the wait
#: is called; see `Waiting`.
Limit = Tuple[Optional[float], str, str]
UNLIMITED: Limit = (None, "", "")


class Pending(Protocol):
    """A request without an answer."""

    number: int  # 0 if it has none here

    def periods(self) -> Iterator[float | None]:
        """Return how long to wait, and to wait on."""

    def late(self) -> object:
        """Tell the origin that these are over; it answers."""

    def cancel(self) -> object:
        """Give it up; an answer may still come."""


class Asking:
    """Asks the origin; `begin` is another one in a peer and in what that has started."""

    def begin(self, head: tuple[Any, ...], payload: Payload, done: Done, limit: Limit) -> Pending:
        """Ask the origin, and return at once."""
        raise NotImplementedError

    def report(self, text: str) -> None:
        """Report a failure that nobody has seen."""
        raise NotImplementedError

    def ask(
        self, head: tuple[Any, ...], payload: Payload = b"", limit: Limit = UNLIMITED
    ) -> Answer:
        """Ask the origin, and wait for the answer."""
        answers: Any = queue.SimpleQueue()
        return self.wait(self.begin(head, payload, answers.put, limit), answers, limit)

    @staticmethod
    def wait(pending: Pending, answers: Any, limit: Limit) -> Answer:
        """Wait for the answer, which comes to a queue."""
        try:
            with Waiting(limit[2], pending.number):
                for period in pending.periods():
                    try:
                        answer: Answer = answers.get(True, period)
                        return answer
                    except queue.Empty:
                        pass
                pending.late()
                last: Answer = answers.get()
                return last
        except BaseException:  # Ctrl-C, a time limit's signal
            pending.cancel()
            raise

    async def aask(self, head: tuple[Any, ...], payload: Payload, limit: Limit) -> Answer:
        """Do the same in a task, which may be cancelled: then the request is given up."""
        arrival = awaiting.Arrival()
        pending = self.begin(head, payload, arrival.bring, limit)
        try:
            with TaskWaiting(limit[2], pending.number):
                if not await arrival.wait(pending.periods()):
                    pending.late()
                    await arrival.wait(iter([None]))
        except BaseException:
            pending.cancel()
            raise
        answer: Answer = arrival.value
        return answer


class OfChild(Asking):
    """Asks by way of the peer that has started this process, the one with that `root`.

    The peer keeps to the limit. While this process waits in a task, or not at all, a thread reads.
    """

    def __init__(self, root: int) -> None:
        self._root = root

    def ask(
        self, head: tuple[Any, ...], payload: Payload = b"", limit: Limit = UNLIMITED
    ) -> Answer:
        with children.Connection(self._root) as sock:
            return _exchanged(sock, messages.with_head(limit, messages.with_head(head, payload)))

    def begin(self, head: tuple[Any, ...], payload: Payload, done: Done, limit: Limit) -> Pending:
        request = messages.with_head(limit, messages.with_head(head, payload))
        pending = _OfThread(children.Connection(self._root), request, done)
        _thread.start_new_thread(pending.run, ())
        return pending

    def report(self, text: str) -> None:
        sys.stderr.write(text + "\n")


class _OfThread:
    number = 0

    def __init__(self, connection: Any, request: Payload, done: Done) -> None:
        self._connection = connection
        self._request = request
        self._done = done

    def run(self) -> None:
        try:
            with self._connection as sock:
                answer = _exchanged(sock, self._request)
        except OSError as exc:
            answer = 0, str(exc).encode(), ()
        self._done(answer)

    def periods(self) -> Iterator[float | None]:
        return iter([None])

    def late(self) -> None:
        pass  # the peer says so

    def cancel(self) -> None:
        self._connection.hang_up()


def _exchanged(sock: Any, request: Payload) -> Answer:
    children.send(sock, messages.RELAY, request)
    warnings: list[Payload] = []
    for kind, payload in children.received(sock):
        if kind != messages.WARNING:
            return kind, payload, warnings
        warnings.append(payload)
    raise EOFError
