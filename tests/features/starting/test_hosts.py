"""`--peer-hosts` places peers on the hosts in turn."""

from __future__ import annotations

import sys

import pytest

#: A launcher that has its host's name for an argument, as ssh has.
THERE = f"env THERE={{host}} '{sys.executable}'"
#: What a test sees of where a peer was placed.
PLACED = f"""
THERE = ["env", "THERE={{host}}", {sys.executable!r}]

def place(peer):
    there = peer.call(os.getenv, "THERE")
    assert there == peer.host == peer.node.partition("@")[2]
    return there
"""
ON_THREE = (f"--peer-exec={THERE}", "--peer-hosts=a,b,c")


def test_peers_of_a_test_are_placed_in_turn(inner):
    inner.write(
        PLACED
        + """
def test(peer_factory):
    assert [place(peer_factory()) for _ in range(4)] == ["a", "b", "c", "a"]
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=1)


def test_peers_that_start_together_are_placed_in_turn(inner):
    inner.write(
        PLACED
        + """
def test(peer_factory):
    assert [place(each) for each in peer_factory.many(5)] == ["a", "b", "c", "a", "b"]
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=1)


def test_every_test_begins_with_the_first_host(inner):
    inner.write(
        PLACED
        + """
@pytest.mark.parametrize("round", range(2))
def test(peer, peer_factory, round):
    assert [place(peer), place(peer_factory())] == ["a", "b"]

@pytest.mark.in_peer
def test_body():
    assert os.environ["THERE"] == "a"
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=3)


def test_factory_of_a_wider_scope_goes_on_where_it_was(inner):
    inner.write(
        PLACED
        + """
@pytest.mark.parametrize("expected", ["a", "b", "c"])
def test(session_peer_factory, expected):
    assert place(session_peer_factory()) == expected
"""
    )
    inner.run(*ON_THREE, "-p", "no:randomly").assert_outcomes(passed=3)


def test_restarted_peer_stays_where_it_was(inner):
    inner.write(
        PLACED
        + """
def test(peer_factory):
    first, second = peer_factory(), peer_factory()
    assert place(second.restart()) == "b"
    assert place(first.restart()) == "a"
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=1)


def test_option_host_says_where(inner):
    inner.write(
        PLACED
        + """
def test_call(peer_factory):
    assert place(peer_factory(host="c")) == "c"
    assert place(peer_factory()) == "a"

@pytest.mark.peer(host="elsewhere")
def test_marker(peer):
    assert place(peer) == "elsewhere"
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=2)


def test_program_of_a_marker_or_a_call_has_a_place_too(inner):
    inner.write(
        PLACED
        + """
@pytest.mark.peer(exec=THERE)
def test_marker(peer):
    assert place(peer) == "a"

def test_call(peer_factory):
    assert place(peer_factory(exec=THERE)) == "a"

def test_call_that_names_no_place(peer_factory):
    assert peer_factory(exec=sys.executable).host == peer_factory(exec=sys.executable).host != "a"
"""
    )
    inner.run(*ON_THREE).assert_outcomes(passed=3)


def test_hosts_may_be_in_the_ini_file(inner):
    inner.pytester.makeini(f"[pytest]\npeer_exec = {THERE}\npeer_hosts = a, b")
    inner.write(PLACED + "def test(peer): assert place(peer) == 'a'")
    inner.run().assert_outcomes(passed=1)


def test_each_of_several_programs_is_placed(inner):
    inner.write(PLACED + "def test(peer): assert place(peer) == 'a'")
    again = f"--peer-exec=env AGAIN=1 THERE={{host}} '{sys.executable}'"
    inner.run(*ON_THREE, again).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--peer-hosts=a"], "--peer-hosts: no {host} in --peer-exec to put them"),
        (["--peer-exec=python3", "--peer-hosts=a"], "--peer-hosts: no {host} in --peer-exec"),
        (["--peer-exec=ssh {host} python3"], "--peer-exec: {host} needs --peer-hosts"),
        ([f"--peer-exec={THERE}", "--peer-hosts=a,,b"], "--peer-hosts: host: only letters"),
        ([f"--peer-exec={THERE}", "--peer-hosts=a;b"], "--peer-hosts: host: only letters"),
        ([f"--peer-exec={THERE}", "--peer-hosts=a,b,a"], "a host is there twice"),
        ([*ON_THREE, "--peer-hosts=d"], "--peer-hosts: given more than once"),
    ],
)
def test_hosts_that_do_not_fit_are_refused_before_any_test(inner, arguments, complaint):
    inner.write("def test(): pass")
    result = inner.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint in result.stderr.str()


def test_place_without_a_host_is_refused(inner):
    inner.write(PLACED + "def test(peer_factory): peer_factory(exec=THERE)")
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: exec: {host} needs --peer-hosts to name some*"])
