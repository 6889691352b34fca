# Appended to what acts in `kinds_of_callables`: the conftest of the root directory.

import importlib.util
import json
import os
import site
import sys
import types

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


class Finder:
    """As the editable install of a project brings."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the import system gives them
        if name != "hooked":
            return None
        return importlib.util.spec_from_file_location(name, HERE + "/elsewhere/hooked.py")


sys.meta_path.append(Finder())
site.addsitedir(HERE + "/site")  # with a .pth
sys.path.append(HERE + "/zipped.zip")


@pytest.fixture(scope="module")
def peer(module_peer_factory):
    return module_peer_factory(**json.loads(os.environ["PEER_TESTS_PEER"]))


@pytest.fixture(scope="session")
def outer_conftest():
    return types.SimpleNamespace(**globals())
