"""pytest-rerunfailures: each attempt has peers, sections and artifacts of its own."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

SUITE = """
attempts = []

def say(word): print("said", word)

@pytest.fixture(scope="session")
def shared(session_peer_factory): return session_peer_factory(name="shared")

@pytest.mark.flaky(reruns=2)
def test_it(shared, peer):
    attempts.append(1)
    word = ["first", "second", "third"][len(attempts) - 1]
    peer.call(say, word + "-own")
    shared.call(say, word + "-shared")
    assert {condition}
"""


@pytest.fixture
def rerun(inner, load):
    def run(condition: str, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        load("rerunfailures", *plugins)
        inner.write(SUITE.format(condition=condition))
        return inner.run_apart(*arguments)

    return run


def assert_only(text: str, word: str) -> None:
    for each in ("first", "second", "third"):
        for kind in ("own", "shared"):
            assert text.count(f"said {each}-{kind}") == (each == word), (each, kind)


def test_report_has_the_last_attempt(rerun):
    result = rerun("False")
    result.stdout.fnmatch_lines(["*1 failed*2 rerun*"])
    assert_only(result.stdout.str(), "third")


def test_attempt_that_passes(rerun):
    result = rerun("len(attempts) == 2")
    result.stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
    assert_only(result.stdout.str(), "none")


def test_xml_has_each_attempt(rerun, inner):
    """Older versions of pytest-rerunfailures leave only the last attempt in it."""
    rerun("False", "--junitxml=report.xml", "-o", "junit_logging=all")
    attempts = list(ElementTree.parse(inner.path / "report.xml").iter("testcase"))
    assert len(attempts) in (1, 3)
    words = ("first", "second", "third")[-len(attempts) :]
    for attempt, word in zip(attempts, words, strict=True):
        assert_only("".join(attempt.itertext()), word)
        assert "Captured peers call" in "".join(attempt.itertext())


def test_json_has_the_last_attempt(rerun, inner):
    rerun(
        "False", "--json-report", "--json-report-file=report.json", plugins=("pytest_jsonreport",)
    )
    report = json.loads((inner.path / "report.json").read_text())
    shown = [each for test in report["tests"] for each in test["call"]["peers"]]
    assert_only("\n".join(each["text"] for each in shown), "third")
    assert "Captured peers call" in [each["title"] for each in shown]


def test_allure_has_each_attempt(rerun, inner):
    rerun("False", "--alluredir=results", plugins=("allure_pytest",))
    folder = inner.path / "results"
    words = []
    for file in folder.glob("*-result.json"):
        result = json.loads(file.read_text())
        text = "\n".join((folder / each["source"]).read_text() for each in result["attachments"])
        (word,) = [each for each in ("first", "second", "third") if f"said {each}-own" in text]
        assert_only(text, word)
        words.append(word)
    assert sorted(words) == ["first", "second", "third"]


def test_html_has_the_last_attempt(rerun, inner):
    """pytest-html leaves out what reruns have written."""
    rerun(
        "False",
        "--html=report.html",
        "--self-contained-html",
        "-W",
        "ignore::DeprecationWarning",
        plugins=("html",),
    )
    text = (inner.path / "report.html").read_text()
    assert_only(text, "third")
    assert "Captured peers call" in text


def test_artifacts_of_each_attempt(rerun, inner):
    rerun("False", "--peer-artifacts=kept")
    logs = [file.read_text() for file in (inner.path / "kept").rglob("stdout.log")]
    own = sorted(text.strip() for text in logs if "-own" in text)
    assert own == ["said first-own", "said second-own", "said third-own"]


def test_xdist(rerun):
    result = rerun("False", "-n", "1")
    result.stdout.fnmatch_lines(["*1 failed*2 rerun*"])
    assert_only(result.stdout.str(), "third")


def test_crash_is_rerun(inner, load):
    load("rerunfailures")
    inner.write(
        """
        attempts = []
        @pytest.mark.flaky(reruns=1)
        @pytest.mark.peer(peer_down="crash")
        def test_it(peer):
            attempts.append(1)
            if len(attempts) == 1:
                peer.cast(os._exit, 3)
                time.sleep(20)
            assert peer.call(abs, -1) == 1
        """
    )
    inner.run_apart().stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
