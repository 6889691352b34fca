"""The traceback of an exception goes on in the peer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import traceback
import types
from collections.abc import Callable
from typing import Any

import pytest
from pythons import NEWEST
from timeouts import LONG

from pytest_peer import Peer


class OwnError(Exception):
    """An exception that only this module has."""


def innermost(exc: BaseException) -> None:
    raise exc


def outer(exc: BaseException) -> None:
    innermost(exc)


async def outer_later(exc: BaseException) -> None:
    await asyncio.sleep(0)
    innermost(exc)


def recurse(depth: int = 0) -> None:
    recurse(depth + 1)


def remote_frames(exc: BaseException) -> list[str]:
    """The functions of this file in the traceback, without the test's."""
    frames = traceback.extract_tb(exc.__traceback__)
    return [frame.name for frame in frames if frame.filename == __file__][1:]


def is_usable(peer: Peer) -> bool:
    return peer.call(os.getpid) == peer.pid


def test_traceback_goes_on_with_the_peer_s_frames(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    assert remote_frames(caught.value) == ["outer", "innermost"]


def test_frames_have_file_line_and_source(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == __file__
    assert last.lineno == innermost.__code__.co_firstlineno + 1
    assert last.line == "raise exc"


def test_frames_of_a_coroutine(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer_later, OwnError("deep"))
    assert remote_frames(caught.value) == ["outer_later", "innermost"]


def test_frames_of_code_that_travels_by_value(shared: Peer) -> None:
    def local() -> None:
        outer(OwnError("deep"))

    with pytest.raises(OwnError) as caught:
        shared.call(lambda: local())
    assert remote_frames(caught.value) == ["<lambda>", "local", "outer", "innermost"]
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-3].line == 'outer(OwnError("deep"))'


def test_frames_of_a_library(shared: Peer) -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        shared.call(json.loads, "{")
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-3:] == ["loads", "decode", "raw_decode"]


@pytest.mark.parametrize("version", ["3.8", NEWEST])
def test_frames_of_another_python(
    peer_factory: Any, requires_python: Callable[[str], str], version: str
) -> None:
    peer = peer_factory(exec=requires_python(version))
    with pytest.raises(ValueError, match="Expecting") as caught:
        peer.call("json:loads", "{")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.name == "raw_decode"
    assert f"python{version}/json/decoder.py" in last.filename
    assert last.line == "obj, end = self.scan_once(s, idx)"


def test_report_shows_the_test_and_the_peer_and_nothing_between(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    shown = caught.traceback.filter(caught)
    assert {str(entry.path) for entry in shown} == {__file__}
    assert [entry.name for entry in shown][-2:] == ["outer", "innermost"]


def test_report_of_a_future_shows_nothing_between(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.submit(outer, OwnError("deep")).result(LONG)
    shown = caught.traceback.filter(caught)
    assert {str(entry.path) for entry in shown} == {__file__}


def test_endless_recursion_is_a_recursion_error(shared: Peer) -> None:
    with pytest.raises(RecursionError) as caught:
        shared.call(recurse)
    frames = remote_frames(caught.value)
    assert frames[0] == frames[-1] == "recurse"
    assert is_usable(shared)


def fail_in_a_generated_module() -> None:
    module = types.ModuleType("generated")
    exec(compile("def fail(): raise OverflowError", "/no/such/file.py", "exec"), vars(module))
    module.fail()


def log_with_the_stack() -> None:
    logging.getLogger("noisy").error("failed", stack_info=True)


@pytest.mark.filterwarnings("error")
def test_exception_of_a_generated_module_is_itself(shared: Peer) -> None:
    """Python 3.15 warns of its missing loader when it is formatted."""
    with pytest.raises(OverflowError):
        shared.call(fail_in_a_generated_module)


@pytest.mark.parametrize("function", [traceback.format_stack, log_with_the_stack])
@pytest.mark.filterwarnings("error")
def test_stack_that_a_call_formats_warns_of_nothing(shared: Peer, function) -> None:
    shared.call(function)
