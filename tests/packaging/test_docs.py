"""Every Python block of the README and the documentation is a test file that passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bare_pytest import load_only

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match[1], id=f"{page.stem}:{line}")


@pytest.mark.parametrize("block", list(blocks()))
def test_block_passes(block, pytester, monkeypatch):
    load_only(monkeypatch, "peer")
    pytester.makepyfile(test_block=block)
    result = pytester.runpytest_subprocess("-W", "error")
    assert result.ret == pytest.ExitCode.OK
