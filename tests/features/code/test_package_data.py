"""Files in packages that came over the link: importlib.resources and pkgutil.get_data."""

from __future__ import annotations

import pytest
from pythons import NEWEST

READER = """
import importlib.resources
import pkgutil


def binary():
    return pkgutil.get_data("data", "table.bin")


def nested_by_pkgutil():
    return pkgutil.get_data("data", "more/deep/text.txt")


def text():
    return importlib.resources.read_text("data", "words.txt", encoding="utf-8")


def names():
    return sorted(importlib.resources.contents("data"))


def is_resource():
    return [importlib.resources.is_resource("data", name) for name in ("words.txt", "more", "none")]


def with_path():
    with importlib.resources.path("data", "words.txt") as path:
        return path.read_text(encoding="utf-8")


def files():
    root = importlib.resources.files("data")
    deep = root / "more" / "deep"
    return (
        (root / "words.txt").read_text(encoding="utf-8"),
        root.joinpath("table.bin").read_bytes(),
        sorted(each.name for each in root.iterdir()),
        [(each.name, each.is_file(), each.is_dir()) for each in deep.iterdir()],
        (deep / "text.txt").read_text(),
        (root / "none").is_file(),
        (root / "none").is_dir(),
        root.is_dir(),
    )


def as_file():
    with importlib.resources.as_file(importlib.resources.files("data") / "words.txt") as path:
        return path.read_text(encoding="utf-8")


def missing():
    outcomes = []
    for get in (
        lambda: pkgutil.get_data("data", "none"),
        lambda: importlib.resources.read_text("data", "none"),
    ):
        try:
            outcomes.append(get())
        except FileNotFoundError:
            outcomes.append("FileNotFoundError")
    return outcomes
"""

WORDS = "größer\n"
TABLE = bytes(range(256))


@pytest.fixture
def package(origin):
    origin.write("data/__init__.py")
    origin.write("data/words.txt", WORDS)
    origin.write("data/table.bin", TABLE)
    origin.write("data/more/deep/text.txt", "deep")
    origin.write("reader.py", READER)
    return origin


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", NEWEST])
def test_data_of_a_package(far, package, version):
    peer = far(version)
    names = ["__init__.py", "more", "table.bin", "words.txt"]
    assert peer.call("reader:binary") == TABLE
    assert peer.call("reader:nested_by_pkgutil") == b"deep"
    assert peer.call("reader:text") == WORDS
    assert [name for name in peer.call("reader:names") if name != "__pycache__"] == names
    assert peer.call("reader:is_resource") == [True, False, False]
    assert peer.call("reader:with_path") == WORDS
    assert peer.call("reader:missing") == ["FileNotFoundError"] * 2
    if version in ("3.8", "3.9"):
        return  # `files` is newer, or knows of nothing but directories and archives
    told = list(peer.call("reader:files"))
    told[2] = [name for name in told[2] if name != "__pycache__"]
    assert told == [WORDS, TABLE, names, [("text.txt", True, False)], "deep", False, False, True]
    assert peer.call("reader:as_file") == WORDS


def test_files_beside_a_package_stay_where_they_are(far, package):
    package.write("secret.txt", "secret")
    package.write(
        "data/outside.py",
        "import pkgutil\ndef get(): return pkgutil.get_data('data', '../secret.txt')\n",
    )
    with pytest.raises(FileNotFoundError):
        far().call("data.outside:get")
