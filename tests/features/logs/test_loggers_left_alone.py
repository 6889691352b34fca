"""The loggers, handlers and levels of a peer work as they do without the test."""

from __future__ import annotations

import logging
import logging.config
from typing import Any

import pytest
from log_calls import DB, log, log_at_all_levels

from pytest_peer import Peer

Caplog = pytest.LogCaptureFixture
DEBUG, INFO, WARNING = logging.DEBUG, logging.INFO, logging.WARNING


def configure(**options: Any) -> None:
    logging.basicConfig(format="%(levelname)s %(message)s", **options)


def test_root_has_no_handler_of_ours(peer: Peer) -> None:
    assert peer.call(lambda: (logging.root.handlers, DB.handlers)) == ([], [])


def test_basic_config_works(peer: Peer, caplog: Caplog) -> None:
    peer.call(configure)
    peer.call(log, "hello")
    assert peer.stderr.text == "WARNING hello\n"
    assert caplog.messages == ["hello"]


def test_handler_of_the_peer_gets_no_more_than_before(peer: Peer, caplog: Caplog) -> None:
    peer.call(configure)
    with caplog.at_level(DEBUG):
        peer.call(log_at_all_levels)
    assert caplog.messages == ["debug", "info", "warning", "error"]
    assert peer.stderr.lines == ["WARNING warning", "ERROR error"]


def test_handler_of_the_peer_gets_no_less_than_before(peer: Peer, caplog: Caplog) -> None:
    peer.call(configure, level=INFO)
    with caplog.at_level(logging.ERROR):
        peer.call(log_at_all_levels)
    assert caplog.messages == ["error"]
    assert peer.stderr.lines == ["INFO info", "WARNING warning", "ERROR error"]


def test_without_a_handler_nothing_is_printed(peer: Peer, caplog: Caplog) -> None:
    peer.call(log, "hello")
    with caplog.at_level(logging.CRITICAL):
        peer.call(log, "unwanted")
    assert peer.stderr.text == ""
    assert caplog.messages == ["hello"]


def test_level_of_a_logger_is_what_the_peer_has_set(peer: Peer, caplog: Caplog) -> None:
    with caplog.at_level(DEBUG):
        assert peer.call(lambda: (logging.root.level, DB.level)) == (WARNING, logging.NOTSET)


@pytest.mark.parametrize("disable", [False, True])
def test_dict_config(peer: Peer, caplog: Caplog, disable: bool) -> None:
    """It disables existing loggers by default; the test has their records all the same."""
    config = {
        "version": 1,
        "disable_existing_loggers": disable,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "INFO"},
    }
    peer.call(log_at_all_levels)  # so that the logger exists
    caplog.clear()
    peer.call(logging.config.dictConfig, config)
    peer.call(log_at_all_levels)
    assert caplog.messages == ["info", "warning", "error"]
    assert peer.stderr.lines == ([] if disable else ["info", "warning", "error"])


def test_basic_config_by_force(peer: Peer, caplog: Caplog) -> None:
    peer.call(configure)
    peer.call(logging.basicConfig, force=True, format="again %(message)s")
    peer.call(log, "hello")
    assert peer.stderr.text == "again hello\n"
    assert caplog.messages == ["hello"]


def test_handlers_that_are_removed(peer: Peer, caplog: Caplog) -> None:
    peer.call(configure)
    peer.call("logging:root.handlers.clear")
    peer.call(log, "hello")
    assert caplog.messages == ["hello"]


def test_logger_that_does_not_propagate(peer: Peer, caplog: Caplog) -> None:
    def stop() -> None:
        DB.propagate = False

    peer.call(stop)
    peer.call(log, "hello")
    assert caplog.messages == ["hello"]


def test_filter_of_the_peer_hides_nothing(peer: Peer, caplog: Caplog) -> None:
    def hide() -> None:
        configure()
        DB.addFilter(lambda _: False)

    peer.call(hide)
    peer.call(log, "hidden")
    assert caplog.messages == ["hidden"]
    assert peer.stderr.text == ""


def test_filter_of_the_test_decides(peer: Peer, caplog: Caplog) -> None:
    def hide(record: logging.LogRecord) -> bool:
        return record.getMessage() != "hidden"

    DB.addFilter(hide)
    try:
        peer.call(log, "hidden")
        peer.call(log, "seen")
    finally:
        DB.removeFilter(hide)
    assert caplog.messages == ["seen"]


def test_handlers_see_records_without_our_marks(peer: Peer) -> None:
    def seen() -> bool:
        class Keeping(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                fields.update(vars(record))

        fields: dict[str, object] = {}
        DB.addHandler(Keeping())
        DB.warning("hello")
        plain = vars(logging.LogRecord("", 0, "", 0, "", (), None))
        return set(fields) == set(plain)

    assert peer.call(seen)


def test_logger_of_a_class_of_its_own(peer: Peer, caplog: Caplog) -> None:
    def log_by_class() -> None:
        class Own(logging.Logger):
            def handle(self, record: logging.LogRecord) -> None:
                record.msg = f"own {record.msg}"
                super().handle(record)

        logging.setLoggerClass(Own)
        configure()
        logging.getLogger("own").warning("hello")
        logging.getLogger("own").debug("quiet")

    peer.call(log_by_class)
    with caplog.at_level(DEBUG):
        peer.call(log, "loud", DEBUG, "own")
    assert caplog.messages == ["own hello", "own loud"]
    assert peer.stderr.text == "WARNING own hello\n"


def test_warnings_that_are_logged(peer: Peer, caplog: Caplog) -> None:
    peer.call(logging.captureWarnings, True)
    peer.call("builtins:exec", "import warnings; warnings.warn('old', stacklevel=1)")
    assert [record.name for record in caplog.records] == ["py.warnings"]
