"""Calls to a peer: by its handle, an executor of `concurrent.futures`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..core.clock import monotonic, seconds
from ..link.futures import PeerFuture
from ..link.pickling import check_callable

if TYPE_CHECKING:
    from ..core.options import PeerOptions
    from .lifecycle import PeerLife
    from .restart import Lives

T = TypeVar("T")


class PeerExecutor(Executor):
    """Runs calls in a peer; what a peer is besides, `Peer` adds."""

    #: :private:
    lives: Lives

    @property
    def life(self) -> PeerLife:
        """:private: its present life."""
        return self.lives.present

    @property
    def options(self) -> PeerOptions:
        """The options it was started with."""
        return self.life.options

    @overload
    def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...
    @overload
    def call(self, fn: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``fn(*args, **kwargs)`` in the peer. Erlang's ``peer:call/4``.

        The time limit is the option ``call_timeout``, 60 seconds by default.

        :param fn: A callable, or ``"module:qualname"`` for what cannot be imported here. A
            coroutine function runs on an event loop that lives as long as the peer.
        :returns: What `fn` returns. What it raises is raised here.
        :raises CallTimeout: No answer in time. The function goes on, its answer is dropped, the
            peer stays usable.
        :raises PeerDown: The peer has ended.
        :raises EncodeError: The call or its result cannot be sent.
        """
        return self.call_within(self.options.call_timeout, fn, *args, **kwargs)

    def call_within(
        self, timeout: float | None, fn: Callable[..., T] | str, /, *args: Any, **kwargs: Any
    ) -> T:
        """Call with a time limit of its own; see `call`. Erlang's ``peer:call/5``.

        :param timeout: Seconds; ``None`` for no limit.
        """
        check_callable(fn)
        result: T = self.life.client.call(fn, args, kwargs, seconds("call_within", timeout))
        return result

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> PeerFuture:
        """Call without waiting; see `call`.

        :returns: A future. Its ``result(timeout)`` returns or raises what `call` does, and without
            a time limit has that of `call`, counted from the asking.
        :raises PeerDown: The peer has ended.
        """
        check_callable(fn)
        life = self.life
        future = life.client.submit(fn, args, kwargs)
        future.call_timeout = life.options.call_timeout
        return future

    def map(
        self,
        fn: Callable[..., Any] | str,
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,  # noqa: ARG002 - Executor's; there is nothing to be gained by it
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Submit a call for every row of the iterables, and give the results in order.

        :param timeout: Seconds for all of them together; ``None`` for no limit.
        :param buffersize: Calls whose results were not yet asked for; ``None`` for all.
        """
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize: expected None or 1 and more, got {buffersize!r}")
        calls = (self.submit(fn, *row) for row in zip(*iterables, strict=False))
        first = deque(islice(calls, buffersize))
        return _results(first, calls, seconds("timeout", timeout))

    async def acall(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Call and await the outcome, for asyncio and trio; see `call`.

        Where this is cancelled, so is a coroutine that runs in the peer. If that raises something
        else then, it is an `UnhandledPeerException`. What a function returns or raises is dropped.
        """
        calls = self.life.client
        future = self.submit(fn, *args, **kwargs)
        try:
            return await future.aresult(self.options.call_timeout)
        except Exception:
            calls.pending.pop(future.ident, None)  # a late reply is dropped
            raise
        except BaseException:  # a cancellation, whichever library's
            future.abandoned = True
            future.cancel()
            raise

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` in the peer, and wait for no answer. Erlang's ``peer:cast/4``.

        An exception is written to the peer's stderr, and is an `UnhandledPeerException`. While the
        peer boots, this waits for the boot.

        :raises PeerDown: The peer has ended.
        :raises EncodeError: The call cannot be sent.
        """
        check_callable(fn)
        self.life.client.cast(fn, args, kwargs)

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into a mailbox of the peer. Erlang's ``peer:send/3``.

        There ``pytest_peer.here.mailbox(name)`` gets it. This waits until the peer has booted.

        :param mailbox: The mailbox's name.
        :raises PeerDown: The peer has ended.
        :raises EncodeError: The message cannot be sent.
        """
        self.life.client.send(mailbox, message)


def _results(
    futures: deque[PeerFuture], later: Iterator[PeerFuture], timeout: float | None
) -> Iterator[Any]:
    """Yield the results in order, as ``Executor.map`` does; the limit is for all together."""
    deadline = None if timeout is None else monotonic() + timeout
    try:
        while futures:  # keeps nothing of a result that it has given
            futures.extend(islice(later, 1))
            begun = monotonic()
            left = None if deadline is None else max(0.0, deadline - begun)
            value = [_first(futures, left, timeout)]
            if timeout and left and monotonic() - begun > left:  # a debugger: it begins anew
                deadline = monotonic() + timeout
            yield value.pop()
    finally:
        for future in futures:
            future.ask()  # a failure before it has been seen, or the rest is not wanted
            future.cancel()


def _first(futures: deque[PeerFuture], left: float | None, timeout: float | None) -> Any:
    value, exc = futures[0].outcome(left, timeout)
    if exc is not None:
        raise exc
    del futures[0]
    return value
