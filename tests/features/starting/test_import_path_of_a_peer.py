"""The option ``env`` with ``PYTHONPATH``: what a peer can import, and what comes first."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_peer import over_stdio


def path() -> list[str]:
    return list(sys.path)


@pytest.fixture
def modules(tmp_path):
    """Two directories with a module of one name, which the origin cannot import."""
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "placed.py").write_text(f"def where(): return {place!r}\n")
    return tmp_path


@pytest.fixture(params=["default", "own exec", "own args", "TCP", "relay"])
def way(request):
    """Options of peers that have the origin's environment."""
    return {
        "default": {},
        "own exec": {"exec": ["env", sys.executable]},
        "own args": {"args": ["-X", "utf8"]},
        "TCP": {"connection": 0},
        "relay": {"exec": over_stdio([sys.executable])},
    }[request.param]


def test_directories_come_first(peer_factory, modules, way):
    first = [str(modules / "two"), str(modules / "one")]
    peer = peer_factory(env={"PYTHONPATH": os.pathsep.join(first)}, **way)
    assert peer.call("placed:where") == "two"
    assert peer.call(path) == first + sys.path


def test_directories_hide_installed_packages(peer_factory, tmp_path):
    (tmp_path / "psutil.py").write_text("def whose(): return 'its own'\n")
    peer = peer_factory(env={"PYTHONPATH": str(tmp_path)})
    assert peer.call("psutil:whose") == "its own"


def test_launcher_that_sets_it_counts_too(peer_factory, modules):
    peer = peer_factory(exec=["env", f"PYTHONPATH={modules / 'one'}", sys.executable])
    assert peer.call("placed:where") == "one"


def test_relative_directory_is_that_of_the_peer(peer_factory, modules):
    peer = peer_factory(env={"PYTHONPATH": "../two"}, cwd=modules / "one")
    assert peer.call("placed:where") == "two"
    assert peer.call(path)[0] == str(modules / "two")


def test_empty_entry_is_the_working_directory(peer_factory, modules):
    peer = peer_factory(env={"PYTHONPATH": os.pathsep}, cwd=modules / "one")
    assert peer.call("placed:where") == "one"


@pytest.mark.parametrize("nothing", ["", None])
def test_without_directories_it_is_the_path_of_the_origin(
    peer_factory, monkeypatch, modules, nothing
):
    monkeypatch.setenv("PYTHONPATH", str(modules / "one"))
    assert peer_factory(env={"PYTHONPATH": nothing}, cwd=modules).call(path) == sys.path


def test_directory_that_the_origin_has_too_comes_first(peer_factory):
    last = sys.path[-1]
    peer = peer_factory(env={"PYTHONPATH": last})
    assert peer.call(path) == [last, *(entry for entry in sys.path if entry != last)]


def test_the_origins_own_variable_changes_nothing(peer_factory, monkeypatch, modules):
    """Tests change its path in other ways, and a peer has that path."""
    monkeypatch.setenv("PYTHONPATH", str(modules / "one"))
    assert peer_factory().call(path) == sys.path


def test_interpreter_that_ignores_it_ignores_it(peer_factory, modules):
    peer = peer_factory(env={"PYTHONPATH": str(modules / "one")}, args=["-E"])
    assert peer.call(path) == sys.path
