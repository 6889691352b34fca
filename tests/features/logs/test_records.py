"""A record of a peer is a record of the test's own loggers."""

from __future__ import annotations

import decimal
import logging
import os
import sys
import threading
import time
from typing import Any

import log_calls
import pytest
from log_calls import DB, log, log_on_a_thread

from pytest_peer import Peer

Caplog = pytest.LogCaptureFixture


def only(caplog: Caplog) -> logging.LogRecord:
    (record,) = caplog.records
    return record


def test_record_of_a_call_is_there_when_it_returns(shared: Peer, caplog: Caplog) -> None:
    shared.call(log, "hello")
    assert caplog.record_tuples == [("app.db", logging.WARNING, "hello")]


def test_record_says_where_and_when(shared: Peer, caplog: Caplog) -> None:
    before = time.time()
    pid = shared.call(log)
    record = only(caplog)
    assert before <= record.created <= time.time()
    assert (record.process, record.threadName) == (pid, "MainThread")
    assert (record.pathname, record.funcName) == (log_calls.__file__, "log")
    assert (record.filename, record.module) == ("log_calls.py", "log_calls")
    with open(record.pathname) as source:
        assert ".log(level, text)" in source.readlines()[record.lineno - 1]


def test_record_says_which_peer(peer_factory: Any, caplog: Caplog) -> None:
    peer_factory.many(2, name="rank").call(log)
    assert sorted(vars(record)["peer"] for record in caplog.records) == ["rank-0", "rank-1"]


def test_message_is_rendered_in_the_peer(shared: Peer, caplog: Caplog) -> None:
    def change_afterwards() -> None:
        things = [1]
        DB.warning("things: %s", things)
        things.append(2)

    shared.call(change_afterwards)
    assert caplog.messages == ["things: [1]"]
    assert not only(caplog).args


def fail_and_log() -> None:
    try:
        raise ValueError("no such table")
    except ValueError:
        DB.exception("query failed")


def test_exception_comes_as_text(shared: Peer, caplog: Caplog) -> None:
    shared.call(fail_and_log)
    record = only(caplog)
    assert record.exc_info is None
    assert record.exc_text is not None
    assert record.exc_text.startswith("Traceback")
    assert record.exc_text.endswith("ValueError: no such table")
    assert "ValueError: no such table" in caplog.text


def test_stack_comes_along(shared: Peer, caplog: Caplog) -> None:
    def with_stack() -> None:
        DB.warning("here", stack_info=True)

    shared.call(with_stack)
    assert "with_stack" in (only(caplog).stack_info or "")


def test_record_of_a_thread_has_its_name(shared: Peer, caplog: Caplog) -> None:
    shared.call(log_on_a_thread, "pumped")
    assert (only(caplog).message, only(caplog).threadName) == ("pumped", "pump")


def test_level_with_a_name_of_its_own(shared: Peer, caplog: Caplog) -> None:
    def notice() -> None:
        logging.addLevelName(35, "NOTICE")
        DB.log(35, "noted")

    shared.call(notice)
    assert (only(caplog).levelno, only(caplog).levelname) == (35, "NOTICE")


def test_record_of_the_root_logger(shared: Peer, caplog: Caplog) -> None:
    shared.call(log, "rooted", name="")
    assert only(caplog).name == "root"


def test_name_of_the_peer_wins_over_an_extra_field(peer_factory: Any, caplog: Caplog) -> None:
    def extra() -> None:
        DB.warning("connected", extra={"peer": "10.0.0.1"})

    peer_factory(name="db").call(extra)
    assert vars(only(caplog))["peer"] == "db"


class Local:
    """Cannot be pickled, and says so."""

    def __reduce__(self) -> Any:
        raise TypeError("not me")

    def __repr__(self) -> str:
        return "<local>"


def test_extra_fields_are_attributes(shared: Peer, caplog: Caplog) -> None:
    def extra() -> None:
        fields = {"user": "ada", "price": decimal.Decimal("1.5"), "path": [1, (2,)]}
        DB.warning("sold", extra=fields)

    shared.call(extra)
    held = vars(only(caplog))
    assert (held["user"], held["price"], held["path"]) == ("ada", decimal.Decimal("1.5"), [1, (2,)])


@pytest.mark.parametrize("value", ["Local()", "threading.Lock()", "lambda: 0"])
def test_extra_field_that_cannot_travel_is_text(shared: Peer, caplog: Caplog, value: str) -> None:
    def extra() -> str:
        thing = eval(value, {"Local": Local, "threading": threading})
        DB.warning("sold", extra={"thing": thing, "count": 2})
        return repr(thing)

    shown = shared.call(extra)
    held = vars(only(caplog))
    assert (held["thing"], held["count"]) == (shown, 2)


def test_filter_of_a_logger_adds_fields(peer: Peer, caplog: Caplog) -> None:
    def filtered() -> None:
        def add(record: logging.LogRecord) -> bool:
            record.request = "r1"
            return True

        DB.addFilter(add)
        DB.warning("asked")

    peer.call(filtered)
    assert vars(only(caplog))["request"] == "r1"


class Unprintable:
    def __str__(self) -> str:
        raise OSError("unreadable")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("args", "error"),
    [((1, 2), "TypeError: not all arguments"), ((Unprintable(),), "OSError: unreadable")],
)
def test_message_that_cannot_be_rendered(
    shared: Peer, caplog: Caplog, args: Any, error: str
) -> None:
    shared.call(DB.warning, "one %s", *args)
    assert caplog.messages[0].startswith(error)
    assert "'one %s'" in caplog.messages[0]


def test_message_that_is_no_text(shared: Peer, caplog: Caplog) -> None:
    def odd() -> None:
        class Text(str):
            pass

        DB.warning(Text("a text"))
        DB.warning(["a", "list"])
        DB.warning("surrogate \udcff")

    shared.call(odd)
    assert caplog.messages == ["a text", "['a', 'list']", "surrogate \udcff"]


@pytest.mark.parametrize("size", [10_000, 500_000])
def test_long_message_is_whole(shared: Peer, caplog: Caplog, size: int) -> None:
    shared.call(log, "x" * size)
    assert caplog.messages == ["x" * size]


def test_message_of_megabytes_is_cut_and_says_so(shared: Peer, caplog: Caplog) -> None:
    shared.call(lambda: DB.warning("x" * 3_000_000))
    assert caplog.messages[0].startswith("xxx")
    assert caplog.messages[0].endswith("characters more")


def test_record_made_elsewhere_arrives(shared: Peer, caplog: Caplog) -> None:
    """As a receiver of records does, which has them of another process."""

    def receive() -> None:
        fields = {"name": "app.db", "msg": "received", "levelno": 10, "levelname": "DEBUG"}
        DB.handle(logging.makeLogRecord(fields))

    shared.call(receive)
    assert caplog.record_tuples == [("app.db", logging.DEBUG, "received")]


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_logging_is_imported_only_by_who_uses_it(peer_factory: Any, start_method: str) -> None:
    program = "import sys; print('logging' in sys.modules)"
    peer = peer_factory(start_method=start_method)
    peer.call("builtins:exec", program)
    assert start_method == "forkserver" or peer.stdout.text == "False\n"


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_logging_is_imported_in_the_call(
    peer_factory: Any, caplog: Caplog, start_method: str
) -> None:
    program = "import logging; logging.getLogger('late').warning('just in time')"
    peer_factory(start_method=start_method).call("builtins:exec", program)
    assert caplog.messages == ["just in time"]


def test_logging_is_itself_in_a_peer(peer: Peer) -> None:
    def about() -> tuple[object, ...]:
        spec = logging.__spec__
        return type(logging.__loader__).__name__, type(spec.loader).__name__, logging.__file__

    assert peer.call(about) == ("SourceFileLoader", "SourceFileLoader", logging.__file__)


def test_records_on_another_python(peer_factory: Any, caplog: Caplog, requires_python: Any) -> None:
    peer = peer_factory(exec=requires_python("3.8"))
    peer.call("builtins:exec", "import logging; logging.getLogger('old').error('aged %d', 8)")
    assert caplog.record_tuples == [("old", logging.ERROR, "aged 8")]


@pytest.mark.parametrize("options", [{"connection": 0}, {"exec": ["env", sys.executable]}])
def test_records_over_every_link(peer_factory: Any, caplog: Caplog, options: Any) -> None:
    peer = peer_factory(**options)
    with caplog.at_level(logging.DEBUG):
        peer.call(log, "far", logging.DEBUG)
    assert caplog.messages == ["far"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there children reach the peer")
def test_record_of_a_forked_child(shared: Peer, caplog: Caplog) -> None:
    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            try:
                DB.warning("from the child")
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        return pid

    pid = shared.call(fork)
    assert (only(caplog).message, only(caplog).process) == ("from the child", pid)
