"""Calls that import at the same time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import eventually

PACKAGE = """
from pytest_peer import here

def begin():
    pass

try:
    here.origin.send("imports", None)
    here.mailbox("go on").get(20)
except RuntimeError:
    pass  # not in a peer
limit = 5
from .part import answer
"""
PART = """
from . import limit

def answer():
    return limit
"""


def waits_for_a_module() -> bool:
    tops = [frame.f_code for frame in sys._current_frames().values()]
    return any(top.co_name == "acquire" and "importlib" in top.co_filename for top in tops)


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "reference"])
def test_function_of_a_package_that_another_call_imports(
    peer_factory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    directory = tmp_path / "slow_package"
    directory.mkdir()
    (directory / "__init__.py").write_text(PACKAGE)
    (directory / "part.py").write_text(PART)
    monkeypatch.syspath_prepend(tmp_path)
    slow_package = importlib.import_module("slow_package")
    try:
        peer = peer_factory()
        beginning = peer.submit(slow_package.begin)
        peer_factory.mailbox("imports").get(LONG)
        name = "slow_package.part:answer"
        answer = peer.submit(name if by_name else slow_package.answer)
        eventually(lambda: peer.call(waits_for_a_module), LONG)
        peer.send("go on", None)
        assert beginning.result(LONG) is None
        assert answer.result(LONG) == 5
    finally:
        for module in ("slow_package", "slow_package.part"):
            del sys.modules[module]
