"""What pytest-check and pytest-assume collect in a peer is the test's, with their own reports."""

import os

import pytest
from inner_pytest import load_only

HEADER = """
import asyncio, os, threading, time
import pytest
from pytest_check import check
from pytest_peer import PeerDown

def soft(count=1):
    for number in range(count):
        check.equal(number, -1)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests in a pytest with both plugins."""
    load_only(monkeypatch, "peer", "timeout", "check", "assume")
    for name in list(os.environ):
        if name.startswith("PYTEST_XDIST"):
            monkeypatch.delenv(name)

    def run(source, *arguments):
        pytester.makepyfile(test_inner=HEADER + source)
        return pytester.runpytest_subprocess(*arguments)

    return run


def test_calls_and_bodies_fail_the_test(run):
    result = run("""
def test_called(peer):
    peer.call(soft)
    assert check.any_failures()

@pytest.mark.in_peer
def test_fixture(check):
    check.equal(1, 2)

@pytest.mark.in_peer
async def test_coroutine():
    await asyncio.sleep(0)
    soft()

def test_beside(peer):
    peer.submit(time.sleep, 600)
    peer.call(soft)

def test_raises(peer):
    with pytest.raises(ValueError):
        peer.call(fails_twice)

def fails_twice():
    soft()
    raise ValueError
""")
    result.assert_outcomes(failed=5)


def test_the_report_shows_the_place_and_the_peer(run):
    result = run("""
def test_called(peer_factory):
    peer_factory(name="db").call(soft)
""")
    result.stdout.fnmatch_lines_random(
        [
            "FAILURE: check 0 == -1",
            "test_inner.py:8 in soft() -> check.equal(number, -1)",
            "in peer 'db'",
            "Failed Checks: 1",
        ]
    )
    result.stdout.no_fnmatch_line("*dispatch.py*")


@pytest.mark.parametrize("text", ["short", "long " * 10000])
def test_a_death_loses_no_failure(run, text):
    result = run(f"""
def die():
    check.equal(1, 2, "{text}")
    os._exit(3)

def test_death(peer):
    with peer.expect_death(), pytest.raises(PeerDown):
        peer.call(die)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"FAILURE: check 1 == 2: {text[:9]}*"])


def test_threads_and_tasks_of_a_call_count(run):
    result = run("""
def in_thread():
    thread = threading.Thread(target=soft)
    thread.start()
    thread.join()

async def in_tasks():
    await asyncio.gather(asyncio.to_thread(soft), in_task(), asyncio.create_task(in_task()))

async def in_task():
    check.equal(1, 2)

def test_thread(peer):
    peer.call(in_thread)
    peer.call(in_tasks)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Failed Checks: 4"])


def test_what_fails_after_the_call_counts(run):
    result = run("""
def in_background(path):
    threading.Thread(target=later, args=(path,)).start()

def later(path):
    while not path.exists():
        time.sleep(0.01)
    soft()
    path.unlink()

def test_background(peer, tmp_path):
    path = tmp_path / "go"
    peer.call(in_background, path)
    path.touch()
    while path.exists():
        time.sleep(0.01)

def test_cast(peer, tmp_path):
    path = tmp_path / "go"
    path.touch()
    peer.cast(later, path)
    while path.exists():
        time.sleep(0.01)
""")
    result.assert_outcomes(failed=2)


def test_an_import_within_the_call_counts(run, pytester):
    pytester.makepyfile(lazy="def soft():\n    import pytest_check\n    pytest_check.equal(1, 2)\n")
    result = run("""
def test_lazy(peer):
    peer.call("lazy:soft")
""")
    result.assert_outcomes(failed=1)


def test_a_limit_ends_the_call_and_the_test(run):
    result = run(
        """
def test_in_a_call(peer):
    peer.call(past)

def past():
    soft(5)
    print("past the limit")

def test_over_calls(peer):
    peer.call(soft, 2)
    peer.call(soft, 2)
    print("past the limit")
""",
        *("--check-max-fail=3", "-rA"),
    )
    result.assert_outcomes(failed=2)
    assert result.stdout.str().count("max fail of 3 reached") >= 2
    result.stdout.fnmatch_lines_random(["Failed Checks: 3", "Failed Checks: 4"])
    result.stdout.no_fnmatch_line("past the limit")


def test_one_failure_ends_a_run_with_x(run):
    result = run(
        """
def test_x(peer):
    peer.call(soft, 3)

def test_never():
    pass
""",
        "-x",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Failed Checks: 1"])


def test_a_check_that_may_fail_is_an_xfail(run):
    result = run("""
def may_fail():
    check.equal(1, 2, xfail="known")

def test_xfail(peer):
    peer.call(may_fail)
""")
    result.assert_outcomes(xfailed=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_it_is_the_test_that_runs(run, workers):
    xdist = ("-p", "xdist", "-n", str(workers)) if workers else ()
    result = run(
        """
@pytest.fixture(scope="session")
def shared(session_peer_factory):
    return session_peer_factory()

def test_first(shared):
    shared.call(soft)

def test_second(shared):
    shared.call(os.getpid)

def test_third(shared):
    shared.restart().call(soft)
""",
        *xdist,
    )
    result.assert_outcomes(passed=1, failed=2)


@pytest.mark.parametrize("installed", [True, False])
def test_without_the_plugin_here_its_text_fails_the_test(run, pytester, monkeypatch, installed):
    load_only(monkeypatch, "peer", "timeout")
    pytester.makepyfile(lazy="def soft():\n    import pytest_check\n    pytest_check.equal(1, 2)\n")
    pytester.makepyfile(
        test_other=f"""
        import sys

        if not {installed}:
            sys.modules["pytest_check.check_log"] = None

        def test_only_there(peer):
            peer.call("lazy:soft")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["check 1 == 2", "in peer 'test_other-test_only_there-*'"])


def test_an_assumption_after_the_body_is_not_that_of_the_next_test(run):
    result = run(
        """
def later(path):
    while not path.exists():
        time.sleep(0.01)
    pytest.assume(1 == 2, "late")
    path.unlink()

@pytest.fixture
def path(tmp_path):
    yield tmp_path / "go"
    (tmp_path / "go").touch()
    while (tmp_path / "go").exists():
        time.sleep(0.01)

def test_late(peer, path):
    peer.cast(later, path)

def test_next(peer):
    pass
"""
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*late*", "in peer 'test_inner-test_late-*'"])


def test_assumptions_fail_the_test(run):
    result = run(
        """
def assume():
    pytest.assume(1 == 2, "one")
    with pytest.assume:
        assert 3 == 4

def die():
    assume()
    os._exit(3)

def test_called(peer):
    peer.call(assume)

@pytest.mark.in_peer
def test_body():
    assume()

def test_death(peer):
    with peer.expect_death(), pytest.raises(PeerDown):
        peer.call(die)

def test_good(peer):
    peer.call(pytest.assume, True)
""",
        # The summary repeats the whole message where CI is set.
        *("-rN", "-W", "ignore::pluggy.PluggyTeardownRaisedWarning"),
    )
    result.assert_outcomes(passed=1, failed=3)
    assert result.stdout.str().count("2 Failed Assumptions:") == 3
    result.stdout.fnmatch_lines_random(["*in peer 'test_inner-test_called-*'"])
