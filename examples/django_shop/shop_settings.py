"""The settings of a Django project with one application."""

SECRET_KEY = "for tests only"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "shop.sqlite3",
        # A file: a database in memory belongs to one process.
        "TEST": {"NAME": "test-shop.sqlite3"},
    }
}
