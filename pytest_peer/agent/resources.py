"""Gives `importlib.resources` the files of packages that came over the link."""

import io
import posixpath


class Resource:
    """A file or directory at the origin: a ``Traversable``, in old Pythons a ``ResourceReader``."""

    def __init__(self, path, ask):
        self._path = path
        self._ask = ask
        self.name = posixpath.basename(path)

    def files(self):
        return self

    def open_resource(self, resource):
        return self.joinpath(resource).open("rb")

    def resource_path(self, resource):
        raise FileNotFoundError(resource)  # `importlib` then reads it

    def is_resource(self, name):
        return self.joinpath(name).is_file()

    def contents(self):
        return (each.name for each in self.iterdir())

    def iterdir(self):
        return iter([self.joinpath(name) for name in self._get("directory", "directory")])

    def is_dir(self):
        return self._ask("directory", self._path) is not None

    def is_file(self):
        return self._ask("data", self._path) is not None

    def joinpath(self, *descendants):
        path = posixpath.normpath(posixpath.join(self._path, *map(str, descendants)))
        return Resource(path, self._ask)

    __truediv__ = joinpath

    def read_bytes(self):
        return self._get("data", "file")

    def _get(self, what, kind):
        found = self._ask(what, self._path)
        if found is None:
            raise FileNotFoundError(2, "the origin has no such %s in a package" % kind, self._path)
        return found

    def read_text(self, encoding=None, errors=None):
        return self.open(encoding=encoding, errors=errors).read()

    def open(self, mode="r", *args, **kwargs):
        stream = io.BytesIO(self.read_bytes())
        if "b" in mode:
            return stream
        kwargs["encoding"] = kwargs.get("encoding") or "utf-8"
        return io.TextIOWrapper(stream, *args, **kwargs)

    def __str__(self):
        return self._path
