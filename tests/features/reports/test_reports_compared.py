"""A failure in a peer is reported line by line as the same failure in the test; only a note is
added."""

from __future__ import annotations

import re

import pytest

#: What is called, here and there. Without arguments, of which only `-l` shows the values in a peer.
CASES = """
def third():
    number = 42
    long = "x" * 300
    raise ValueError(
        f"boom {number}",
    )

def second():
    text = third() + "more"

def deep():
    second()

def by_value():
    def deep():
        second()
    return deep

def asserting():
    def check():
        number = 41
        assert number == 42, "not the answer"
    return check

def plain_assertion():
    number = 41
    if number != 42:
        raise AssertionError("not the answer")

def with_cause():
    try:
        second()
    except ValueError as exc:
        raise KeyError("effect") from exc

def with_context():
    try:
        second()
    except ValueError:
        undefined

def without_context():
    try:
        second()
    except ValueError:
        raise KeyError("alone") from None

def group():
    caught = []
    for fail in (third, with_cause):
        try:
            fail()
        except Exception as exc:
            caught.append(exc)
    raise ExceptionGroup("both", caught)

def hiding():
    __tracebackhide__ = True
    third()

def generated():
    source = "def made():\\n    answer = 42\\n    raise ValueError(answer)\\n"
    linecache.cache["<made>"] = len(source), None, source.splitlines(True), "<made>"
    namespace = {}
    exec(compile(source, "<made>", "exec"), namespace)
    made = namespace.pop("made")
    del namespace
    made()

def noted():
    exc = ValueError("noted")
    exc.add_note("see there")
    raise exc

class Speechless:
    def __repr__(self):
        raise RuntimeError("no words")

def speechless():
    thing, many = Speechless(), list(range(100))
    raise ValueError("speechless")

def lambdas():
    return lambda: second() and 1

def compiling():
    compile("a = (", "some_file.py", "exec")

def recursing():
    recursing()

numbers = itertools.count()

def recursing_deeper():
    depth = next(numbers)
    recursing_deeper()

CASES = {
    "deep": deep,
    "by_value": by_value(),
    "asserting": asserting(),
    "plain_assertion": plain_assertion,
    "with_cause": with_cause,
    "with_context": with_context,
    "without_context": without_context,
    "group": group,
    "hiding": hiding,
    "generated": generated,
    "noted": noted,
    "speechless": speechless,
    "lambda": lambdas(),
    "compiling": compiling,
    "recursing": recursing,
    "recursing_deeper": recursing_deeper,
}

@pytest.fixture(scope="module")
def shared(module_peer_factory):
    return module_peer_factory(name="db")

@pytest.mark.parametrize("case", CASES)
def test_it(shared, case):
    fn = CASES[case]
    CALL
"""
HERE = "fn()"
THERE = "shared.call(fn)"

#: As Python shows it: in a group behind bars, its source behind more spaces.
OUR_FRAME = re.compile(
    r'^[ |]*File "[^"]*/pytest_peer/.*\n(?:(?![ |]*File ")[ |]* {4}.*\n)+', re.MULTILINE
)

STYLES = [
    ("--tb=auto",),
    ("--tb=long",),
    ("--tb=short",),
    ("--tb=native",),
    ("--tb=line",),
    ("--tb=short", "-l"),
    ("--tb=long", "-l", "-vv"),
]


def reported(inner, call: str, *style: str) -> dict[str, list[str]]:
    """Of each case what is reported."""
    inner.write("import itertools\nimport linecache\n" + CASES.replace("CALL", call))
    result = inner.run(*style, "-p", "no:randomly")
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in result.outlines:
        if begin := re.fullmatch(r"_+ test_it\[(\w+)\] _+", line):
            lines = found[begin[1]] = []
        elif re.match(r"-+ Captured|=+", line):
            lines = []
        else:
            lines.append(line)
    assert result.parseoutcomes()["failed"] >= 15
    if "--tb=line" in style:
        found["all"] = [line for line in result.outlines if re.match(r"\S+\.py:\d+: ", line)]
    return found


def leveled(lines: list[str]) -> list[str]:
    """Leave out what may differ: the call, process ids, addresses, and our frames."""
    text = "\n".join(lines).replace(THERE, HERE)
    text = OUR_FRAME.sub("", text)
    text = re.sub(r"(?m)^([ |]*fn\(\)\n)[ |]*[~^]+\n", r"\1", text)  # below the longer call: more
    text = re.sub(r"frames out of \d+", "frames", text)  # not all travel
    text = re.sub(r"0x[0-9a-f]+", "0x0", text)
    return re.sub(r"pid \d+", "pid", text).split("\n")


def without_note(lines: list[str]) -> list[str]:
    rest = [line for line in lines if not re.fullmatch(r"[E |]*raised in peer 'db' \(pid\)", line)]
    assert len(lines) - len(rest) == 1
    return rest


@pytest.mark.parametrize("style", STYLES, ids=" ".join)
def test_report_is_that_of_the_test_itself(inner, style):
    here, there = reported(inner, HERE, *style), reported(inner, THERE, *style)
    assert here.keys() == there.keys()
    assert here
    for case, lines in there.items():
        if case.startswith("recursing") and {"--tb=native", "-l"}.intersection(style):
            continue  # the stack was not as high there
        noted = "--tb=line" not in style
        told = leveled(lines)
        assert (without_note(told) if noted else told) == leveled(here[case]), case
