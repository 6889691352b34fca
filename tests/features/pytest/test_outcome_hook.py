"""The hook `pytest_peer_outcome`: what a plugin collects in a peer fails the test."""

from __future__ import annotations

import pytest

COLLECTING = """
import functools

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


def test_a_failure_of_another_body_is_not_lost(using):
    result = using(
        "taken",
        """
def test_skips(peer):
    peer.call(soft, "first")
    pytest.skip()

def test_fails(peer):
    peer.call(soft, "second")
    raise KeyError
""",
    )
    result.assert_outcomes(skipped=1, failed=1, errors=2)
    result.stdout.fnmatch_lines_random(["first", "second"])


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
    result.assert_outcomes(failed=1, errors=1)
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
