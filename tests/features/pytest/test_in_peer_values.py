"""`@pytest.mark.in_peer`: the values of fixtures and instances travel; the setup refuses others."""

from __future__ import annotations

import pytest


def test_values_are_sent_by_the_names_in_the_signature(inner, marked):
    marked("""
@pytest.fixture
def unsendable():
    return threading.Lock()

@pytest.fixture
def number(unsendable):
    return 1

@pytest.mark.usefixtures("unsendable")
@pytest.mark.parametrize("word", ["a"])
@pytest.mark.parametrize("indirect", ["b"], indirect=True)
def test(number, word, indirect, tmp_path, default=5):
    assert (number, word, indirect, default) == (1, "a", "B", 5)
    assert tmp_path.is_dir()

@pytest.fixture
def indirect(request):
    return request.param.upper()
""")
    inner.run().assert_outcomes(passed=1)


def test_peer_ends_before_what_the_fixtures_gave(inner, marked):
    marked("""
import psutil

@pytest.fixture
def place(tmp_path):
    yield tmp_path
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))

def test(place):
    (place / "pid").write_text(str(os.getpid()))
""")
    inner.run().assert_outcomes(passed=1)


def test_what_a_fixture_has_put_in_the_environment_is_there(inner, marked):
    marked("""
@pytest.fixture(autouse=True)
def colour(monkeypatch): monkeypatch.setenv("COLOUR", "red")

def test(): assert os.environ["COLOUR"] == "red" and not is_here()
""")
    inner.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("threading.Lock()", "*cannot be pickled: *lock*of type lock*"),
        ("{'a': [1, threading.Lock()]}", "*cannot be pickled: *lock*at ['a'][[]1]*"),
    ],
)
def test_unsendable_fixture_is_an_error_at_setup_that_names_it(inner, marked, value, told):
    marked(f"""
@pytest.fixture
def handle(): return {value}

def test(tmp_path, handle): note("body")
""")
    result = inner.run("-W", "error")
    result.assert_outcomes(errors=1)
    told = told.replace("['a']", "[[]'a']")
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test*",
            ">   def test(tmp_path, handle)*",
            f"E *EncodeError: the fixture 'handle' {told}",
            "E *test_inner.py::test runs in a peer*use the fixture `peer`",
            "test_inner.py:*: EncodeError",
        ]
    )
    assert marked.notes() == []


@pytest.mark.parametrize("name", ["peer", "peer_factory", "request", "capsys", "caplog", "recwarn"])
def test_fixture_that_is_of_use_only_here_is_refused(inner, marked, name):
    marked(f"def test({name}): pass")
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *the fixture '{name}' is of use only in the process*"])


def test_instance_that_cannot_travel_is_an_error_at_setup(inner, marked):
    marked("""
class TestIt:
    def setup_method(self): self.handle = threading.Lock()
    def test(self): pass
""")
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *EncodeError: the instance of TestIt *at .handle*"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def __getattr__(self, name): return self.attributes[name]", "RecursionError: *"),
        (
            "def __setstate__(self, state): raise KeyError('no such part')",
            "KeyError: *no such part*",
        ),
        ("def __reduce__(self): return is_in_time, (os.getpid(),)", "LookupError: too late"),
    ],
    ids=["recursion", "state", "elsewhere"],
)
def test_argument_that_cannot_be_rebuilt_is_refused_in_the_setup(inner, marked, body, words):
    marked(f"""
def is_in_time(pid):
    if pid != os.getpid():
        raise LookupError("too late")

class Value:
    def __init__(self): self.part = 1
    {body}

@pytest.fixture
def good(): return 1

@pytest.fixture
def value(): return Value()

def test_fixture(good, value): note("body")

class TestIt:
    def setup_method(self): self.value = Value()
    def test_instance(self, good): note("body")
""")
    result = inner.run()
    result.assert_outcomes(errors=2)
    for what, test in (
        ("the fixture 'value'", "test_fixture"),
        ("the instance of TestIt", "TestIt::test_instance"),
    ):
        result.stdout.fnmatch_lines(
            [
                f"E *EncodeError: {what} cannot be rebuilt in the peer: {words}",
                f"E *test_inner.py::{test} runs in a peer, so its arguments have to be sent*",
            ]
        )
    assert marked.notes() == []
