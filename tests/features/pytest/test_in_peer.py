"""`@pytest.mark.in_peer`: where it can stand, what runs in the peer, and with what options."""

from __future__ import annotations

import sys

import pytest

# Where it can stand


def test_body_runs_in_a_peer_and_setup_and_teardown_here(inner, marked):
    marked(
        """
@pytest.fixture
def value():
    note("setup")
    yield 7
    note("teardown")

def setup_function():
    note("setup function")

@pytest.mark.in_peer
def test(value):
    note("body", value)

def test_without_the_marker(value):
    note("body", value)
""",
        mark=False,
    )
    inner.run("-W", "error").assert_outcomes(passed=2)
    around = ["setup function here", "setup here", "body 7 %s", "teardown here"]
    assert marked.notes() == [line % "there" if "%" in line else line for line in around] + [
        line % "here" if "%" in line else line for line in around
    ]


@pytest.mark.parametrize("place", ["class", "module"])
def test_marker_of_a_class_or_module_holds_for_its_tests(inner, marked, place):
    marked(
        f"""
{"@pytest.mark.in_peer" if place == "class" else ""}
class TestOne:
    def test(self): note("one")

class TestTwo:
    def test(self): note("two")
""",
        mark=place == "module",
    )
    inner.run().assert_outcomes(passed=2)
    assert marked.notes() == ["one there", "two here" if place == "class" else "two there"]


def test_every_test_has_a_peer_of_its_own(inner, marked):
    marked("""
state = []

@pytest.mark.parametrize("x", [1, 2])
def test(x):
    state.append(x)
    note(os.getpid())
    assert state == [x]
""")
    inner.run().assert_outcomes(passed=2)
    assert len(set(marked.notes())) == 2


def test_marker_of_one_set_of_parameters_holds_for_this_one(inner, marked):
    marked(
        """
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.in_peer), 2])
def test(x, request_names): note(x, request_names)

@pytest.fixture
def request_names(request): return "_in_peer" in request.fixturenames
""",
        mark=False,
    )
    inner.run().assert_outcomes(passed=2)
    assert marked.notes() == ["1 True there", "2 False here"]


def test_marker_may_come_from_a_conftest(inner, marked):
    marked("def test(): note('body')", mark=False)
    with (inner.path / "conftest.py").open("a") as conftest:
        conftest.write(
            "@pytest.hookimpl(trylast=True)\n"
            "def pytest_collection_modifyitems(items):\n"
            "    for item in items: item.add_marker(pytest.mark.in_peer)\n"
        )
    inner.run().assert_outcomes(passed=1)
    assert marked.notes() == ["body there"]


def test_marker_that_comes_too_late_fails_the_test(inner, marked):
    marked(
        """
@pytest.mark.in_peer
def test_first(): pass

@pytest.fixture
def late(request): request.node.add_marker(pytest.mark.in_peer)

def test(late): note("body")
""",
        mark=False,
    )
    result = inner.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*in_peer was added after the setup*had begun: too late*"])
    assert marked.notes() == []


def test_another_plugin_does_not_run_the_body_here(inner, marked):
    marked("async def test(): note('body')")
    with (inner.path / "conftest.py").open("a") as conftest:
        conftest.write(
            "@pytest.hookimpl(tryfirst=True)\n"
            "def pytest_pyfunc_call(pyfuncitem):\n"
            "    raise AssertionError('it would have run the body')\n"
        )
    inner.run().assert_outcomes(passed=1)
    assert marked.notes() == ["body there"]


# Methods and other callables


def test_instance_is_sent_as_setup_method_has_left_it(inner, marked):
    marked("""
class TestIt:
    def setup_method(self):
        note("setup")
        self.value = [1]

    def test_self(self): assert self.value == [1] and not is_here()

    @staticmethod
    def test_static(tmp_path): assert tmp_path.exists() and not is_here()

    @classmethod
    def test_class(cls): assert issubclass(cls, TestIt) and not is_here()

class TestHeir(TestIt):
    def test_self(self):
        super().test_self()
        assert type(self) is TestHeir
""")
    inner.run().assert_outcomes(passed=6)
    assert set(marked.notes()) == {"setup here"}


def test_decorated_functions_and_methods(inner, marked):
    marked("""
from functools import wraps
from unittest import mock

def careless(function):
    def renamed(*args, **kwargs):
        return function(*args, **kwargs)
    return renamed

def careful(function):
    return wraps(function)(careless(function))

@careless
def test_careless(): assert not is_here()

@careful
def test_careful(tmp_path): assert tmp_path.exists() and not is_here()

@mock.patch("os.getlogin", return_value="root")
def test_mocked(getlogin, tmp_path):
    assert not is_here()
    assert os.getlogin() == "root"
    getlogin.assert_called_once()

class TestIt:
    def renamed(self): raise AssertionError("another method")
    test_careless = careless(lambda self: note("method"))
""")
    inner.run().assert_outcomes(passed=4)
    assert marked.notes() == ["method there"]


def test_coroutine_needs_no_other_plugin(inner, marked):
    marked("""
import asyncio

async def test_passes(tmp_path):
    await asyncio.sleep(0)
    asyncio.get_running_loop()
    (tmp_path / "note").write_text("body")
    note("body")

async def test_fails():
    await asyncio.sleep(0)
    assert "there" == "body"

class TestIt:
    async def test_method(self): note("method")
""")
    result = inner.run("-W", "error")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['> *assert "there" == "body"', "test_inner.py:*: AssertionError"])
    assert marked.notes() == ["body there", "method there"]


# Options


def test_options_are_those_of_peer_factory(inner, marked):
    marked(
        """
def test():
    assert os.environ["COLOUR"] == "red"
    assert sys.flags.optimize == 0 and sys.flags.dev_mode
    assert os.getcwd() == "/"
""",
        "env={'COLOUR': 'red'}, args=['-X', 'dev'], cwd='/'",
    )
    inner.run().assert_outcomes(passed=1)


def test_precedence_is_in_peer_peer_command_line(inner, marked):
    marked(
        """
mark = pytest.mark
words = [sys.executable]

def source(*words): return ["env", *words, sys.executable]

@mark.in_peer
def test_line(): assert os.environ["FROM"] == "line"

@mark.in_peer
@mark.peer(exec=source("FROM=peer"))
def test_peer(): assert os.environ["FROM"] == "peer"

@mark.in_peer(exec=source("FROM=in_peer"))
@mark.peer(exec=source("FROM=peer"), env={"A": "1"})
def test_in_peer(): assert os.environ["FROM"] + os.environ["A"] == "in_peer1"

@mark.in_peer(env={"A": "class"}, cwd="/")
class TestClosest:
    @mark.in_peer(env={"A": "function"})
    def test(self): assert os.environ["A"] + os.getcwd() == "function/"
""",
        mark=False,
    )
    inner.run(f"--peer-exec=env FROM=line {sys.executable}").assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("options", "words"),
    [("colour='red'", "colour: unknown option"), ("'red'", "keyword arguments only*red")],
)
def test_bad_marker_is_an_error_that_names_the_test(inner, marked, options, words):
    marked("def test(): pass", options)
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_inner.py::test: in_peer marker: *{words}*"])


def test_bad_value_is_an_error_that_names_the_marker(inner, marked):
    marked("def test(): pass", "args='-O'")
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *in_peer marker: args: expected a list of str, got '-O'"])


def test_peer_is_waited_for_though_it_is_started_without_waiting(inner, marked):
    marked("def test(): assert not is_here()", "wait_boot=False")
    inner.run().assert_outcomes(passed=1)


# What cannot run in a peer


@pytest.mark.parametrize("place", ["class", "module"])
def test_unittest_is_refused(inner, marked, place):
    marked(
        f"""
import unittest

{"@pytest.mark.in_peer" if place == "class" else ""}
class TestIt(unittest.TestCase):
    def test(self): note("body")
""",
        mark=place == "module",
    )
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TestIt::test: in_peer marker: unittest runs*"])
    assert marked.notes() == []


def test_doctest_is_refused(inner, marked):
    marked("def function():\n    '''\n    >>> note('body')\n    '''\n")
    result = inner.run("--doctest-modules")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*in_peer marker: *not a DoctestItem*"])
    assert marked.notes() == []


# With other things


def test_workers_of_xdist(inner, marked):
    marked("""
@pytest.mark.parametrize("x", range(4))
def test(x, tmp_path): note(x, tmp_path.exists())
""")
    inner.run("-n", "2").assert_outcomes(passed=4)
    assert sorted(marked.notes()) == [f"{x} True there" for x in range(4)]


def test_marker_is_known_and_described(inner, marked):
    marked("def test(): pass")
    inner.run("--strict-markers", "--collect-only").assert_outcomes()
    inner.run("--markers").stdout.fnmatch_lines(["@pytest.mark.in_peer(*"])
