"""Every error of ours is public, and shows the name by which it is imported."""

from __future__ import annotations

import pytest

import pytest_peer
from pytest_peer.core import errors


def all_below(error: type) -> list[type]:
    return [error, *(each for below in error.__subclasses__() for each in all_below(below))]


OF_THE_MODULE = [
    each for each in all_below(errors.PeerError) if vars(errors).get(each.__name__) is each
]


@pytest.mark.parametrize("error", OF_THE_MODULE)
def test_error_is_public_under_the_name_it_shows(error: type) -> None:
    assert getattr(pytest_peer, error.__name__) is error
    assert error.__module__ == "pytest_peer"
