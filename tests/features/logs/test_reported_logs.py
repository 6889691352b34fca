"""The report of a failing test shows what its peers have logged, by peer and phase."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from paths import ROOT

LOGS = """
import logging

def log(text, level=logging.WARNING):
    logging.getLogger("app.db").log(level, text)

"""
NAMED = '@pytest.mark.peer(name="db")\n'
ONE = LOGS + NAMED + 'def test_it(peer):\n    peer.call(log, "slow query")\n    assert False\n'


def count(result: pytest.RunResult, text: str) -> int:
    return sum(text in line for line in result.outlines)


def test_records_have_a_section_of_their_peer(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run()
    result.stdout.fnmatch_lines(
        ["*- Captured log [[]db] call -*", "WARNING * app.db:test_inner.py:* slow query"]
    )


def test_record_is_shown_once(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run()
    assert count(result, "app.db:test_inner.py") == 1
    result.stdout.no_fnmatch_line("*Captured log call*")
    result.stdout.no_fnmatch_line("*Captured stderr*")


def test_records_of_the_test_are_where_they_were(inner: Any) -> None:
    inner.write(ONE.replace("    assert False", '    log("from the test")\n    assert False'))
    result = inner.run()
    result.stdout.fnmatch_lines(["*Captured log call*", "* from the test"])
    result.stdout.fnmatch_lines(["*Captured log [[]db] call*", "* slow query"])
    assert count(result, ":8 from the test") == count(result, ":8 slow query") == 1


def test_every_peer_has_its_section(inner: Any) -> None:
    inner.write(
        LOGS
        + """
def test_it(peer_factory):
    peer_factory.many(2, name="rank").map(log, ["from zero", "from one"])
    assert False
"""
    )
    result = inner.run()
    for name, text in (("rank-0", "from zero"), ("rank-1", "from one")):
        result.stdout.fnmatch_lines([f"*Captured log [[]{name}] call*", f"* {text}"])


def test_every_life_has_its_section(inner: Any) -> None:
    inner.write(
        LOGS
        + NAMED
        + """def test_it(peer):
    peer.call(log, "the first")
    peer.restart().call(log, "the second")
    assert False
"""
    )
    result = inner.run()
    for life, text in ((1, "the first"), (2, "the second")):
        title = f"*Captured log [[]db] (life {life} of 2) call*"
        result.stdout.fnmatch_lines([title, f"* {text}"])


def test_every_phase_has_its_section(inner: Any) -> None:
    inner.write(
        LOGS
        + """
@pytest.fixture
def server(peer_factory):
    peer = peer_factory(name="db")
    peer.call(log, "from setup")
    yield peer
    peer.call(log, "from teardown")
    raise LookupError

def test_it(server):
    server.call(log, "from call")
    assert False
"""
    )
    result = inner.run()
    for phase in ("setup", "call", "teardown"):
        title = f"*Captured log [[]db] {phase}*"
        result.stdout.fnmatch_lines([title, f"* from {phase}"])
        result.stdout.no_fnmatch_line(f"*Captured log {phase}*")


def test_last_words_are_in_the_teardown(inner: Any) -> None:
    inner.write(
        LOGS
        + """
import atexit

@pytest.fixture
def broken():
    yield
    raise LookupError

def test_it(broken, peer_factory):
    peer_factory(name="db").call(atexit.register, log, "bye")
"""
    )
    inner.run().stdout.fnmatch_lines(["*Captured log [[]db] teardown*", "* bye"])


def test_wider_peer_shows_the_records_of_this_test_only(inner: Any) -> None:
    inner.write(
        LOGS
        + """
@pytest.fixture(scope="module")
def shared(module_peer_factory):
    return module_peer_factory(name="db")

def test_one(shared):
    shared.call(log, "from one")

def test_two(shared):
    shared.call(log, "from two")
    assert False
"""
    )
    result = inner.run()
    assert count(result, "from one") == 0
    result.stdout.fnmatch_lines(["*Captured log [[]db] call*", "* from two"])


def test_long_log_is_cut_and_says_so(inner: Any) -> None:
    inner.write(ONE.replace("peer.call(log, ", "for n in range(2000): peer.call(log, str(n) + "))
    result = inner.run()
    result.stdout.fnmatch_lines(
        ["*Captured log [[]db] call*", "... * characters before*--log-file*", "* 1999slow query"]
    )
    assert count(result, "slow query") < 500


@pytest.mark.parametrize(("what", "shown"), [("log", 1), ("no", 0), ("stdout", 0)])
def test_show_capture_chooses(inner: Any, what: str, shown: int) -> None:
    inner.write(ONE)
    assert count(inner.run(f"--show-capture={what}"), "Captured log [db]") == shown


def test_level_of_the_report(inner: Any) -> None:
    inner.write(ONE.replace('"slow query"', '"slow query", logging.INFO'))
    assert count(inner.run(), "app.db:test_inner.py") == 0
    assert count(inner.run("--log-level=INFO"), "app.db:test_inner.py") == 1


def test_logger_that_is_disabled_in_the_test(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run_apart("--log-disable=app.db")
    result.assert_outcomes(failed=1)
    assert count(result, "app.db:test_inner.py") == 0


def test_format_with_the_peer(inner: Any) -> None:
    """As the documentation says."""
    page = (ROOT / "docs/how-to/logs.md").read_text()
    (recipe,) = re.findall(r"```\n(# conftest.py\n.*?)```", page, re.DOTALL)
    inner.write(recipe, "conftest.py")
    inner.write(ONE.replace("    assert False", '    log("here")\n    assert False'))
    result = inner.run_apart("--log-format=%(peer)s: %(message)s")
    result.stdout.fnmatch_lines(["*Captured log call*", "test: here"])
    result.stdout.fnmatch_lines(["*Captured log [[]db] call*", "db: slow query"])


def test_junit_has_them(inner: Any) -> None:
    inner.write(ONE)
    inner.run("--junitxml=out.xml", "-o", "junit_logging=all")
    case = ET.parse(inner.path / "out.xml").getroot().find(".//testcase")
    assert case is not None
    assert "slow query" in "".join(case.itertext())


def test_records_travel_from_an_xdist_worker(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run("-n", "1")
    result.stdout.fnmatch_lines(["*Captured log [[]db] call*", "* slow query"])


def test_file_name_that_is_no_text_travels_from_a_worker(inner: Any) -> None:
    inner.write(ONE.replace("slow query", "slow \\udcff"))
    result = inner.run("-n", "1")
    result.stdout.fnmatch_lines(["*Captured log [[]db] call*", r"* slow \udcff"])


def test_without_the_logging_plugin(inner: Any) -> None:
    inner.write(ONE)
    result = inner.run_apart("-p", "no:logging")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stderr call*", "slow query"])


def test_records_of_a_body_that_runs_in_a_peer(inner: Any) -> None:
    inner.write(LOGS + '@pytest.mark.in_peer(name="db")\ndef test_it():\n    log("in there"); 1/0')
    inner.run().stdout.fnmatch_lines(["*Captured log [[]db] call*", "* in there"])


def test_modules_that_pytester_has_forgotten(inner: Any) -> None:
    """It forgets what was imported in an inner run; objects of these modules are used again."""
    inner.write(
        """
        def pytest_configure():
            from pytest_peer.plugin import in_peer, logs, runtest
            for module in in_peer, logs, runtest:
                del sys.modules[module.__name__]
        """,
        "conftest.py",
    )
    inner.write(ONE + '\n@pytest.mark.in_peer\ndef test_inside(): logging.error("in there"); 1 / 0')
    result = inner.run_apart()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["* slow query", "* in there"])
