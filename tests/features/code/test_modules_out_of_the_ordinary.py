"""Modules that an import by ``sys.path`` does not find, or finds elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

OTHER_VERSION = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
SOURCE = """
class Refused(Exception):
    pass

def refuse():
    raise Refused(__name__, __file__)
"""


@pytest.fixture(params=["same_python", "other_python", "away"])
def peer(request, peer_factory, far, requires_python):
    if request.param == "same_python":
        return peer_factory()
    if request.param == "other_python":
        return peer_factory(exec=requires_python(OTHER_VERSION))
    return far()


def assert_refuses(peer, module) -> None:
    with pytest.raises(module.Refused) as caught:
        peer.call(module.refuse)
    assert caught.value.args == (module.__name__, module.__file__)


def loaded(name: str, file: Path):
    """As scripts load what they find in a file."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_loaded_from_a_file(peer, origin):
    assert_refuses(peer, loaded("loaded_from_file", origin.write("not an identifier.py", SOURCE)))


def test_in_a_directory_that_is_a_link(peer, origin, tmp_path, monkeypatch):
    origin.write("real/linked.py", SOURCE)
    (origin.path / "link").symlink_to(origin.path / "real")
    monkeypatch.syspath_prepend(origin.path / "link")
    assert_refuses(peer, importlib.import_module("linked"))


def test_in_a_namespace_package_of_several_directories(peer, origin, tmp_path, monkeypatch):
    for place in ("one", "two"):
        origin.write(f"{place}/spread/part_{place}.py", SOURCE)
        monkeypatch.syspath_prepend(origin.path / place)
    for place in ("one", "two"):
        assert_refuses(peer, importlib.import_module(f"spread.part_{place}"))


def test_in_a_package_that_extends_its_path(peer, origin):
    origin.write(
        "extended/__init__.py",
        "import os\n__path__.append(os.path.join(os.path.dirname(__file__), '../more'))\n",
    )
    origin.write("more/part.py", SOURCE)
    assert_refuses(peer, importlib.import_module("extended.part"))


def test_not_in_sys_modules_at_all(peer_factory, origin):
    """Its class goes by value, and comes back as itself."""
    module = loaded("unregistered", origin.write("unregistered.py", SOURCE))
    del sys.modules["unregistered"]
    assert_refuses(peer_factory(), module)


def test_under_a_name_that_another_one_has_in_the_path(peer_factory, origin):
    origin.write("named.py", "def refuse(): return 'the other one'\n")
    module = loaded("named", origin.write("elsewhere/named.py", SOURCE))
    assert_refuses(peer_factory(), module)
