"""What a peer logs between two phases of a test, or between two tests, is not lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

#: A peer that logs all the time, in tests whose reports take a while.
CHATTY = """
import logging

def log_on(level):
    for number in range(1_000_000):
        logging.getLogger("app").log(level, "number %d", number)
        time.sleep(0.0005)

@pytest.fixture(scope="module")
def chatty(module_peer_factory):
    peer = module_peer_factory(name="db")
    peer.cast(log_on, LEVEL)
    return peer

@pytest.mark.parametrize("number", range(5))
def test_it(chatty, number):
    chatty.send("nobody", "reads it")
    time.sleep(0.02)
    assert False
"""


def numbers(result: pytest.RunResult) -> list[int]:
    """Of the records in the reports, in their order; a record may be in the report of a test only."""
    found = (
        re.search(r"\w+ +app:test_inner.py:\d+ number (\d+)$", line) for line in result.outlines
    )
    return [int(match[1]) for match in found if match]


def test_reports_have_all_records(inner: Any) -> None:
    inner.write(CHATTY.replace("LEVEL", "logging.WARNING"))
    found = numbers(inner.run_apart())
    assert len(found) > 20
    assert found == list(range(len(found)))


def test_reports_have_all_records_of_a_level_that_is_set(inner: Any) -> None:
    """Between them, pytest takes back what ``--log-level`` has set."""
    inner.write(CHATTY.replace("LEVEL", "logging.INFO"))
    found = numbers(inner.run_apart("--log-level=INFO"))
    assert len(found) > 20
    assert found == list(range(len(found)))


def test_caplog_has_what_was_logged_since_the_setup(inner: Any) -> None:
    inner.write(
        """
        import logging

        def log_behind(gate):
            while not os.path.exists(gate):
                time.sleep(0.001)
            logging.getLogger("app").warning("between")

        @pytest.fixture
        def server(peer, tmp_path):
            peer.cast(log_behind, tmp_path / "setup is over")
            return peer

        def test_it(server, caplog):
            assert server.call(abs, -1) == 1
            assert caplog.messages == ["between"]
        """
    )
    inner.write(
        """
        from pytest_peer import eventually

        def pytest_runtest_logreport(report):
            if report.when == "setup":
                (gate,) = gates
                gate.touch()
                peer = peers[0]
                eventually(lambda: peer.state == "running" and idle(peer), 20)

        peers, gates = [], []

        def idle(peer):
            return "log_behind" not in peer.dump_stacks()

        @pytest.fixture(autouse=True)
        def seen(server, tmp_path):
            peers.append(server)
            gates.append(tmp_path / "setup is over")
        """,
        "conftest.py",
    )
    inner.run_apart().assert_outcomes(passed=1)


def test_level_that_the_peer_has_set_stays_in_the_next_phase(inner: Any) -> None:
    """As in one process, where pytest only lowers the level."""
    inner.write(
        """
        import logging

        @pytest.fixture
        def server(peer):
            peer.call(logging.basicConfig, level=logging.DEBUG)
            return peer

        def test_it(server, caplog):
            caplog.handler.setLevel(logging.DEBUG)  # pytest has set it to INFO too
            server.call("logging:debug", "detail")
            assert caplog.messages == ["detail"]
        """
    )
    inner.run_apart("--log-level=INFO").assert_outcomes(passed=1)
