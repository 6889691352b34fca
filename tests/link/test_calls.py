"""The verbs that wait for an answer: `call`, `call_within`, `submit`, `acall`, and the `Executor` that a peer is."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import itertools
import math
import operator
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gates import Gate

from pytest_peer import CallTimeout
from pytest_peer import EncodeError
from pytest_peer import Peer
from pytest_peer import PeerDown
from pytest_peer import PeerError
from pytest_peer import here

LONG = 30.0  # for what has to come, on a busy machine too
PARAMETER_NAMES = {"fn": 1, "timeout": 2, "self": 3, "args": 4, "kwargs": 5, "seconds": 6}


class OwnError(Exception):
    """An exception that only this module has."""


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance

    def plus(self, amount: int) -> int:
        return self.balance + amount

    @classmethod
    def empty(cls) -> Account:
        return cls(0)

    def __call__(self, amount: int) -> int:
        return self.plus(amount)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and other.balance == self.balance

    __hash__ = None  # type: ignore[assignment]


def keywords(**kwargs: object) -> dict[str, object]:
    return kwargs


def keywords_to(box: str, /, **kwargs: object) -> None:
    here.origin.send(box, kwargs)


def fail(*args: object) -> None:
    raise OwnError(*args)


def end(exc: BaseException) -> None:
    raise exc


def take(box: str) -> Any:
    """Wait for a message: how a test keeps a call running."""
    return here.mailbox(box).get(LONG)


meeting = threading.Barrier(2)


def meet() -> int:
    return meeting.wait(LONG)


def report_and_take(box: str) -> Any:
    here.origin.send("runs", box)
    message = take(box)
    here.origin.send("went on", message)
    return message


def report_where(box: str) -> bool:
    here.origin.send("runs", box)
    take(box)
    return on_main_thread()


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


counter = itertools.count(1)


def count() -> int:
    return next(counter)


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


async def loop_and_thread() -> tuple[int, int]:
    return id(asyncio.get_running_loop()), threading.get_ident()


events: dict[str, asyncio.Event] = {}


async def wait_for_event(name: str) -> str:
    event = events.setdefault(name, asyncio.Event())
    here.origin.send("runs", name)
    await asyncio.wait_for(event.wait(), LONG)
    return name


async def set_event(name: str) -> None:
    events[name].set()


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise OwnError("later")


async def end_later(exc: BaseException) -> None:
    raise exc


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    """For tests that leave nothing running."""
    return module_peer_factory()


@pytest.fixture
def booting(peer_factory: Any, gate: Gate) -> Peer:
    return peer_factory(exec=gate.launcher(), wait_boot=False)


@pytest.fixture
def dead(peer_factory: Any) -> Peer:
    peer = peer_factory()
    peer.kill()
    return peer


# Values and arguments


def test_call_returns_the_value(shared: Peer) -> None:
    assert shared.call(operator.add, 1, 2) == 3


def test_call_runs_in_the_peer(shared: Peer) -> None:
    assert shared.call(os.getpid) == shared.pid != os.getpid()


def test_call_of_a_function_of_the_test_module(shared: Peer) -> None:
    assert shared.call(keywords) == {}


def test_module_state_lives_from_call_to_call(peer: Peer) -> None:
    assert [peer.call(count) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("verb", ["call", "call_within", "submit", "acall", "cast"])
def test_keywords_may_be_named_like_parameters(
    shared: Peer, module_peer_factory: Any, verb: str
) -> None:
    if verb == "call":
        result = shared.call(keywords, **PARAMETER_NAMES)
    elif verb == "call_within":
        result = shared.call_within(LONG, keywords, **PARAMETER_NAMES)
    elif verb == "submit":
        result = shared.submit(keywords, **PARAMETER_NAMES).result(LONG)
    elif verb == "acall":
        result = asyncio.run(shared.acall(keywords, **PARAMETER_NAMES))
    else:
        shared.cast(keywords_to, "keywords", **PARAMETER_NAMES)
        result = module_peer_factory.mailbox("keywords").get(LONG)
    assert result == PARAMETER_NAMES


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("operator:add", (1, 2), 3),
        ("os.path:basename", ("/a/b",), "b"),
        ("collections:OrderedDict.fromkeys", ("ab",), {"a": None, "b": None}),
        ("builtins:str.upper", ("a",), "A"),
    ],
)
def test_callable_may_be_named(shared: Peer, name: str, args: tuple[Any], value: object) -> None:
    assert shared.call(name, *args) == value


@pytest.mark.parametrize("name", ["os", "os:", ":getpid", "", ":"])
@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_name_without_module_or_qualname_is_refused(shared: Peer, verb: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"module:qualname.*{name!r}"):
        getattr(shared, verb)(name)


@pytest.mark.parametrize(
    "name", ["no_such_module:f", "os:no_such_function", "os.path:join.nothing"]
)
def test_name_of_nothing_is_an_error_that_says_so(shared: Peer, name: str) -> None:
    with pytest.raises(Exception, match=r"no_such_module|no_such_function|nothing"):
        shared.call(name)


@pytest.mark.parametrize("thing", [None, 1, ["os:getpid"], b"os:getpid"])
@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_what_cannot_be_called_is_refused(shared: Peer, verb: str, thing: object) -> None:
    with pytest.raises(TypeError) as caught:
        getattr(shared, verb)(thing)
    assert repr(thing) in str(caught.value)


def test_partial(shared: Peer) -> None:
    assert shared.call(functools.partial(operator.sub, 10), 3) == 7


def test_partial_of_a_coroutine_function(shared: Peer) -> None:
    assert shared.call(functools.partial(twice, 4)) == 8


def test_bound_method(shared: Peer) -> None:
    assert shared.call(Account(3).plus, 4) == 7


def test_bound_method_of_a_builtin(shared: Peer) -> None:
    assert shared.call("a,b".split, ",") == ["a", "b"]


def test_class_method(shared: Peer) -> None:
    assert shared.call(Account.empty) == Account(0)


def test_class(shared: Peer) -> None:
    assert shared.call(Account, 5) == Account(5)


def test_callable_instance(shared: Peer) -> None:
    assert shared.call(Account(3), 4) == 7


def test_lambda(shared: Peer) -> None:
    assert shared.call(lambda a, b: a * b, 6, 7) == 42


def test_lambda_that_uses_this_module(shared: Peer) -> None:
    assert shared.call(lambda: Account(2).plus(operator.add(1, 1))) == 4


def test_closure(shared: Peer) -> None:
    offset = 10

    def shifted(value: int) -> int:
        return value + offset

    assert shared.call(shifted, 1) == 11


def test_recursive_closure(shared: Peer) -> None:
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    assert shared.call(factorial, 10) == math.factorial(10)


def test_local_coroutine_function(shared: Peer) -> None:
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert shared.call(add, 1, 2) == 3


# Exceptions


def test_exception_is_raised_as_itself(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(fail, "no", 7)
    assert type(caught.value) is OwnError
    assert caught.value.args == ("no", 7)


def test_exception_of_a_builtin_function(shared: Peer) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        shared.call(operator.truediv, 1, 0)


def test_failed_assertion_is_an_assertion_error(shared: Peer) -> None:
    def fails() -> None:
        raise AssertionError("not so")

    with pytest.raises(AssertionError, match="not so"):
        shared.call(fails)


def test_note_tells_which_peer(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(fail)
    assert any(shared.name in note for note in caught.value.__notes__)


def test_stop_iteration_is_raised_as_itself(shared: Peer) -> None:
    with pytest.raises(StopIteration):
        shared.call(next, iter([]))


@pytest.mark.parametrize("verb", [Peer.call, lambda peer, *args: peer.submit(*args).result(LONG)])
@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt("now"), GeneratorExit("over")])
def test_exception_that_ends_programs_is_the_call_s(
    shared: Peer, verb: Callable[..., Any], ending: BaseException
) -> None:
    with pytest.raises(type(ending)) as caught:
        verb(shared, end, ending)
    assert caught.value.args == ending.args
    assert shared.call(os.getpid) == shared.pid


def test_exit_code_is_kept(shared: Peer) -> None:
    with pytest.raises(SystemExit) as caught:
        shared.call(sys.exit, 3)
    assert caught.value.code == 3


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt("now")])
def test_exception_that_ends_programs_does_not_end_the_event_loop(
    shared: Peer, ending: BaseException
) -> None:
    with pytest.raises(type(ending)):
        shared.call(end_later, ending)
    assert shared.call(twice, 1) == 2


# Coroutine functions


def test_coroutine_function_returns_its_value(shared: Peer) -> None:
    assert shared.call(twice, "ab") == "abab"


def test_coroutine_function_raises_its_exception(shared: Peer) -> None:
    with pytest.raises(OwnError, match="later"):
        shared.call(fail_later)


def test_coroutine_functions_share_one_loop(shared: Peer) -> None:
    assert len({shared.call(loop_and_thread) for _ in range(5)}) == 1


def test_event_loop_does_not_occupy_the_main_thread(shared: Peer) -> None:
    _, thread = shared.call(loop_and_thread)
    assert thread != shared.call(lambda: threading.main_thread().ident)


def test_coroutines_run_side_by_side(shared: Peer, module_peer_factory: Any) -> None:
    futures = [shared.submit(wait_for_event, name) for name in ("a", "b")]
    box = module_peer_factory.mailbox("runs")
    assert {box.get(LONG), box.get(LONG)} == {"a", "b"}
    shared.call(set_event, "b")
    assert futures[1].result(LONG) == "b"
    shared.call(set_event, "a")
    assert futures[0].result(LONG) == "a"


def test_task_lives_on_after_the_call_that_made_it(shared: Peer) -> None:
    async def start() -> None:
        async def work() -> None:
            here.origin.send("task", await here_get())

        async def here_get() -> Any:
            return await asyncio.to_thread(here.mailbox("for the task").get, LONG)

        asyncio.get_running_loop().kept = asyncio.create_task(work())  # type: ignore[attr-defined]

    async def kept() -> None:
        await asyncio.get_running_loop().kept  # type: ignore[attr-defined]

    shared.call(start)
    shared.send("for the task", 1)
    assert shared.call(kept) is None


def test_cancelled_coroutine_is_a_cancelled_error(shared: Peer) -> None:
    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(LONG)

    with pytest.raises(asyncio.CancelledError):
        shared.call(cancelled)
    assert shared.call(twice, 1) == 2


# Threads


def test_first_call_runs_on_the_main_thread(peer: Peer) -> None:
    assert peer.call(on_main_thread)


def test_sequential_calls_all_run_on_the_main_thread(shared: Peer) -> None:
    assert all(shared.call(on_main_thread) for _ in range(1000))


def test_sequential_futures_all_run_on_the_main_thread(shared: Peer) -> None:
    assert all(shared.submit(on_main_thread).result(LONG) for _ in range(1000))


def test_call_after_a_failed_one_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        with pytest.raises(OwnError):
            shared.call(fail)
        assert shared.call(on_main_thread)


def test_call_after_a_coroutine_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        shared.call(twice, 1)
        assert shared.call(on_main_thread)


def test_call_after_one_without_a_result_to_send_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        with pytest.raises(EncodeError):
            shared.call(threading.Lock)
        assert shared.call(on_main_thread)


def test_calls_run_side_by_side(peer: Peer, peer_factory: Any) -> None:
    futures = [peer.submit(report_and_take, box) for box in ("a", "b", "c")]
    running = {peer_factory.mailbox("runs").get(LONG) for _ in futures}
    assert running == {"a", "b", "c"}
    assert peer.call(operator.add, 1, 2) == 3
    for box in running:
        peer.send(box, box * 2)
    assert [future.result(LONG) for future in futures] == ["aa", "bb", "cc"]


def test_main_thread_is_used_again_when_it_is_free(peer: Peer, peer_factory: Any) -> None:
    first = peer.submit(report_where, "first")
    peer_factory.mailbox("runs").get(LONG)
    assert not peer.call(on_main_thread)
    peer.send("first", None)
    assert first.result(LONG)
    assert peer.call(on_main_thread)


def test_many_threads_may_call_at_once(shared: Peer) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        squares = pool.map(lambda number: shared.call(operator.mul, number, number), range(400))
    assert list(squares) == [number * number for number in range(400)]


def test_fifty_calls_at_once(shared: Peer) -> None:
    futures = [shared.submit(take, "fifty") for _ in range(50)]
    for number in range(50):
        shared.send("fifty", number)
    assert sorted(future.result(LONG) for future in futures) == list(range(50))


# Limits


def test_call_within_the_limit_returns_the_value(shared: Peer) -> None:
    assert shared.call_within(LONG, operator.add, 1, 2) == 3


@pytest.mark.parametrize("limit", [None, math.inf, 10**10])
def test_call_without_a_limit_worth_the_name(shared: Peer, limit: float | None) -> None:
    assert shared.call_within(limit, operator.add, 1, 2) == 3
    assert shared.submit(operator.add, 1, 2).result(limit) == 3


@pytest.mark.parametrize("limit", [0, 0.05])
def test_call_beyond_the_limit_is_a_timeout(peer: Peer, limit: float) -> None:
    with pytest.raises(CallTimeout, match=rf"within {limit:g} s"):
        peer.call_within(limit, take, "never")


def test_call_timeout_is_a_timeout_error_too(peer: Peer) -> None:
    with pytest.raises(TimeoutError):
        peer.call_within(0, take, "never")
    assert issubclass(CallTimeout, PeerError)


def test_limit_of_zero_is_a_timeout_at_once_however_fast_the_function(shared: Peer) -> None:
    for _ in range(20):
        with pytest.raises(CallTimeout):
            shared.call_within(0, os.getpid)


def test_option_call_timeout_limits_calls(peer_factory: Any) -> None:
    with pytest.raises(CallTimeout, match=r"0\.05 s"):
        peer_factory(call_timeout=0.05).call(take, "never")


def test_timeout_carries_the_stacks(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(report_and_take, "never")
    peer_factory.mailbox("runs").get(LONG)
    with pytest.raises(CallTimeout) as caught:
        future.result(0.01)
    assert "in report_and_take" in caught.value.stacks
    assert Path(__file__).name in caught.value.stacks
    assert caught.value.stacks in str(caught.value)


def test_timeout_of_a_stopped_peer_says_why_there_are_no_stacks(peer: Peer) -> None:
    peer.pause()
    with pytest.raises(CallTimeout, match="no stacks"):
        peer.call_within(0.01, os.getpid)
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


def test_function_goes_on_after_the_timeout(peer: Peer, peer_factory: Any) -> None:
    with pytest.raises(CallTimeout):
        peer.call_within(0.01, report_and_take, "late")
    peer.send("late", "answer")
    assert peer_factory.mailbox("went on").get(LONG) == "answer"


def test_late_answer_is_dropped_and_the_link_is_usable(peer: Peer, peer_factory: Any) -> None:
    with pytest.raises(CallTimeout):
        peer.call_within(0.01, report_and_take, "late")
    futures = [peer.submit(operator.add, number, number) for number in range(20)]
    peer.send("late", "answer")
    peer_factory.mailbox("went on").get(LONG)
    assert [future.result(LONG) for future in futures] == [2 * number for number in range(20)]
    assert [peer.call(operator.neg, number) for number in range(20)] == [-n for n in range(20)]


@pytest.mark.parametrize("limit", [-1, -0.001, math.nan, -math.inf])
def test_limit_that_is_none_is_refused(shared: Peer, limit: float) -> None:
    with pytest.raises(ValueError, match=repr(limit)):
        shared.call_within(limit, os.getpid)
    with pytest.raises(ValueError, match=repr(limit)):
        shared.submit(os.getpid).result(limit)
    with pytest.raises(ValueError, match=repr(limit)):
        shared.submit(os.getpid).exception(limit)


@pytest.mark.parametrize("limit", ["1", True, [1]])
def test_limit_of_a_wrong_type_is_refused(shared: Peer, limit: Any) -> None:
    with pytest.raises(TypeError) as caught:
        shared.call_within(limit, os.getpid)
    assert repr(limit) in str(caught.value)


def test_nothing_is_called_with_a_wrong_limit(peer: Peer) -> None:
    with pytest.raises(ValueError, match="-1"):
        peer.call_within(-1, count)
    assert peer.call(count) == 1


# Futures


def test_future_may_be_asked_twice(shared: Peer) -> None:
    future = shared.submit(Account, 5)
    assert future.result(LONG) is future.result(LONG)
    assert future.done()
    assert future.exception() is None


def test_failed_future_raises_the_same_every_time(shared: Peer) -> None:
    future = shared.submit(fail, "no")
    frames = []
    for _ in range(3):
        with pytest.raises(OwnError) as caught:
            future.result(LONG)
        frames.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(frames)) == 1


def test_exception_of_a_future(shared: Peer) -> None:
    exc = shared.submit(fail, "no").exception(LONG)
    assert type(exc) is OwnError
    assert exc.args == ("no",)


def test_future_may_be_asked_again_after_a_timeout(peer: Peer) -> None:
    future = peer.submit(take, "go")
    with pytest.raises(CallTimeout):
        future.result(0)
    with pytest.raises(CallTimeout):
        future.exception(0.01)
    peer.send("go", 1)
    assert future.result(LONG) == 1


def test_future_of_a_running_call_cannot_be_cancelled(shared: Peer) -> None:
    future = shared.submit(take, "running")
    assert not future.cancel()
    shared.send("running", 1)
    assert future.result(LONG) == 1


def test_as_completed_yields_in_order_of_completion(shared: Peer) -> None:
    futures = {shared.submit(take, box): box for box in ("first", "second")}
    completed = concurrent.futures.as_completed(futures, LONG)
    shared.send("second", 2)
    assert futures[next(completed)] == "second"
    shared.send("first", 1)
    assert futures[next(completed)] == "first"


def test_done_callback_is_called(shared: Peer) -> None:
    called = threading.Event()
    shared.submit(os.getpid).add_done_callback(lambda _: called.set())
    assert called.wait(LONG)


def test_done_callback_may_ask_for_the_result(shared: Peer) -> None:
    results: list[int] = []
    done = threading.Event()
    future = shared.submit(operator.add, 1, 2)
    future.add_done_callback(lambda future: (results.append(future.result()), done.set()))
    assert done.wait(LONG)
    assert results == [3]


def test_argument_that_cannot_be_sent_is_the_future_s_exception(shared: Peer) -> None:
    assert isinstance(shared.submit(repr, threading.Lock()).exception(LONG), EncodeError)


# asyncio


def test_acall_returns_the_value(shared: Peer) -> None:
    assert asyncio.run(shared.acall(operator.add, 1, 2)) == 3


def test_acall_of_a_coroutine_function(shared: Peer) -> None:
    assert asyncio.run(shared.acall(twice, 2)) == 4


def test_acall_raises_the_exception(shared: Peer) -> None:
    with pytest.raises(OwnError, match="no"):
        asyncio.run(shared.acall(fail, "no"))


def test_acall_that_raises_leaves_nothing_in_the_log(
    shared: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OwnError):
        asyncio.run(shared.acall(fail))
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_acalls_run_side_by_side(shared: Peer) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(shared.acall(meet), shared.acall(meet))

    assert sorted(asyncio.run(main())) == [0, 1]


def test_acall_does_not_block_the_loop(shared: Peer) -> None:
    async def main() -> int:
        call = asyncio.create_task(shared.acall(take, "unblocked"))
        await asyncio.sleep(0)
        shared.send("unblocked", 7)  # by the loop's thread
        return await call

    assert asyncio.run(main()) == 7


def test_acall_obeys_the_option_call_timeout(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=0.05)
    with pytest.raises(CallTimeout, match=r"within 0\.05 s"):
        asyncio.run(peer.acall(take, "never"))


def test_cancelled_acall_leaves_the_link_usable(peer: Peer) -> None:
    async def main() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.acall(take, "cancelled"), 0.01)
        peer.send("cancelled", 1)
        return await peer.acall(operator.add, 1, 2)

    assert asyncio.run(main()) == 3


def test_acall_of_what_raises_stop_iteration_does_not_hang(shared: Peer) -> None:
    async def main() -> None:
        await asyncio.wait_for(shared.acall(next, iter([])), LONG)

    with pytest.raises(RuntimeError, match="StopIteration"):  # as of any coroutine
        asyncio.run(main())


def test_acall_to_a_dead_peer_is_an_error(dead: Peer) -> None:
    with pytest.raises(PeerDown):
        asyncio.run(dead.acall(os.getpid))


# The Executor


def test_peer_is_an_executor(shared: Peer) -> None:
    assert isinstance(shared, concurrent.futures.Executor)


def test_map_keeps_the_order(shared: Peer) -> None:
    assert list(shared.map(operator.add, range(10), range(10))) == list(range(0, 20, 2))


def test_map_raises_when_the_failure_is_reached(shared: Peer) -> None:
    results = shared.map(operator.truediv, [1, 1], [1, 0])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("limit", [0, 0.05])
def test_map_beyond_the_limit_is_a_timeout_error(peer: Peer, limit: float) -> None:
    with pytest.raises(TimeoutError):
        list(peer.map(take, ["never", "ever"], timeout=limit))


def test_run_in_executor(shared: Peer) -> None:
    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(shared, operator.add, 1, 2)

    assert asyncio.run(main()) == 3


def test_run_in_executor_raises_the_exception(shared: Peer) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(shared, fail, "no")

    with pytest.raises(OwnError, match="no"):
        asyncio.run(main())


def test_wrap_future(shared: Peer) -> None:
    async def main() -> int:
        return await asyncio.wrap_future(shared.submit(operator.add, 1, 2))

    assert asyncio.run(main()) == 3


def test_shutdown_lets_pending_calls_finish(peer: Peer) -> None:
    futures = [peer.submit(take, "go") for _ in range(3)]
    ending = threading.Thread(target=peer.shutdown)
    ending.start()
    for number in range(3):
        peer.send("go", number)
    ending.join(LONG)
    assert sorted(future.result(0.1) for future in futures) == [0, 1, 2]
    assert peer.state == "down"


def test_shutdown_without_wait_does_not_wait_for_calls(peer: Peer) -> None:
    future = peer.submit(take, "never")
    peer.shutdown(wait=False)
    with pytest.raises(PeerDown):
        future.result(LONG)


def test_submit_after_shutdown_is_the_runtime_error_of_executors(peer: Peer) -> None:
    peer.shutdown()
    with pytest.raises(RuntimeError):
        peer.submit(os.getpid)


def test_leaving_a_with_block_stops_the_peer(peer: Peer) -> None:
    with peer as entered:
        assert entered is peer
        assert peer.call(os.getpid) == peer.pid
    assert peer.state == "down"
    assert peer.down_reason is not None
    assert peer.down_reason.kind == "stopped"


def test_leaving_a_with_block_does_not_wait_for_calls(peer: Peer) -> None:
    with peer:
        future = peer.submit(take, "never")
    with pytest.raises(PeerDown):
        future.result(LONG)


# A peer that is down


VERBS: dict[str, Callable[[Peer], Any]] = {
    "call": lambda peer: peer.call(os.getpid),
    "call_within": lambda peer: peer.call_within(LONG, os.getpid),
    "submit": lambda peer: peer.submit(os.getpid).result(LONG),
    "cast": lambda peer: peer.cast(os.getpid),
    "send": lambda peer: peer.send("box", 1),
    "dump_stacks": lambda peer: peer.dump_stacks(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_said_to_a_dead_peer_is_an_error_with_the_reason(dead: Peer, verb: str) -> None:
    with pytest.raises(PeerDown) as caught:
        VERBS[verb](dead)
    assert caught.value.reason == dead.down_reason
    assert dead.name in str(caught.value)
    assert "SIGKILL" in str(caught.value)


def test_pending_call_ends_with_the_peer(peer: Peer, peer_factory: Any) -> None:
    futures = [peer.submit(report_and_take, box) for box in ("a", "b")]
    for _ in futures:
        peer_factory.mailbox("runs").get(LONG)
    peer.kill()
    for future in futures:
        with pytest.raises(PeerDown) as caught:
            future.result(1)
        assert caught.value.reason == peer.down_reason


def test_call_that_ends_the_process_is_an_error_with_the_exit_status(peer_factory: Any) -> None:
    peer = peer_factory(peer_down="continue")
    with pytest.raises(PeerDown, match="exited with status 3") as caught:
        peer.call(os._exit, 3)
    assert caught.value.reason.exit_status == 3


def test_answer_that_has_come_outlives_the_peer(peer: Peer) -> None:
    future = peer.submit(os.getpid)
    concurrent.futures.wait([future], LONG)
    pid = peer.pid
    peer.stop()
    assert future.result() == pid


# A peer that is booting


def test_call_waits_for_the_boot(booting: Peer, gate: Gate) -> None:
    future = booting.submit(os.getpid)
    assert booting.state == "booting"
    assert not future.done()
    gate.open()
    assert future.result(LONG) == booting.pid


def test_plain_call_waits_for_the_boot(peer_factory: Any) -> None:
    peer = peer_factory(wait_boot=False)
    assert peer.call(os.getpid) == peer.pid


def test_call_within_its_own_limit_while_booting(booting: Peer, gate: Gate) -> None:
    with pytest.raises(CallTimeout, match=r"within 0\.01 s"):
        booting.call_within(0.01, os.getpid)
    gate.open()
    assert booting.call(os.getpid) == booting.pid


def test_result_within_its_own_limit_while_booting(booting: Peer, gate: Gate) -> None:
    future = booting.submit(os.getpid)
    with pytest.raises(CallTimeout):
        future.result(0)
    gate.open()
    assert future.result(LONG) == booting.pid


def test_what_is_said_while_booting_is_heard_in_order(
    booting: Peer, gate: Gate, peer_factory: Any
) -> None:
    for number in range(50):
        booting.send("early", number)
    booting.cast(
        lambda: here.origin.send("echo", [here.mailbox("early").get(0) for _ in range(50)])
    )
    gate.open()
    assert peer_factory.mailbox("echo").get(LONG) == list(range(50))


def test_future_cancelled_while_booting_is_never_called(booting: Peer, gate: Gate) -> None:
    cancelled = booting.submit(count)
    assert cancelled.cancel()
    gate.open()
    assert booting.call(count) == 1
    with pytest.raises(concurrent.futures.CancelledError):
        cancelled.result(LONG)


@pytest.mark.parametrize(
    "say",
    [lambda peer, thing: peer.cast(repr, thing), lambda peer, thing: peer.send("box", thing)],
    ids=["cast", "send"],
)
def test_what_cannot_be_sent_while_booting_does_not_spoil_the_boot(
    booting: Peer, gate: Gate, say: Callable[[Peer, Any], None]
) -> None:
    with pytest.raises(EncodeError):
        say(booting, threading.Lock())
    gate.open()
    assert booting.call_within(LONG, os.getpid) == booting.pid


def test_argument_that_cannot_be_sent_while_booting(booting: Peer, gate: Gate) -> None:
    future = booting.submit(repr, threading.Lock())
    gate.open()
    assert isinstance(future.exception(LONG), EncodeError)
    assert booting.call(os.getpid) == booting.pid


def test_stacks_of_a_booting_peer_are_an_error_that_says_so(booting: Peer) -> None:
    with pytest.raises((TimeoutError, PeerError)):
        booting.dump_stacks()


def test_call_to_a_peer_that_does_not_boot_is_an_error_with_the_reason(
    peer_factory: Any,
) -> None:
    peer = peer_factory(exec=["sh", "-c", "exit 7"], wait_boot=False)
    with pytest.raises(PeerError) as caught:
        peer.call_within(LONG, os.getpid)
    assert peer.wait_down(LONG).kind == "boot failed"
    assert "7" in str(caught.value)


def test_pending_call_to_a_peer_stopped_while_booting(booting: Peer) -> None:
    future = booting.submit(os.getpid)
    booting.stop()
    with pytest.raises(PeerDown):
        future.result(LONG)


# Interruption


def test_call_may_be_interrupted_and_the_link_is_usable(peer: Peer) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            peer.call(interrupt_origin_and_take, os.getpid())
    finally:
        signal.signal(signal.SIGUSR1, before)
    peer.send("never", 1)
    assert [peer.call(operator.neg, number) for number in range(20)] == [-n for n in range(20)]


def interrupt_origin_and_take(origin: int) -> None:
    os.kill(origin, signal.SIGUSR1)
    take("never")


def iterator() -> Iterator[int]:
    yield 1


def test_generator_cannot_be_sent_and_says_so(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="generator"):
        shared.call(iterator)
