# Appended to what acts in `kinds_of_callables`: the conftest beside the tests.

import types

import pytest


@pytest.fixture(scope="session")
def conftest():
    return types.SimpleNamespace(**globals())
