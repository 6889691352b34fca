"""Live logs (``log_cli``) and the log file have the records of peers behind the peers' names."""

from __future__ import annotations

import re
from typing import Any

import pytest

LOGS = """
import logging

def log(text, level=logging.WARNING):
    logging.getLogger("app.db").log(level, text)

def print_and_log(number):
    print("printed", number)
    log(f"logged {number}")

"""
NAMED = '@pytest.mark.peer(name="db")\n'
LIVE = "--log-cli-level=INFO"
ONE = LOGS + NAMED + 'def test_it(peer):\n    peer.call(log, "slow query")\n'


def lines_with(result: pytest.RunResult, *texts: str) -> list[str]:
    return [line for line in result.outlines if any(text in line for text in texts)]


@pytest.mark.parametrize("capture", ["fd", "sys", "no", "tee-sys"])
def test_record_is_shown_behind_the_name_of_its_peer(inner: Any, capture: str) -> None:
    inner.write(ONE)
    result = inner.run_apart(LIVE, f"--capture={capture}")
    result.assert_outcomes(passed=1)
    (line,) = lines_with(result, "slow query")
    assert re.fullmatch(r"\[db\] WARNING +app\.db:test_inner\.py:\d+ slow query", line)


def test_each_line_of_a_record_has_the_name(inner: Any) -> None:
    inner.write(ONE.replace("slow query", "slow\\nquery"))
    result = inner.run_apart(LIVE)
    result.stdout.fnmatch_lines(["[[]db] WARNING * slow", "[[]db] query"], consecutive=True)


def test_name_has_the_colour_of_the_peer(inner: Any) -> None:
    inner.write(
        LOGS
        + NAMED
        + "def test_it(peer):\n    for number in (1, 2): peer.call(print_and_log, number)"
    )
    lines = lines_with(inner.run_apart(LIVE, "-s", "--color=yes"), "logged", "printed")
    assert len(lines) == 4
    (begin,) = {line[: line.index("db]")] for line in lines}
    assert begin.startswith("\x1b[")


def test_only_the_level_that_was_asked_for_is_shown(inner: Any) -> None:
    inner.write(
        LOGS
        + NAMED
        + """def test_it(peer):
    peer.call(log, "quiet", logging.DEBUG)
    peer.call(log, "loud", logging.INFO)
"""
    )
    assert len(lines_with(inner.run_apart(LIVE), "quiet", "loud")) == 1


def test_failing_test_shows_it_live_and_in_the_report(inner: Any) -> None:
    """As a record of the test itself."""
    inner.write(ONE + "    assert False")
    lines = lines_with(inner.run_apart(LIVE, "-s"), "app.db:test_inner.py")
    assert [line.startswith("[db] ") for line in lines] == [True, False]


def test_records_of_the_test_are_as_they_were(inner: Any) -> None:
    inner.write(ONE + '    log("from the test")')
    result = inner.run_apart(LIVE)
    result.stdout.fnmatch_lines(
        ["[[]db] WARNING * slow query", "*- live log call -*", "WARNING * from the test", "PASSED*"]
    )


def test_record_is_behind_what_its_peer_has_printed(inner: Any) -> None:
    """And both are shown before what the test prints next."""
    inner.write(
        "from pytest_peer.plugin import live_output\nlive_output._REPLY_SECONDS = 30", "conftest.py"
    )
    inner.write(
        LOGS
        + NAMED
        + """def test_it(peer):
    for number in range(20):
        peer.call(print_and_log, number)
        print("test", number, flush=True)
"""
    )
    lines = lines_with(inner.run_apart(LIVE, "-s"), "printed", "logged", "test ")
    told = [line.split()[-2:] for line in lines if re.search(r"(printed|logged|test) \d+$", line)]
    kinds = ["printed", "logged", "test"]
    assert told == [[kind, str(number)] for number in range(20) for kind in kinds]


def test_output_of_the_test_stays_captured_meanwhile(inner: Any) -> None:
    inner.write(
        LOGS
        + """
def log_on():
    while True:
        log("again")
        time.sleep(0.0005)

@pytest.fixture
def chatty(peer):
    peer.cast(log_on)
    yield peer
    peer.kill()

def test_it(chatty, capsys):
    for number in range(300):
        print("of the test", number)
        time.sleep(0.001)
    assert len(capsys.readouterr().out.splitlines()) == 300
"""
    )
    result = inner.run_apart(LIVE)
    result.assert_outcomes(passed=1)
    assert lines_with(result, "again")
    assert not lines_with(result, "of the test")


def test_log_file_has_each_record_behind_the_name_of_its_peer(inner: Any) -> None:
    inner.write(ONE + '    log("from the test")')
    inner.run_apart("--log-file=all.log", "--log-file-level=DEBUG")
    records = (inner.path / "all.log").read_text().splitlines()
    found = [line.partition(" ")[0] for line in records if "app.db" in line]
    assert found == ["[db]", "WARNING"]


def test_log_file_whose_format_has_the_peer(inner: Any) -> None:
    inner.write(ONE)
    inner.run_apart("--log-file=all.log", "--log-file-format=%(peer)s: %(message)s")
    assert "\ndb: slow query\n" in "\n" + (inner.path / "all.log").read_text()


def test_worker_of_xdist_shows_none(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run_apart(LIVE, "-n", "1")
    result.assert_outcomes(passed=1)
    assert not lines_with(result, "slow query")
