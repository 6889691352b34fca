"""The documentation: its examples pass, its links lead somewhere, and it leaves nothing out."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from inner_pytest import load_only

import pytest_peer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = Path(pytest_peer.__file__).parent
#: Every Python block is a test file that passes.
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
#: Below the package a map's line is an indented path and what it is for.
ENTRY = re.compile(r"^ {2}(\S+?\.py|\S+/)(?: {2,}|$)", re.MULTILINE)


def pages():
    found = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(page for page in found if "_build" not in page.parts)


def titled(page):
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(180)  # about sixty tests in a pytest of their own
def test_examples_pass(pytester, monkeypatch):
    load_only(monkeypatch, "peer")
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            name = re.sub(r"\W", "_", titled(page).removesuffix(".md"))
            pytester.makepyfile(**{f"test_{name}_line_{line}": match[1]})
    result = pytester.runpytest_subprocess("-W", "error")
    assert result.ret == pytest.ExitCode.OK


def test_links_lead_somewhere():
    broken = [
        f"{titled(page)}: {target}"
        for page in pages()
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_a_table_of_contents():
    listed = {
        (page.parent / f"{entry}.md").resolve()
        for page in DOCS.rglob("index.md")
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), re.DOTALL)
        for entry in tree.split()
    }
    written = {page for page in pages() if DOCS in page.parents and "-table" not in page.name}
    assert written - listed == {DOCS / "index.md"}


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation"])
def test_an_index_shows_the_titles_of_all_pages(folder):
    index = " ".join((DOCS / folder / "index.md").read_text().split())
    for page in set((DOCS / folder).glob("*.md")) - {DOCS / folder / "index.md"}:
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


def test_the_reference_has_every_public_name():
    text = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    assert [name for name in pytest_peer.__all__ if f":: pytest_peer.{name}\n" not in text] == []


def test_the_reference_has_every_option():
    written = re.findall(
        r"^\| `(\w+)` \|", (DOCS / "reference/options.md").read_text(), re.MULTILINE
    )
    known = pytest_peer.PeerOptions.__dataclass_fields__
    assert sorted(written) == sorted([*known, "link", "tcp"])


def test_the_map_is_the_tree():
    blocks = [block[0] for block in FENCE.finditer((ROOT / "CONTRIBUTING.md").read_text())]
    (tree,) = [block for block in blocks if "pytest_peer/\n" in block]
    entries = ENTRY.findall(tree)
    assert [entry for entry in entries if not (PACKAGE / entry).exists()] == []
    folders = [
        f"{Path(folder).relative_to(PACKAGE)}/"
        for folder, _, files in os.walk(PACKAGE)
        if Path(folder) != PACKAGE and any(file.endswith(".py") for file in files)
    ]
    assert [folder for folder in folders if folder not in entries] == []
    assert tree.count("\n") <= 40
