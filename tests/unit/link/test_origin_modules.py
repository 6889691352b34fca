"""The modules of the origin that are sent to a peer."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_peer.link.origin_modules import OriginModules


def test_interrupt_while_modules_are_looked_at_loses_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = ModuleType("found_nowhere")
    module.__file__ = str(tmp_path / "found_nowhere.py")
    modules = OriginModules(tuple(sys.path))
    before = modules.refresh()
    monkeypatch.setitem(sys.modules, "found_nowhere", module)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PathFinder, "find_spec", interrupted)
        with pytest.raises(KeyboardInterrupt):
            modules.refresh()
    assert "found_nowhere" not in before
    assert "found_nowhere" in modules.refresh()
