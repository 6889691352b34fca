"""Code by value works where its module cannot be imported, with the globals that it names."""

from __future__ import annotations

import sys
import textwrap

import pytest
from timeouts import LONG

from pytest_peer import DecodeError

SOURCE = """
    import concurrent.futures
    import enum
    import functools
    import sys
    import threading

    import cloudpickle

    sys.__dict__.setdefault("imports_of_watching", []).append(None)
    import absent

    STEP = 2
    count = 0
    guard = threading.Lock()
    words = ["a"]
    same_words = words
    shelves = {"words": words}
    kept = []
    registries = []
    add_word = words.append


    def decorated(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return "decorated", fn(*args)

        return wrapper


    def double(number):
        return number * STEP


    def factorial(number):
        return number * factorial(number - 1) if number else 1


    def measure():
        return absent.measure()


    @decorated
    def quadruple(number):
        return double(double(number))


    class Colour(enum.Enum):
        RED = 1


    class Iterated(enum.EnumMeta):
        def __iter__(cls):
            registries.append(cloudpickle.list_registry_pickle_by_value())
            return super().__iter__()


    class Level(enum.Enum, metaclass=Iterated):
        LOW = 1


    class Point:
        made = 0

        def __init__(self, x):
            self.x = x
            Point.made += 1

        def doubled(self):
            return Point(double(self.x))

        def __eq__(self, other):
            return type(other) is type(self) and other.x == self.x

        __hash__ = None


    class Near(Point):
        pass


    class Refused(Exception):
        pass


    class Base:
        made = 0


    class Derived(Base):
        pass


    def answer():
        return 42


    handlers = [answer, quadruple]

    def increment():
        global count
        count += 1
        return count


    def refuse(number):
        raise Refused(number)


    def code(text):
        return eval("lambda *args: " + text, globals())
"""


def hide():
    sys.modules["absent"] = None  # type: ignore[assignment]


def imports():
    return len(sys.imports_of_watching)  # type: ignore[attr-defined]


def show():
    del sys.modules["absent"]


@pytest.fixture
def home(origin):
    origin.write("absent.py", "def measure():\n    return 1")
    origin.write("watching.py", textwrap.dedent(SOURCE))
    return __import__("watching")


@pytest.fixture
def peer(peer_factory, home):
    return peer_factory(setup=hide)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("STEP", 2),
        ("len(words)", 1),
        ("words is same_words", True),
        ("double(3)", 6),
        ("[double(n) for n in (1, 2)]", [2, 4]),
        ("factorial(4)", 24),
        ("quadruple(1)", ("decorated", 4)),
        ("Point(2).doubled().x", 4),
        ("concurrent.futures.Future.__name__", "Future"),
        ("__name__", "watching"),
        ("__doc__", None),
    ],
)
def test_what_it_names_comes_along(peer, home, text, value):
    assert peer.call(home.code(text)) == value


def test_the_module_comes_first_when_it_is_there(peer, home):
    home.STEP = 3
    assert peer.call(home.code("STEP")) == 3
    peer.call(show)
    assert peer.call(home.double, 1) == 2
    assert peer.call(home.code("STEP")) == 2


def test_globals_live_on_from_call_to_call(peer, home):
    assert [peer.call(home.code("increment()")) for _ in range(2)] == [1, 2]
    home.count = 7
    assert peer.call(home.code("(count, increment(), count)")) == (2, 3, 3)
    assert home.count == 7
    assert peer.call(home.code("Near(1).doubled().made")) == 2
    assert peer.call(home.code("(Point.made, isinstance(Near(1), Point))")) == (2, True)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("kept.append(handlers[0])", "kept[0] is answer"),
        ("kept.append(handlers[1])", "kept[0] is quadruple"),
        ("kept.append(shelves['words'])", "kept[0] is words is same_words"),
        ("add_word('b')", "words == ['a', 'b']"),
        ("setattr(Derived.__base__, 'made', 7)", "Base.made == 7"),
    ],
)
def test_an_object_is_the_same_for_all_calls(peer, home, first, then):
    peer.call(home.code(first))
    assert peer.call(home.code(then)) is True


def test_what_could_not_come_along_can_come_later(peer, home):
    home.handlers.append(home.guard)
    with pytest.raises(DecodeError, match=r"handlers.*lock"):
        peer.call(home.code("(words, handlers)"))
    home.handlers.pop()
    assert peer.call(home.code("kept.append(words)")) is None
    assert peer.call(home.code("(kept[0] is shelves['words'], handlers[0] is answer)")) == (
        True,
        True,
    )


def test_other_threads_pickle_as_before(peer, home):
    """cloudpickle's registry of modules that go by value is everybody's."""
    assert peer.call(home.code("Level.LOW.value")) == 1
    assert set() in home.registries
    assert {"watching"} not in home.registries


def test_calls_at_once_share_globals(peer, home):
    code = home.code("increment()")
    assert sorted(f.result(LONG) for f in [peer.submit(code) for _ in range(8)]) == [*range(1, 9)]


def test_results_are_of_the_classes_here(peer, home):
    doubled = home.Point.doubled
    assert peer.call(home.code("(Point(2), Near(2), Colour.RED, Point, double)")) == (
        home.Point(2),
        home.Near(2),
        home.Colour.RED,
        home.Point,
        home.double,
    )
    assert home.Point.doubled is doubled
    assert doubled.__globals__ is vars(home)
    assert peer.call(home.code("lambda: double"))() is home.double


def test_exceptions_are_of_the_classes_here(peer, home):
    with pytest.raises(home.Refused, match="5") as caught:
        peer.call(home.code("refuse(5)"))
    assert type(caught.value) is home.Refused


def test_its_import_is_tried_once(peer, home):
    assert peer.call(home.code("STEP")) == 2
    peer.call(home.code("(Point(2), Colour.RED, double)"))
    with pytest.raises(home.Refused):
        peer.call(home.code("refuse(5)"))
    assert peer.call(imports) == 1


@pytest.mark.parametrize("text", ["absent.measure()", "measure()"])
def test_what_the_peer_lacks_is_named(peer, home, text):
    for _ in range(2):
        with pytest.raises(DecodeError) as caught:
            peer.call(home.code(text))
        why = f"{caught.value} {caught.value.__notes__}"
        for word in ("watching", text.partition(".")[0].strip("()"), "import of absent", peer.name):
            assert word in why
    assert peer.call(home.code("STEP")) == 2


def test_what_cannot_come_along_is_named(peer, home):
    with pytest.raises(DecodeError, match=r"import of absent .* guard .*\['guard'\].*lock"):
        peer.call(home.code("guard"))


def test_a_missing_global_tells_of_the_import(peer, home):
    with pytest.raises(NameError, match="nothing") as caught:
        peer.call(home.code("nothing"))
    assert "watching" in caught.value.__notes__[0]
    assert "import of absent" in caught.value.__notes__[0]


def test_by_reference_it_is_an_error_that_says_what_to_do(peer, home):
    assert peer.call(home.code("double(1)")) == 2
    for part in (home.double, home.Point(1).doubled, home.quadruple):
        with pytest.raises(DecodeError, match=r"absent.*\n.* watching imports it\. Install"):
            peer.call(part)


def test_code_among_the_arguments(peer, home):
    assert peer.call(lambda fn: fn(), home.code("double(2)")) == 4


def test_a_test_in_a_peer_says_what_to_do(inner):
    inner.pytester.makepyfile(
        absent="", hiding="import sys\ndef hide(): sys.modules['absent'] = None"
    )
    inner.write(
        """
        import absent
        from hiding import hide

        @pytest.mark.in_peer(setup=hide)
        def test_it():
            pass
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *DecodeError: *absent*", "E *The module test_inner imports it*"]
    )
