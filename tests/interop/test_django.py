"""pytest-django: a peer works on the database of a test, and asks its live server."""

from __future__ import annotations

import pytest

MODELS = """
from django.db import models

class Order(models.Model):
    name = models.CharField(max_length=9)
"""
SETTINGS = """
from pathlib import Path

HERE = Path(__file__).parent
SECRET_KEY = "of these tests"
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "shop_urls"
STATIC_URL = "static/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HERE / "db",
        "TEST": {"NAME": HERE / "test_db"},  # a file: a database in memory has no other process
    }
}
"""
URLS = """
from django.http import HttpResponse
from django.urls import path

def count(request):
    from shop.models import Order
    return HttpResponse(str(Order.objects.count()))

urlpatterns = [path("count/", count)]
"""
#: What a user writes beside the tests.
PEERS = """
from django.db import connection

@pytest.fixture
def worker(peer_factory, transactional_db):
    worker = peer_factory(name="worker")
    worker.call(set_up, connection.settings_dict["NAME"])
    return worker

def set_up(database):
    import django
    from django.conf import settings
    from django.db import connections
    settings.DATABASES["default"]["NAME"] = database
    connections.close_all()
    django.setup()

def place(name):
    from shop.models import Order
    print("placed", name)
    return Order.objects.create(name=name).pk

def names():
    from shop.models import Order
    return [order.name for order in Order.objects.all()]

def fetch(url):
    from urllib.request import urlopen
    return urlopen(url, timeout=20).read().decode()
"""


@pytest.fixture
def shop(inner, load):
    load("django")
    (inner.path / "shop").mkdir()
    (inner.path / "shop/__init__.py").touch()
    (inner.path / "shop/models.py").write_text(MODELS)
    (inner.path / "shop_settings.py").write_text(SETTINGS)
    (inner.path / "shop_urls.py").write_text(URLS)
    return inner


def run(shop, tests: str, *arguments: str) -> pytest.RunResult:
    shop.write(PEERS + tests)
    return shop.run_apart("--ds=shop_settings", *arguments)


def test_peer_and_test_see_the_same_rows(shop):
    result = run(
        shop,
        """
def test_written_by_the_peer(worker):
    from shop.models import Order
    key = worker.call(place, "tea")
    assert Order.objects.get(pk=key).name == "tea"

def test_written_by_the_test(worker):
    from shop.models import Order
    assert worker.call(names) == []  # the rows of the first test are gone
    Order.objects.create(name="milk")
    assert worker.call(names) == ["milk"]
""",
    )
    result.assert_outcomes(passed=2)


def test_peer_asks_the_live_server(shop):
    result = run(
        shop,
        """
def test_it(worker, live_server):
    worker.call(place, "tea")
    assert worker.call(fetch, live_server.url + "/count/") == "1"
""",
    )
    result.assert_outcomes(passed=1)


def test_failing_test_shows_the_peer(shop):
    result = run(
        shop,
        """
def test_it(worker):
    note(worker)
    worker.call(place, "tea")
    assert worker.call(names) == []
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout ?worker? call*", "placed tea"])
    shop.assert_nothing_left()


def test_each_worker_of_xdist_has_its_database(shop):
    result = run(
        shop,
        """
@pytest.mark.parametrize("name", ["tea", "milk", "salt", "oil"])
def test_it(worker, name):
    worker.call(place, name)
    assert worker.call(names) == [name]
""",
        "-n",
        "2",
    )
    result.assert_outcomes(passed=4)
