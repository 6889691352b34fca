"""A Django project in this process and in every peer, with the database of the tests.

pytest-django does what `database` does here. The hook is the same with it.
"""

import functools
import os

import django
import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop_settings")


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    django.setup()
    connections["default"].settings_dict["TEST"]["NAME"] = str(
        tmp_path_factory.mktemp("database") / "test-shop.sqlite3"
    )
    made = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(made, verbosity=0)


@pytest.fixture(autouse=True)
def database(databases):
    from shop.models import Article

    yield
    Article.objects.all().delete()


def use_database(name):
    """Make a peer ready: it would use the real database."""
    django.setup()
    connections["default"].settings_dict["NAME"] = name


def pytest_peer_setup():
    return functools.partial(use_database, connections["default"].settings_dict["NAME"])
