"""Stands for pytest where it is not installed.

This is enough to import a test module and to call its functions. Marks and fixtures return what
they decorate, outcomes become the test's, and `raises` works. All other names are placeholders.
"""

import importlib
import re

from pytest_peer_agent.agent.breakpoints import set_trace  # noqa: F401 - to be imported from here
from pytest_peer_agent.agent.stubs.placeholder import placeholder

_WHY = "cannot be used in this peer: pytest is not installed there"


class _Outcome(BaseException):
    def __repr__(self):
        return str(self.msg)

    __str__ = __repr__


def _outcome(name, kind, base=_Outcome, **parameters):
    """Return a function that raises an outcome, the class of which has these `parameters`.

    By its module, qualified name and attributes, which are pytest's, the origin finds its own.
    """

    def init(self, *args, **kwargs):
        vars(self).update(parameters, **dict(zip(parameters, args)), **kwargs)
        self.args = (self.msg,)

    def function(reason="", *args, **kwargs):
        raise cls(reason, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    body = {"__init__": init, "__module__": "builtins", "__qualname__": name + ".Exception"}
    cls = function.Exception = type(kind, (base,), body)
    return function


_PLAIN = {"msg": None, "pytrace": True}
skip = _outcome("skip", "Skipped", **_PLAIN, allow_module_level=False, _use_item_location=False)
fail = _outcome("fail", "Failed", **_PLAIN)
xfail = _outcome("xfail", "XFailed", fail.Exception, **_PLAIN)
exit = _outcome("exit", "Exit", Exception, msg="unknown reason", returncode=None)


def importorskip(modname, minversion=None, reason=None, *, exc_type=ImportError):
    try:
        module = importlib.import_module(modname)
    except exc_type as exc:
        skip(reason or "could not import %r: %s" % (modname, exc))
    found = getattr(module, "__version__", None)
    if minversion is not None and (found is None or _release(found) < _release(minversion)):
        text = "module %r has __version__ %r, required is: %r"
        skip(reason or text % (modname, found, minversion))
    return module


def _release(version):
    return [int(number) for number in re.match(r"[\d.]*", version).group().split(".") if number]


def _mark(*args, **kwargs):
    """Stand for a mark of any name, with any arguments."""
    return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else _mark


class _Marks:
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _mark


mark = _Marks()


def fixture(function=None, **options):  # noqa: ARG001 - for pytest only
    return function if callable(function) else lambda decorated: decorated


hookimpl = hookspec = fixture


class _Raises:
    """The context manager of `raises`, and its value."""

    def __init__(self, expected, match=None, check=None):
        self._expected = expected
        self._match = match
        self._check = check

    def match(self, pattern):
        text = "\n".join([str(self.value), *getattr(self.value, "__notes__", ())])
        if not re.search(pattern, text):
            raise AssertionError(
                "Regex pattern did not match.\n  Expected regex: %r\n  Actual message: %r"
                % (getattr(pattern, "pattern", pattern), text)
            )
        return True

    def __enter__(self):
        return self

    def __exit__(self, cls, exc, traceback):
        if cls is None:
            fail("DID NOT RAISE %s" % (self._expected,))
        if not issubclass(cls, self._expected):
            return False
        vars(self).update(value=exc, type=cls, tb=traceback, typename=cls.__name__)
        if self._match is not None:
            self.match(self._match)
        if self._check is not None and not self._check(exc):
            raise AssertionError("%r did not return True on %r" % (self._check, exc))
        return True


def raises(expected_exception=BaseException, *args, match=None, check=None, **kwargs):
    if not args:
        return _Raises(expected_exception, match, check)
    function, *args = args
    if match is not None:  # an argument of the function
        kwargs["match"] = match
    with _Raises(expected_exception) as info:
        function(*args, **kwargs)
    return info


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError("pytest.%s %s" % (name, _WHY))
    if name.endswith(("Error", "Warning")):
        base = Exception if name.endswith("Error") else UserWarning
        value = type(name, (base,), {"__module__": "pytest"})
    else:
        # Code at the top of a module makes instances, for example StashKey[int]().
        called = name[0].isupper() or name in ("approx", "param", "register_assert_rewrite")
        value = placeholder("pytest", name, _WHY, called)
    return globals().setdefault(name, value)
