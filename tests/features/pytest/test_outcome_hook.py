"""The hook `pytest_peer_outcome`: what a plugin collects in a peer fails the test."""

from __future__ import annotations

import pytest

COLLECTING = """
import functools, time

failures = []

def soft(failure):
    failures.append(failure)

def taken():
    found, failures[:] = failures[:], []
    return found

def given():
    return [functools.partial(soft, each + " arrived") for each in taken()]

def broken():
    raise LookupError("no list")

def slow():
    found = failures[:]
    time.sleep(0.2)
    failures[:] = failures[len(found):]
    return found
"""


@pytest.fixture
def using(inner):
    """A function that writes tests whose peers run a function of `collecting`."""

    def use(name, tests):
        inner.pytester.makepyfile(collecting=COLLECTING)
        inner.write(
            f"import collecting\ndef pytest_peer_outcome(peer):\n return collecting.{name}\n",
            "conftest.py",
        )
        inner.write("import collecting\nfrom collecting import soft\n" + tests)
        return inner.run_apart("-rA", "-vv")

    return use


def test_texts_and_exceptions_fail_the_test_after_its_body(using):
    result = using(
        "taken",
        """
def test_call(peer):
    peer.call(soft, "a text")
    peer.call(soft, ValueError("an exception"))
    print("the body went on")

@pytest.mark.in_peer
def test_body():
    soft("of a body")

def test_good(peer):
    peer.call(collecting.taken)
""",
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["a text", "in peer 'test_inner-test_call-*'", "*an exception*"])
    result.stdout.fnmatch_lines(["the body went on"])


def test_another_outcome_of_the_body_loses_no_failure(using):
    result = using(
        "taken",
        """
def test_skips(peer):
    peer.call(soft, "first")
    pytest.skip()

def test_fails(peer):
    peer.call(soft, "second")
    raise KeyError

@pytest.mark.xfail
def test_expected(peer):
    peer.call(soft, "third")
""",
    )
    result.assert_outcomes(failed=2, xfailed=1)
    result.stdout.fnmatch_lines_random(["first", "*Captured soft assertions call*", "second"])


def test_a_failing_teardown_leaves_none_to_the_next_test(using):
    result = using(
        "taken",
        """
@pytest.fixture(scope="module")
def shared(module_peer_factory):
    return module_peer_factory()

@pytest.fixture
def failing(shared):
    yield
    shared.call(soft, "of the teardown")
    raise KeyError

def test_first(failing):
    pass

def test_second(shared):
    shared.call(os.getpid)
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["of the teardown"])


def test_calls_that_end_at_once_give_a_failure_once(using):
    result = using(
        "slow",
        """
def test_call(peer):
    first = peer.submit(time.sleep, 0.1)
    peer.call(soft, "once")
    first.result()
""",
    )
    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("\nonce\n") == 1


def test_callables_are_called_here(using):
    result = using(
        "given",
        """
def test_call(peer):
    peer.call(soft, "failure")
    assert collecting.failures == ["failure arrived"]
""",
    )
    result.assert_outcomes(passed=1)


def test_what_it_raises_is_a_failure(using):
    result = using(
        "broken",
        """
def test_call(peer):
    peer.call(os.getpid)
""",
    )
    result.assert_outcomes(errors=2)  # also at the end of the peer
    result.stdout.fnmatch_lines(["*LookupError: no list"])


def test_each_life_has_it(using):
    result = using(
        "taken",
        """
def test_restart(peer):
    peer.restart().call(soft, "again")
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["again"])


@pytest.mark.parametrize("shutdown", ["halt", 5])
def test_the_end_of_a_peer_collects_the_rest(using, shutdown):
    result = using(
        "taken",
        f"""
def start(path):
    threading.Thread(target=later, args=(path,)).start()

def later(path):
    while not path.exists():
        time.sleep(0.01)
    soft("late")
    path.unlink()

@pytest.mark.peer(shutdown={shutdown!r})
def test_end(peer, tmp_path):
    path = tmp_path / "go"
    peer.call(start, path)
    path.touch()
    while path.exists():
        time.sleep(0.01)
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["late"])
