"""A failing test's report has output, stacks and artifacts of its peers, whichever plugin shows it."""

from __future__ import annotations

import html
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest
from timeouts import LONGER

# The words that the report must have are not in the source, which it has, too.
SUITE = """
@pytest.fixture
def db(peer_factory):
    return peer_factory(name="db")

def talk():
    print("said", "out")
    print("said", "err", file=sys.stderr)

def hang():
    print("hangs", flush=True)
    time.sleep(600)

def test_passes(db):
    assert db.call(abs, -1) == 1

def test_fails(db):
    db.call(talk)
    db.cast(hang)
    db.stdout.wait_for("hangs", 30)
    assert False
"""
SHOWN = ["said out", "said err", "in hang", "test_fails0/peers/db"]


def terminal(inner, *arguments: str) -> str:
    result = inner.run_apart(*arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    return result.stdout.str()


def by_html(inner) -> str:
    terminal(
        inner, "--html=report.html", "--self-contained-html", "-W", "ignore::DeprecationWarning"
    )
    return html.unescape((inner.path / "report.html").read_text())


def by_json(inner) -> str:
    terminal(inner, "--json-report", "--json-report-file=report.json")
    report = json.loads((inner.path / "report.json").read_text())
    assert report["summary"]["passed"] == report["summary"]["failed"] == 1
    (failed,) = (test for test in report["tests"] if test["outcome"] == "failed")
    return "\n".join(section["text"] for section in failed["call"]["peers"])


def by_allure(inner) -> str:
    terminal(inner, "--alluredir=results")
    results = [
        json.loads(file.read_text()) for file in (inner.path / "results").glob("*-result.json")
    ]
    assert sorted(result["status"] for result in results) == ["failed", "passed"]
    (failed,) = (result for result in results if result["status"] == "failed")
    attached = [inner.path / "results" / each["source"] for each in failed["attachments"]]
    return "\n".join(file.read_text() for file in attached)


def by_sugar(inner) -> str:
    return terminal(inner, "--force-sugar")


def by_instafail(inner) -> str:
    text = terminal(inner, "--instafail", "-p", "no:randomly")
    assert "= FAILURES =" not in text
    return text


def by_rich(inner) -> str:
    """Run on a terminal: the plugin does nothing elsewhere."""
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "pytest", "--rich"]
        process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=inner.path)
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # how a terminal ends on Linux
            pass
        assert process.wait(LONGER) == pytest.ExitCode.TESTS_FAILED
    finally:
        os.close(ours)
    return text.decode()


def by_junitxml(inner) -> str:
    terminal(inner, "--junitxml=report.xml", "-o", "junit_logging=all")
    return (inner.path / "report.xml").read_text()


@pytest.mark.parametrize(
    ("plugins", "report_of"),
    [
        (["html"], by_html),
        (["pytest_jsonreport"], by_json),
        (["allure_pytest"], by_allure),
        (["sugar"], by_sugar),
        (["instafail"], by_instafail),
        (["rich"], by_rich),
        ([], by_junitxml),
    ],
    ids=lambda value: getattr(value, "__name__", "").removeprefix("by_") or "-".join(value),
)
def test_report_shows_the_peer(inner, load, plugins: list[str], report_of: Callable[..., str]):
    load(*plugins)
    inner.write(SUITE, "test_suite_of_reports.py")
    report = report_of(inner)
    assert [words for words in SHOWN if words not in report] == []
