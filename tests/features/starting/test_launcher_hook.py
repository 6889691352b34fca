"""The hook `pytest_peer_launcher` prepares an environment for a peer and removes it afterwards."""

from __future__ import annotations

import sys

import pytest

#: Notes what is made and what is gone, in order, and with what a peer was asked for.
CONFTEST = f"""
import contextlib

def note(*words):
    with open("notes", "a") as notes:
        print(*words, file=notes)

@contextlib.contextmanager
def box(options):
    note("made", options["name"], options["exec"][-1])
    try:
        yield ["env", "BOX=" + options["name"], {sys.executable!r}]
    finally:
        note("gone", options["name"])

def pytest_peer_launcher(config, options):
    return box(options) if options["exec"][0] == "box" else None
"""
NOTE = """
def note(*words):
    with open("notes", "a") as notes:
        print(*words, file=notes)
"""


@pytest.fixture
def boxes(inner):
    inner.pytester.makeconftest(CONFTEST)
    return inner


def notes(inner) -> list[str]:
    return (inner.path / "notes").read_text().splitlines()


def test_peer_starts_in_what_the_hook_has_made(boxes):
    boxes.write(
        NOTE
        + """
def test(peer_factory):
    one = peer_factory(name="one", exec=["box", "large"])
    assert one.call(os.getenv, "BOX") == "one"
    assert one.options.exec[0] == "env"
    note("tested")
"""
    )
    boxes.run().assert_outcomes(passed=1)
    assert notes(boxes) == ["made one large", "tested", "gone one"]


def test_hook_tears_down_after_the_stop_even_after_a_failure(boxes):
    boxes.write(
        NOTE
        + """
import atexit

@pytest.fixture
def peers(peer_factory):
    peers = peer_factory.many(2, name="rank", exec=["box"])
    for peer in peers:
        peer.call(atexit.register, note, peer.name, "ends")
    return peers

def test(peers):
    peers[0].kill()
    raise ValueError("broken")
"""
    )
    boxes.run().assert_outcomes(failed=1)
    assert notes(boxes) == [
        "made rank-0 box",
        "made rank-1 box",
        "rank-1 ends",
        "gone rank-1",
        "gone rank-0",
    ]


def test_restarted_peer_starts_in_the_same(boxes):
    boxes.write(
        """
        def test(peer_factory):
            peer = peer_factory(name="one", exec=["box"])
            assert peer.restart().call(os.getenv, "BOX") == "one"
        """
    )
    boxes.run().assert_outcomes(passed=1)
    assert notes(boxes) == ["made one box", "gone one"]


def test_it_lasts_as_long_as_the_scope_of_the_factory(boxes):
    boxes.write(
        NOTE
        + """
@pytest.fixture(scope="module")
def box(module_peer_factory):
    return module_peer_factory(name="one", exec=["box"])

@pytest.mark.parametrize("round", [1, 2])
def test(box, round):
    assert box.call(os.getenv, "BOX") == "one"
    note("tested")
"""
    )
    boxes.run().assert_outcomes(passed=2)
    assert notes(boxes) == ["made one box", "tested", "tested", "gone one"]


def test_command_line_can_ask_for_it(boxes):
    boxes.write("def test(peer): assert peer.call(os.getenv, 'BOX') == peer.name")
    boxes.run("--peer-exec=box {host}", "--peer-hosts=alpha").assert_outcomes(passed=1)
    assert notes(boxes)[0].endswith(" alpha")


def test_peers_that_the_hook_leaves_alone_start_unchanged(boxes):
    boxes.write("def test(peer): assert peer.call(os.getenv, 'BOX') is None")
    boxes.run().assert_outcomes(passed=1)


def test_hook_that_fails_fails_the_test(inner):
    inner.pytester.makeconftest(
        """
        import contextlib

        @contextlib.contextmanager
        def box():
            raise RuntimeError("no room")
            yield

        def pytest_peer_launcher(options):
            return box()
        """
    )
    inner.write("def test(peer): pass")
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: no room"])


def test_hook_that_fails_in_its_teardown_is_an_error(inner):
    inner.pytester.makeconftest(
        """
        import contextlib, sys

        @contextlib.contextmanager
        def box():
            yield [sys.executable]
            raise RuntimeError("cannot tidy up")

        def pytest_peer_launcher(options):
            return box()
        """
    )
    inner.write("def test(peer): pass")
    result = inner.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: cannot tidy up"])


def test_words_of_the_hook_are_checked(inner):
    inner.pytester.makeconftest(
        """
        import contextlib

        def pytest_peer_launcher(options):
            return contextlib.nullcontext(["env", 7])
        """
    )
    inner.write("def test(peer_factory): peer_factory()")
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TypeError: exec: expected only str, got 7 in*"])
