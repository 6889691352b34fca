"""Names that work only where pytest runs: a module can mention them, and not use them."""

_OPERATIONS = ["call", "contains", "delitem", "enter", "exit", "eq", "ge", "getitem", "gt", "iter"]
_OPERATIONS += ["le", "len", "lt", "ne", "next", "setitem", "bool", "aenter", "aexit", "await"]


class Placeholder(type):
    """The metaclass of these names: a class may be an annotation, and a base in any Python."""

    def __call__(cls, *args, **kwargs):  # noqa: ARG002 - they may be any
        if not cls._instantiable:
            _refuse(cls)
        return object.__new__(cls)

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        found = placeholder(cls.__module__, "%s.%s" % (cls.__qualname__, name), cls._why)
        setattr(cls, name, found)
        return found

    def __getitem__(cls, item):
        return cls

    def __or__(cls, other):
        return cls

    __ror__ = __or__


def placeholder(module, name, why, instantiable=False):
    """Return a class of that name, to be called if `instantiable`; `why` ends its errors' text."""
    body = {"__module__": module, "__qualname__": name, "_why": why, "_instantiable": instantiable}
    body.update(("__%s__" % operation, _refuse) for operation in _OPERATIONS)
    body["__getattr__"] = _refuse_attribute
    body["__hash__"] = object.__hash__
    body["__new__"] = _refuse  # for unpickling
    return Placeholder(name.rpartition(".")[2], (), body)


def _text(named):
    cls = named if isinstance(named, type) else type(named)
    return "%s.%s %s" % (cls.__module__, cls.__qualname__, cls._why)


def _refuse(named, *args, **kwargs):  # noqa: ARG001 - they may be any
    raise RuntimeError(_text(named))


def _refuse_attribute(self, name):
    # An AttributeError, as `hasattr`, `copy` and `pprint` expect it.
    raise AttributeError(name if name.startswith("_") else _text(self))
