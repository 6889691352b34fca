"""A failure in a peer that nobody has seen is a warning of the test."""

from __future__ import annotations

import pytest

CODE = """
import _thread
import asyncio
from pytest_peer import here

def wrong(*_):
    raise LookupError("lost")

async def wrong_later():
    await asyncio.sleep(0)
    wrong()

async def wait_for_others():
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)

def fail_in_thread(function=wrong):
    thread = threading.Thread(target=function, name="adder")
    thread.start()
    thread.join()

def fail_in_thread_with_own_hook():
    names = []
    threading.excepthook = lambda args: names.append(args.exc_type.__name__)
    fail_in_thread()
    return names

async def drop_task():
    asyncio.create_task(wrong_later())
    await wait_for_others()

async def keep_task():
    global kept
    kept = asyncio.create_task(wrong_later())
    await wait_for_others()

async def await_task():
    try:
        await asyncio.create_task(wrong_later())
    except LookupError:
        pass

async def cancel_task():
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()

def run_loop():
    asyncio.run(drop_task())

async def wrong_clean_up(begins=None):
    try:
        here.origin.send("begun", begins)
        await asyncio.sleep(60)
    finally:
        wrong()

def wrong_then(_):
    here.origin.send("begun", None)
    here.mailbox("go on").get(60)
    wrong()

def cancel(peer_factory, call):
    async def main():
        task = asyncio.ensure_future(call)
        await asyncio.to_thread(peer_factory.mailbox("begun").get, 60)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())

async def wrapped(future):
    return await asyncio.wrap_future(future)

async def cancel_when_it_has_failed(peer):
    task = asyncio.ensure_future(peer.acall(wrong))
    await asyncio.sleep(0)
    while not peer.call(on_main):  # its outcome has come then, and this loop could not run
        pass
    task.cancel()
    await asyncio.wait([task])

def on_main():
    return threading.current_thread() is threading.main_thread()

def fail_in_bare_thread():
    _thread.start_new_thread(wrong, ())
    time.sleep(0.05)

class WithFinalizer:
    __del__ = wrong

def fail_in_finalizer():
    WithFinalizer()

def fail_in_finalizer_with_own_hook():
    names = []
    sys.unraisablehook = lambda args: names.append(args.exc_type.__name__)
    WithFinalizer()
    return names

async def fail_in_callback():
    asyncio.get_running_loop().call_soon(wrong)
    await asyncio.sleep(0.01)

async def fail_in_callback_with_own_handler():
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await fail_in_callback()

async def fail_in_handler_of_a_server():
    async def handle(reader, writer):
        writer.close()
        wrong()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.read()
        writer.close()
        await asyncio.sleep(0.01)

"""

#: A module that imports asyncio only as it runs.
LAZY = """
async def fail():
    raise LookupError("lost")

def run_loop():
    import asyncio

    async def drop_task():
        asyncio.create_task(fail())
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    asyncio.run(drop_task())
"""

#: The peer's loop ends this one after a coroutine that it began before.
AFTER_IT = "peer.call(wait_for_others)"

LOST = {
    "submit": "peer.submit(wrong)",
    "submit of a coroutine function": f"peer.submit(wrong_later); {AFTER_IT}",
    "submit of what cannot be sent": "peer.submit(print, threading.Lock())",
    "wait for a future": "concurrent.futures.wait([peer.submit(wrong)])",
    "map that nobody consumes": "peer.map(wrong, [1])",
    "clean-up of a cancelled future": (
        "future = peer.submit(wrong_clean_up); peer_factory.mailbox('begun').get(60)\n"
        "    future.cancel(); concurrent.futures.wait([future])"
    ),
    "clean-up of a cancelled acall": (
        f"cancel(peer_factory, peer.acall(wrong_clean_up)); {AFTER_IT}"
    ),
    "clean-up at the end of the test": "cancel(peer_factory, peer.acall(wrong_clean_up)); return",
    "clean-up of a cancelled wrapped future": (
        f"cancel(peer_factory, wrapped(peer.submit(wrong_clean_up))); {AFTER_IT}"
    ),
    "acall that is cancelled when it has failed": "asyncio.run(cancel_when_it_has_failed(peer))",
    "cast": "peer.cast(wrong)",
    "cast of a coroutine function": f"peer.cast(wrong_later); {AFTER_IT}",
    "cast of what does not exist": "peer.cast('no_such_module:f')",
    "thread": "peer.call(fail_in_thread)",
    "task": "peer.call(drop_task)",
    "task that something refers to": "peer.call(keep_task)",
    "task of a loop of the user's": "peer.call(run_loop)",
    "task of a loop that a call imports": "peer.call('lazy:run_loop')",
    "thread without threading": "peer.call(fail_in_bare_thread)",
    "finalizer": "peer.call(fail_in_finalizer)",
    "callback of a loop": "peer.call(fail_in_callback)",
    "handler of a server": "peer.call(fail_in_handler_of_a_server)",
}
SEEN = {
    "own hook": "assert peer.call(fail_in_thread_with_own_hook) == ['LookupError']",
    "own hook of finalizers": "assert peer.call(fail_in_finalizer_with_own_hook) == ['LookupError']",
    "own handler of a loop": "peer.call(fail_in_callback_with_own_handler)",
    "result": "with pytest.raises(LookupError): peer.submit(wrong).result()",
    "exception": "peer.submit(wrong).exception()",
    "callback": "peer.submit(wrong).add_done_callback(id)",
    "limit": "with pytest.raises(TimeoutError): peer.submit(wrong).result(0)",
    "map": "with pytest.raises(LookupError): list(peer.map(wrong, [1, 2, 3]))",
    "acall": "with pytest.raises(LookupError): asyncio.run(peer.acall(wrong))",
    "call": "with pytest.raises(LookupError): peer.call(wrong)",
    "clean-up of a future that is asked": (
        "future = peer.submit(wrong_clean_up); peer_factory.mailbox('begun').get(60)\n"
        "    future.cancel(); assert future.exception() is not None"
    ),
    "clean-up of a future that a thread has asked": (
        "future = peer.submit(wrong_clean_up); pool = concurrent.futures.ThreadPoolExecutor()\n"
        "    asked = pool.submit(future.exception); peer_factory.mailbox('begun').get(60)\n"
        "    future.cancel(); assert asked.result() is not None; pool.shutdown()"
    ),
    "late failure of a function whose acall was cancelled": (
        "cancel(peer_factory, peer.acall(wrong_then, 0)); peer.send('go on', None)\n"
        "    while not peer.call(on_main): pass"
    ),
    "call that was too late": "with pytest.raises(TimeoutError): peer.call_within(0, wrong)",
    "group": "with pytest.raises(ExceptionGroup): peer_factory.many(2).call(wrong)",
    "exit of a thread": "peer.call(fail_in_thread, sys.exit)",
    "exit of a cast": "peer.cast(sys.exit, 3)",
    "awaited task": "peer.call(await_task)",
    "cancelled task": "peer.call(cancel_task)",
    "call at a stop": "peer.submit(time.sleep, 60)",
    "call at a kill": "peer.submit(time.sleep, 60); peer.kill()",
}


def of_peer(line: str) -> str:
    test = f"def test_it(peer, peer_factory):\n    {line}\n    peer.state == 'down' or peer.call(int)\n"
    return f"{CODE}\nimport concurrent.futures\n\n{test}"


@pytest.mark.parametrize("how", LOST)
def test_failure_that_nobody_saw_is_warned_of(inner, how):
    inner.pytester.makepyfile(lazy=LAZY)
    inner.write(of_peer(LOST[how]))
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.re_match_lines([r"  .*UnhandledPeerException: peer 'test_inner-test_it-.*"])


@pytest.mark.parametrize("how", SEEN)
def test_nothing_to_warn_of(inner, how):
    inner.write(of_peer(SEEN[how]))
    inner.run("-W", "error").assert_outcomes(passed=1)


def test_warning_has_the_traceback_of_the_peer(inner):
    inner.write(of_peer("peer.cast(wrong)"))
    inner.run().stdout.fnmatch_lines(
        [
            "test_inner.py::test_it",
            "*UnhandledPeerException: peer * (pid *): exception in a cast:",
            "  Traceback (most recent call last):",
            '    File "*test_inner.py", line *, in wrong',
            '      raise LookupError("lost")',
            "  LookupError: lost",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("stop", ["", "; peer.stop()"], ids=["teardown", "stop"])
def test_failure_of_an_atexit_callback_is_warned_of(inner, stop):
    inner.write(of_peer("import atexit; peer.call(atexit.register, wrong)" + stop))
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UnhandledPeerException*ignored in *wrong*"])


def test_filters_make_an_error_of_it(inner):
    inner.write(of_peer("peer.cast(wrong)"))
    result = inner.run("-W", "error::pytest_peer.UnhandledPeerException")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E *UnhandledPeerException: peer *", "E *LookupError: lost"])


def test_filters_ignore_it(inner):
    filter = '@pytest.mark.filterwarnings("ignore::pytest_peer.UnhandledPeerException")\n'
    inner.write(of_peer("peer.cast(wrong)").replace("def test_it", f"{filter}def test_it"))
    inner.run("-W", "error").assert_outcomes(passed=1)


def test_several_failures_are_one_error_with_all_of_them(inner):
    inner.write(of_peer("peer.cast(wrong); peer.call(fail_in_thread)"))
    result = inner.run("-W", "error")
    result.assert_outcomes(passed=1, errors=1)
    texts = ["*exception in a cast:", "*exception that ended thread adder:"]
    result.stdout.fnmatch_lines_random(texts)


def test_report_of_a_failing_test_has_it(inner):
    inner.write(of_peer("future = peer.submit(wrong); concurrent.futures.wait([future]); assert 0"))
    result = inner.run()
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*Captured unhandled exception call*", "LookupError: lost"])


def test_failure_in_a_peer_of_the_module_is_the_running_tests(inner):
    inner.write(
        CODE
        + """
        def test_one(module_peer_factory):
            global peer
            peer = module_peer_factory()
            peer.call(fail_in_thread)

        def test_two():
            peer.call(int)
        """.replace("\n        ", "\n")
    )
    result = inner.run("-W", "error")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_inner.py::test_one *"])


def test_future_of_a_fixture_may_be_asked_by_a_later_test(inner):
    inner.write(
        CODE
        + """
        @pytest.fixture(scope="module")
        def future(module_peer_factory):
            return module_peer_factory().submit(wrong)

        def test_one(future):
            while not future.done():
                time.sleep(0.01)

        def test_two(future):
            assert future.exception() is not None
        """.replace("\n        ", "\n")
    )
    inner.run("-W", "error").assert_outcomes(passed=2)


def test_future_nobody_asked_is_warned_of_at_its_scopes_end(inner):
    inner.write(
        CODE
        + """
        @pytest.fixture(scope="module")
        def future(module_peer_factory):
            return module_peer_factory().submit(wrong)

        def test_one(future):
            while not future.done():
                time.sleep(0.01)

        def test_two(future):
            pass
        """.replace("\n        ", "\n")
    )
    result = inner.run("-W", "error")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_inner.py::test_two *"])


ENDS = """
import asyncio, concurrent.futures, socket, threading, time

def thread_with_a_pool():
    pool = concurrent.futures.ThreadPoolExecutor()
    threading.Thread(target=submit_for_ever, args=[pool], daemon=True).start()

def submit_for_ever(pool):
    while True:
        pool.submit(int).result()

async def task_with_a_pool():
    global kept
    kept = asyncio.create_task(use_threads())
    await asyncio.sleep(0)

async def use_threads():
    while True:
        await asyncio.to_thread(int)

def serve():
    global listener, connections
    listener, connections = socket.create_server(("127.0.0.1", 0)), []
    threading.Thread(target=lambda: connections.append(listener.accept()), daemon=True).start()
    return listener.getsockname()

def read_for_ever(address):
    connection = socket.create_connection(address)
    if not connection.recv(1):
        raise EOFError("the other peer has ended")

def read_on_a_thread(address):
    threading.Thread(target=read_for_ever, args=[address], daemon=True).start()

def two(peer_factory, use):
    server, client = peer_factory.many(2)
    use(imported(client), server.call(serve))

def imported(peer):  # or a function begins late, and has only begun when it fails
    peer.call(nothing)
    return peer

def nothing():
    pass
"""
#: After the 50 ms in which a function that fails does not fail because of the end.
NO_LONGER_BRIEF = "time.sleep(0.1)"


@pytest.mark.parametrize(
    "how",
    [
        "peer_factory().call(thread_with_a_pool)",
        "peer_factory().call(task_with_a_pool)",
        "imported(peer_factory()).submit(submit_for_ever, concurrent.futures.ThreadPoolExecutor)",
        "two(peer_factory, lambda peer, address: peer.call(read_on_a_thread, address))",
        "two(peer_factory, lambda peer, address: peer.submit(read_for_ever, address))",
    ],
)
def test_what_fails_because_peers_are_stopped_is_no_failure(inner, how):
    how = how.replace(", concurrent.futures.ThreadPoolExecutor", "_of_its_own")
    own = "def submit_for_ever_of_its_own():\n    submit_for_ever(concurrent.futures.ThreadPoolExecutor())\n"
    inner.write(f"{ENDS}\n{own}\ndef test_it(peer_factory):\n    {how}\n    {NO_LONGER_BRIEF}\n")
    inner.run("-W", "error").assert_outcomes(passed=1)


BROKEN_BARRIER = """
def break_a_barrier():
    here.barrier("b", 2, 0)

def break_a_barrier_and_say_so():
    try:
        break_a_barrier()
    except Exception as exc:
        raise LookupError("lost") from exc
"""


@pytest.mark.parametrize("function", ["break_a_barrier", "break_a_barrier_and_say_so"])
def test_text_has_no_frames_of_ours(inner, function):
    lost = f"concurrent.futures.wait([peer.submit({function})])"
    inner.write(of_peer(lost) + BROKEN_BARRIER)
    result = inner.run()
    result.stdout.fnmatch_lines(
        ["*UnhandledPeerException: peer *", '*here.barrier("b", 2, 0)', "*BarrierBroken: barrier *"]
    )
    result.stdout.no_fnmatch_line('*File "*/pytest_peer/*')
