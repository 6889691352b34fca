"""The report of a test with many peers is short: its cause is on the first screen."""

from __future__ import annotations

import pytest

HEADER = """
from mailbox_calls import report_and_take, take
from pytest_peer import here

def occupy(factory, *peers):
    for peer in peers:
        peer.cast(report_and_take, "never")
    for peer in peers:
        factory.mailbox("runs").get(30)

"""
#: Lines of a terminal.
SCREEN = 40


def report(result: pytest.RunResult) -> list[str]:
    """The lines of the report of the only test that failed."""
    lines = result.outlines
    begin = next(i for i, line in enumerate(lines) if "= FAILURES =" in line)
    return lines[begin : next(i for i, line in enumerate(lines) if "short test summary" in line)]


def test_idle_peers_are_in_one_line_with_their_folder(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory.many(5, name="rank")
            peer_factory(name="db")
            assert False
        """
    )
    result = inner.run("--basetemp=base")
    folder = inner.path / "base" / "test_it0" / "peers"
    result.stdout.fnmatch_lines([f"6 peers idle: rank-0 to rank-4, db, in {folder}"])
    result.stdout.no_fnmatch_line("*<Peer *")
    result.stdout.no_fnmatch_line("*Captured stacks*")


def test_idle_peers_of_another_scope_are_in_another_line(inner):
    inner.write(
        """
        def test_it(peer_factory, session_peer_factory):
            peer_factory.many(2, name="rank")
            session_peer_factory.many(2, name="db")
            assert False
        """
    )
    inner.run().stdout.fnmatch_lines_random(
        ["2 peers idle: rank-0, rank-1, in */test_it0/peers", "2 peers idle: db-0, db-1, in */*"]
    )


def test_peers_that_the_test_has_stopped_are_in_one_line(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory.many(3, name="rank").stop()
            assert False
        """
    )
    inner.run().stdout.fnmatch_lines(["3 peers stopped: rank-0 to rank-2, in */peers"])


@pytest.mark.parametrize(
    "state",
    ["peer.call(print, 'hello')", "peer.pause()", "os.kill(peer.pid, 9) or peer.wait_down(20)"],
)
def test_peer_with_something_to_say_has_its_own_line(inner, state):
    inner.write(
        f"""
        def test_it(peer_factory):
            peer_factory(name="other")
            peer = peer_factory(name="db", peer_down="continue")
            {state}
            assert False
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["<Peer db pid *", "    */peers/db", "1 peer idle: other, in *"])


def test_equal_stacks_are_shown_once(inner):
    inner.write(
        HEADER
        + """
def test_it(peer_factory):
    occupy(peer_factory, *peer_factory.many(4, name="rank"))
    assert False
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["*- Captured stacks [[]rank-0 to rank-3] call -*"])
    assert result.stdout.str().count(", in report_and_take") == 1


def test_equal_stacks_of_one_peer_are_shown_once(inner):
    inner.write(
        HEADER
        + """
@pytest.mark.peer(name="db")
def test_it(peer, peer_factory):
    occupy(peer_factory, peer, peer, peer)
    assert False
"""
    )
    result = inner.run()
    result.stdout.re_match_lines(
        [r"(Thread (MainThread|peer-call-\d)( blocked on mailbox never)?(, )?){3} \("]
    )
    assert result.stdout.str().count(", in report_and_take") == 1


def test_threads_of_a_pool_that_wait_for_work_are_not_shown(inner):
    inner.write(
        """
        import concurrent.futures, multiprocessing.pool

        kept = []

        def make_pools():
            kept.append(concurrent.futures.ThreadPoolExecutor(2))
            kept[0].submit(int).result()
            kept.append(multiprocessing.pool.ThreadPool(2))
            kept[1].apply(int)

        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.call(make_pools)
            assert "_worker" in peer.dump_stacks()
            assert False
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["1 peer idle: db, in *"])
    result.stdout.no_fnmatch_line("*Captured stacks*")


def test_thread_of_the_user_is_shown_without_frames_of_ours(inner):
    inner.write(
        HEADER
        + """
def start_thread():
    threading.Thread(target=work, name="worker").start()

def work():
    here.origin.send("runs", None)
    here.mailbox("never").get(60)

@pytest.mark.peer(name="db")
def test_it(peer, peer_factory):
    peer.call(start_thread)
    peer_factory.mailbox("runs").get(30)
    assert False
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(
        ["*Captured stacks [[]db] call*", "Thread worker*", "*, in work", "*here.mailbox*", "===*"],
        consecutive=True,
    )


def test_tasks_are_shown_and_the_idle_loop_is_not(inner):
    inner.write(
        """
        import asyncio

        async def leave_task():
            task = asyncio.create_task(wait(), name="waiting")
            asyncio.get_running_loop().kept = task
            await asyncio.sleep(0)

        async def wait():
            await asyncio.Event().wait()

        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.call(leave_task)
            assert False
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(
        ["*Captured stacks [[]db] call*", "Task waiting (most recent call last):", "*, in wait"],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line("*in the event loop*")


@pytest.mark.parametrize("way", ["crash", "hang", "disagree"])
def test_cause_is_on_the_first_screen(inner, way):
    inner.write(
        HEADER
        + f"""
def work(way):
    print(here.name, "works")
    if way == "disagree":
        assert way == "agree"
    if way == "crash" and here.name == "rank-3":
        os.kill(os.getpid(), signal.SIGSEGV)
    take("never")

def test_it(peer_factory):
    group = peer_factory.many(5, name="rank", call_timeout=5)
    group.call(occupy, None)  # they import this module before the limit begins
    group.call(work, {way!r})
"""
    )
    lines = report(inner.run())
    cause = {
        "crash": "5 of 5 peers failed, first rank-3: killed by SIGSEGV",
        "hang": "5 of 5 peers failed, first rank-0: CallTimeout: no answer within 5 s",
        "disagree": "5 of 5 peers failed, first rank-",
    }[way]
    assert any(cause in line for line in lines[:SCREEN])
    # Once for those that have crashed or disagree, and once for those that hang.
    assert sum(line.endswith("in work") for line in lines) == (2 if way == "crash" else 1)
    assert len(lines) < 1.5 * SCREEN
