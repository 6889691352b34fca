"""A peer sends the records that the test wants, and no others."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from log_calls import enabled, log, log_at_all_levels, set_level
from timeouts import LONG

from pytest_peer import Peer, eventually, here

Caplog = pytest.LogCaptureFixture
DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


def test_default_level_is_that_of_python(peer: Peer, caplog: Caplog) -> None:
    peer.call(log_at_all_levels)
    assert caplog.messages == ["warning", "error"]
    assert not peer.call(enabled, INFO)


def test_level_that_was_set_before_the_boot(peer_factory: Any, caplog: Caplog) -> None:
    caplog.set_level(WARNING)
    caplog.set_level(INFO, "app.loud")
    peer = peer_factory()
    peer.call(log_at_all_levels, "app.loud.too")
    peer.call(log_at_all_levels, "other")
    assert caplog.messages == ["info", "warning", "error", "warning", "error"]


def test_level_that_is_set_for_a_running_peer(peer: Peer, caplog: Caplog) -> None:
    peer.call(log_at_all_levels)
    caplog.clear()
    caplog.set_level(DEBUG)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["debug", "info", "warning", "error"]


def records_made(level: int) -> int:
    """Return how many records are made of ten that are logged."""
    made: list[object] = []
    python_factory = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(args)
        return python_factory(*args, **kwargs)

    logging.setLogRecordFactory(make)
    try:
        for _ in range(10):
            log("unwanted?", level)
    finally:
        logging.setLogRecordFactory(python_factory)
    return len(made)


def test_record_that_nobody_wants_is_not_even_made(peer: Peer, caplog: Caplog) -> None:
    assert peer.call(records_made, DEBUG) == 0
    with caplog.at_level(DEBUG):
        assert peer.call(records_made, DEBUG) == 10
    assert peer.call(records_made, DEBUG) == 0
    assert len(caplog.messages) == 10


def test_level_for_a_block(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(DEBUG):
        assert peer.call(enabled, DEBUG)
    assert not peer.call(enabled, DEBUG)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["warning", "error"]


def test_level_of_a_logger_and_those_below(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(DEBUG, "app"):
        peer.call(log_at_all_levels, "app.db.pool")
        peer.call(log_at_all_levels, "other")
    assert caplog.messages == ["debug", "info", "warning", "error", "warning", "error"]


def test_level_above_that_of_the_root(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(ERROR, "app"):
        peer.call(log_at_all_levels)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["error", "warning", "error"]


def log_until(level: int, box: str) -> None:
    here.origin.send(box, "runs")
    while not logging.getLogger("app").isEnabledFor(level):
        threading.Event().wait(0.001)
    log("woken", level)


def test_level_reaches_a_call_that_runs(peer: Peer, peer_factory: Any, caplog: Caplog) -> None:
    call = peer.submit(log_until, DEBUG, "running")
    peer_factory.mailbox("running").get(LONG)
    caplog.set_level(DEBUG)
    call.result(LONG)
    assert caplog.messages == ["woken"]


def test_disabled_levels_are_not_sent(peer: Peer, caplog: Caplog) -> None:
    logging.disable(WARNING)
    try:
        peer.call(log_at_all_levels)
    finally:
        logging.disable(logging.NOTSET)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["error", "warning", "error"]


def test_peer_knows_what_is_disabled(peer: Peer, caplog: Caplog) -> None:
    caplog.set_level(INFO)
    assert peer.call(enabled, INFO)
    logging.disable(INFO)
    try:
        assert not peer.call(enabled, INFO)
    finally:
        logging.disable(logging.NOTSET)
    assert peer.call(enabled, INFO)


def test_level_that_the_peer_sets_later_wins(peer: Peer, caplog: Caplog) -> None:
    peer.call(set_level, DEBUG)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["debug", "info", "warning", "error"]


def test_level_that_the_test_sets_later_wins(peer: Peer, caplog: Caplog) -> None:
    peer.call(set_level, DEBUG)
    with caplog.at_level(WARNING):
        peer.call(log_at_all_levels)
    assert caplog.messages == ["warning", "error"]


def test_peer_may_take_back_what_the_test_has_set(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(DEBUG):
        peer.call(set_level, WARNING)
        peer.call(log_at_all_levels)
    assert caplog.messages == ["warning", "error"]


def test_levels_after_a_restart(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(DEBUG):
        peer.restart()
        peer.call(log_at_all_levels)
    assert caplog.messages == ["debug", "info", "warning", "error"]


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_levels_before_logging_is_imported(
    peer_factory: Any, caplog: Caplog, start_method: str
) -> None:
    peer = peer_factory(start_method=start_method)
    with caplog.at_level(DEBUG, "late"):
        peer.call("builtins:exec", "import logging; logging.getLogger('late').debug('caught')")
    assert caplog.messages == ["caught"]


def test_ini_and_command_line_set_the_level(inner: Any) -> None:
    inner.write(
        """
        import logging

        def log_all():
            for level in (10, 20, 30):
                logging.getLogger("app").log(level, "at %d", level)

        @pytest.fixture
        def ready(peer):
            peer.call(log_all)

        def test_it(peer, ready, caplog):
            assert [r.levelno for r in caplog.get_records("setup")] == [20, 30]
            peer.call(log_all)
            assert caplog.messages == ["at 20", "at 30"]

        @pytest.mark.in_peer
        def test_in_peer(caplog_levels=[20]):
            assert logging.getLogger("app").isEnabledFor(20)
            assert not logging.getLogger("app").isEnabledFor(10)
        """
    )
    inner.run("--log-level=INFO").assert_outcomes(passed=2)
    inner.pytester.makeini("[pytest]\nlog_level = INFO")
    inner.run().assert_outcomes(passed=2)


def test_level_in_another_thread_of_the_test(peer: Peer, caplog: Caplog) -> None:
    thread = threading.Thread(target=logging.getLogger("app").setLevel, args=(DEBUG,))
    thread.start()
    thread.join()
    try:
        assert peer.call(enabled, DEBUG)
    finally:
        logging.getLogger("app").setLevel(logging.NOTSET)
    eventually(lambda: not peer.call(enabled, DEBUG), timeout=LONG)
