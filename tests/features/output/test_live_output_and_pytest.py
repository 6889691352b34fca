"""Live output fits in with what else pytest writes on the terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import eventually

SPEAKS = """
def speak(*words):
    print(*words)
"""
NAMED = '\n@pytest.mark.peer(name="db")\n'


def shown(result: pytest.RunResult, text: str) -> list[str]:
    return [line for line in result.outlines if text in line]


def test_name_that_was_made_up_is_shortened(inner: Any) -> None:
    inner.write(
        SPEAKS
        + """
def test_it(peer_factory):
    peer_factory().call(speak, "first")
    peer_factory().call(speak, "second")
    peer_factory(name=peer_factory.name("db")).call(speak, "third")
"""
    )
    result = inner.run_apart("-s")
    result.stdout.fnmatch_lines(
        ["[[]test_it-1] first", "[[]test_it-2] second", "[[]db-3] third"], consecutive=True
    )


def test_name_is_that_of_the_report(inner: Any) -> None:
    inner.write(
        SPEAKS
        + """
def test_it(peer_factory):
    for each in peer_factory.many(2): each.call(speak, "said")
    assert False
"""
    )
    result = inner.run_apart("-s")
    result.stdout.fnmatch_lines(["[[]test_it-1] said", "[[]test_it-2] said"])
    result.stdout.re_match_lines([r"<Peer test_it-1 pid \d+: running>"])


def test_report_does_not_repeat_what_was_shown(inner: Any) -> None:
    inner.write(SPEAKS + NAMED + 'def test_it(peer): peer.call(speak, "said"); assert False')
    for option, times in (("-s", 1), ("--capture=tee-sys", 2)):  # as what a test prints
        lines = inner.run_apart(option).outlines
        assert sum(line.endswith("said") for line in lines) == times, option


def test_report_of_a_worker_has_what_was_not_shown(inner: Any) -> None:
    inner.write(SPEAKS + NAMED + 'def test_it(peer): peer.call(speak, "said"); assert False')
    result = inner.run_apart("-s", "-n", "1")
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "said"])


COLOURED = (
    SPEAKS
    + """
def test_first(peer_factory): peer_factory.many(3, name="rank").call(speak, "said")
def test_second(peer_factory): peer_factory.many(3, name="rank").call(speak, "said")
"""
)


def test_peer_has_a_colour_of_its_own_in_each_test(inner: Any) -> None:
    inner.write(COLOURED)
    lines = shown(inner.run_apart("-s", "--color=yes"), "said")
    assert len(lines) == 6
    assert len(set(lines)) == 3  # the same in both tests
    assert len({re.match(r"(\x1b\[\d+m)+(?=\[rank)", line)[0] for line in lines}) == 3


@pytest.mark.parametrize("how", ["--color=no", "NO_COLOR"])
def test_no_colour_where_pytest_has_none(
    inner: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner.write(COLOURED)
    if how == "NO_COLOR":
        monkeypatch.setenv(how, "1")
    result = inner.run_apart("-s", *([how] if how != "NO_COLOR" else []))
    assert "\x1b" not in result.stdout.str()
    assert len(shown(result, "] said")) == 6


@pytest.mark.parametrize("verbose", ["-q", "-v"])
def test_output_begins_on_a_line_of_its_own(inner: Any, verbose: str) -> None:
    inner.write(SPEAKS + NAMED + 'def test_it(peer): peer.call(speak, "said")')
    lines = inner.run_apart("-s", verbose).outlines
    at = lines.index("[db] said")
    assert lines[at - 1].startswith("test_inner.py" if verbose == "-v" else "")
    assert lines[at + 1].startswith("PASSED" if verbose == "-v" else ".")


def test_live_logs_stay_in_their_section(inner: Any) -> None:
    inner.write(
        SPEAKS
        + NAMED
        + """def test_it(peer):
    import logging
    peer.call(speak, "before")
    logging.warning("logged")
    peer.call(speak, "behind")
"""
    )
    result = inner.run_apart("-s", "-o", "log_cli=true")
    result.stdout.fnmatch_lines(["[[]db] behind", "PASSED*"])
    assert "[db] before" in result.outlines  # the test does not wait until it is shown
    result.stdout.fnmatch_lines(["*- live log call -*"])
    result.stdout.no_fnmatch_line("*logged*[[]db]*")
    at = next(index for index, line in enumerate(result.outlines) if "live log call" in line)
    assert result.outlines[at + 1].endswith("logged")


def test_capfd_of_a_test_has_nothing_of_it(inner: Any) -> None:
    inner.write(
        SPEAKS
        + NAMED
        + """def test_it(peer, capfd):
    print("of the test")
    peer.call(speak, "of the peer")
    assert capfd.readouterr().out == "of the test\\n"
"""
    )
    result = inner.run_apart("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["[[]db] of the peer"])


def test_without_a_terminal_plugin_it_is_plain_text(inner: Any) -> None:
    inner.write(SPEAKS + NAMED + 'def test_it(peer): peer.call(speak, "said")')
    result = inner.run_apart("-s", "-p", "no:terminal")
    assert result.ret == 0
    assert result.outlines == ["[db] said"]


def test_nobody_waits_for_a_terminal_that_takes_nothing(inner: Any) -> None:
    """The peer, its calls and the event loop go on; when it takes more, nothing was lost."""
    inner.write(
        """
def count():
    for number in range(50_000):
        print("number", number)

@pytest.mark.peer(name="db")
def test_it(peer):
    peer.call(count)
    assert peer.call(os.getpid) == peer.pid
    assert peer.stdout.lines[-1] == "number 49999"
    with open("done", "w"): pass
"""
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s"], cwd=inner.path, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        done: Path = inner.path / "done"
        assert eventually(done.exists, LONG)
        lines = run.stdout.read().splitlines()
    shown = [line for line in lines if line.startswith("[db] number")]
    assert shown == [f"[db] number {number}" for number in range(50_000)]


def test_reader_of_the_terminal_that_goes_away_hangs_nothing(inner: Any) -> None:
    inner.write(
        """
@pytest.mark.peer(name="db")
def test_it(peer):
    with open("ready", "w"): pass
    sys.stdin.readline()
    peer.call(print, "to nobody")
    assert peer.call(os.getpid) == peer.pid
    with open("done", "w"): pass
"""
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s"],
        cwd=inner.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdin is not None and run.stdout is not None
        ready: Path = inner.path / "ready"
        assert eventually(ready.exists, LONG)
        run.stdout.close()
        run.stdin.write("\n")
        run.stdin.close()
        run.wait(LONG)
    assert (inner.path / "done").exists()
