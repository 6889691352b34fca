"""Several modules have one name: the peer gets the origin's, or an error that says why not."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from layouts import read, run

from pytest_peer import DecodeError

ONE = "def value(): return 1\ndef file(): return __file__\n"
OTHER = "def value(): return 2\ndef file(): return __file__\n"


def outcomes(root: Path, mode: str, cwd: Path | None = None) -> dict[str, str]:
    file = root.parent / "outcomes.json"
    run(root, file, mode, str(root), cwd=cwd)
    return read(file)


def write(file: Path, source: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)


CONFTEST = """
import pytest

class Made:
    place = {place!r}

def make():
    return Made()

@pytest.fixture
def made_in_{place}():
    return make, Made
"""

USES_CONFTEST = """
import pytest

@pytest.mark.parametrize("verb", ["call", "submit", "send"])
def test_{place}(peer_factory, made_in_{place}, verb):
    peer = peer_factory()
    make, made = made_in_{place}
    if verb == "send":
        peer.send("made", made())
        found = peer.call(lambda: __import__("pytest_peer").here.mailbox("made").get(timeout=30))
    elif verb == "submit":
        found = peer.submit(make).result(30)
    else:
        found = peer.call(make)
    assert type(found) is made
    assert peer.call(lambda: make().place) == {place!r}
    assert peer.call(type, [found, bytes(100_000)]) is list
    assert type(peer.call(tuple, [found, bytes(100_000)])[0]) is made
"""


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_conftests(tmp_path, mode):
    root = tmp_path / "root"
    for place in ("a", "b"):
        write(root / place / "conftest.py", CONFTEST.format(place=place))
        write(root / place / f"test_{place}.py", USES_CONFTEST.format(place=place))
    told = outcomes(root, mode)
    assert set(told.values()) == {"passed"}
    assert len(told) == 6


@pytest.mark.parametrize("where", ["in_the_root", "elsewhere"])
def test_test_modules_in_importlib_mode(tmp_path, where):
    root = tmp_path / "root"
    for place in ("a", "b"):
        source = f"""
            def where():
                return {place!r}, __name__, __file__

            def test_{place}(peer):
                assert peer.call(where) == where()
                assert peer.call(lambda: where()) == where()
            """
        write(root / place / "test_same.py", source.replace("\n            ", "\n"))
    told = outcomes(root, "importlib", tmp_path if where == "elsewhere" else None)
    assert told == {"test_a": "passed", "test_b": "passed"}


@pytest.fixture
def others(tmp_path) -> Path:
    """A directory which the environment of a peer has in its path."""
    directory = tmp_path / "others"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("environment", ["this", "another"])
def test_test_module_is_never_another_one(tmp_path, environment, requires_python):
    root, others = tmp_path / "root", tmp_path / "others"
    write(others / "test_named.py", OTHER)
    write(others / "conftest.py", OTHER)
    version = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    options = {"exec": requires_python(version)} if environment == "another" else {}
    options |= {"env": {"PYTHONPATH": str(others)}}
    write(
        root / "conftest.py", f"import pytest\n{ONE}\n@pytest.fixture\ndef ours(): return value\n"
    )
    write(
        root / "test_named.py",
        f"{ONE}\ndef test_it(peer_factory, ours):\n"
        f"    peer = peer_factory(**{options!r})\n"
        "    assert peer.call(value) == peer.call(ours) == 1\n"
        "    assert peer.call(file) == __file__\n",
    )
    assert outcomes(root, "prepend") == {"test_it": "passed"}


def test_a_module_in_the_pythonpath_of_the_peer_is_its_own(origin, others, peer_factory):
    origin.write("twice.py", ONE)
    write(others / "twice.py", OTHER)
    assert peer_factory().call("twice:value") == 1
    assert peer_factory(env={"PYTHONPATH": str(others)}).call("twice:value") == 2


def test_another_environment_has_its_own_modules(origin, others, peer_factory, requires_python):
    origin.write("twice.py", ONE)
    write(others / "twice.py", OTHER)
    python = requires_python("3.12" if sys.version_info[:2] != (3, 12) else "3.13")
    peer = peer_factory(exec=python, env={"PYTHONPATH": str(others)})
    assert peer.call("twice:value") == 2


def test_module_from_a_path_that_changes_while_the_peer_runs(
    origin, others, peer_factory, monkeypatch
):
    origin.write("later.py", ONE)
    write(others / "later.py", OTHER)
    write(others / "only_later.py", ONE)
    peer = peer_factory()
    monkeypatch.syspath_prepend(others)
    later = importlib.import_module("later")
    only_later = importlib.import_module("only_later")
    try:
        assert peer.call(later.value) == 2
        assert peer.call(only_later.file) == str(others / "only_later.py")
    finally:
        del sys.modules["later"], sys.modules["only_later"]


def loaded(name: str, file: Path):
    """A module that is in no path."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("then", ["from_the_path", "from_elsewhere"])
@pytest.mark.parametrize("called_before", [False, True])
def test_module_that_a_test_replaces(origin, others, peer_factory, then, called_before):
    origin.write("replaced.py", ONE)
    write(others / "replaced.py", OTHER)
    first = loaded("replaced", others / "replaced.py")
    peer = peer_factory()
    if called_before:
        assert peer.call(first.value) == 2
    else:
        peer.call(os.getpid)  # the peer learns of it, too
    del sys.modules["replaced"]
    if then == "from_the_path":
        second = importlib.import_module("replaced")
    else:
        second = loaded("replaced", origin.path / "replaced.py")
    if called_before:
        with pytest.raises(DecodeError, match=r"replaced is .* at the origin"):
            peer.call(second.value)
        peer.call(lambda: sys.modules.pop("replaced") and None)
    assert peer.call(second.value) == 1
    assert peer_factory().call(second.value) == 1


@pytest.fixture
def early(origin, others, peer_factory, monkeypatch):
    """A module that the peer has imported from elsewhere before; with the peer."""
    origin.write("early.py", ONE)
    write(others / "early.py", OTHER + "a_lambda = lambda: value()\n")
    peer = peer_factory()
    assert peer.call("early:value") == 1
    monkeypatch.syspath_prepend(others)
    yield peer, importlib.import_module("early")
    del sys.modules["early"]


@pytest.mark.parametrize("what", ["function", "lambda", "module", "name"])
def test_module_that_the_peer_has_otherwise_already(early, origin, what):
    peer, module = early
    callables = {
        "function": module.value,
        "lambda": module.a_lambda,
        "module": lambda: module.value(),
        "name": "early:value",
    }
    with pytest.raises(DecodeError) as caught:
        peer.call(callables[what])
    places = f"early is {module.__file__} at the origin, but {origin.path / 'early.py'} here"
    assert places in str(caught.value)
    peer.call(lambda: __import__("sys").modules.pop("early") and None)
    assert peer.call(callables[what]) == 2


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_relative_entry_of_the_path(tmp_path, peer_factory, monkeypatch, start_method):
    """As ``python -c`` has one: the peer's directory may be another."""
    write(tmp_path / "here/related.py", ONE)
    write(tmp_path / "there/related.py", OTHER)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    peer = peer_factory(cwd=tmp_path / "there", start_method=start_method)
    assert peer.call("related:value") == 1
    assert peer.call(os.getcwd) == str(tmp_path / "there")
