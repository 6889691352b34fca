"""Several processes of a Django project share the database of the tests."""

from pathlib import Path

import pytest


@pytest.fixture
def article():
    from shop.models import Article

    Article.objects.create(name="tea", stock=1)
    return Article


def test_one_of_two_gets_the_last(peer_factory, article):
    assert sorted(peer_factory.many(2).call(article.buy, "tea")) == [False, True]
    assert article.objects.get().stock == 0


@pytest.mark.peer(shutdown=None)
def test_what_a_peer_writes_is_there_after_its_restart(peer, article):
    peer.call(article.objects.create, name="milk", stock=3)
    peer.restart()
    assert peer.call(article.buy, "milk")
    assert article.objects.get(name="milk").stock == 2
    assert not Path("shop.sqlite3").exists()
