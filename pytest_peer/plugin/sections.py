"""The sections of peers, for what shows a report otherwise than pytest's terminal does.

``--junitxml`` and allure-pytest ask a report for all its stdout and all its stderr, and show only
these: there each part gets its title. pytest-json-report shows no section of another plugin: its
stages get those of peers. pytest-rerunfailures runs a test again, and pytest keeps the sections of
the runs before: they are left out.
"""

import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

_TITLE_WIDTH = 80
_hooks = sys.modules[__name__]


class TestReport(pytest.TestReport):  # xdist wants it to have this name
    """A report whose output tells of each part what it is."""

    __test__ = False

    @property
    def capstdout(self) -> str:
        return _joined(self, "stdout")

    @property
    def capstderr(self) -> str:
        """Return stderr, and what of peers has no place of its own: their states and stacks."""
        return _joined(self, "stderr")

    @property
    def caplog(self) -> str:
        return _joined(self, "log")


def _joined(report: pytest.TestReport, kind: str) -> str:
    titles = vars(report)["peer_titles"]
    parts = [
        (title, text)
        for title, text in [*report.sections, *vars(report)["peer_earlier"]]
        if _kind(title, titles) == kind
    ]
    if not any(title in titles for title, _ in parts):
        return "".join(text for _, text in parts)
    lines = []
    for title, text in parts:
        lines += [f" {title} ".center(_TITLE_WIDTH, "-"), text.removesuffix("\n")]
    return "\n".join([*lines, ""])


def _kind(title: str, titles: list[str]) -> str:
    for kind in ("stdout", "stderr", "log"):
        if title.startswith(f"Captured {kind}"):
            return kind
    return "stderr" if title in titles else ""


@dataclass
class _Run:
    """What one run of a test, and those before, have shown of its peers."""

    titles: set[str] = field(default_factory=set)  # of their sections
    count: int = 0  # of all sections that pytest keeps of this test
    before: int = 0  # how many of these are of the runs before
    #: Sections that no later report of this run has: pytest does not keep them.
    once: list[tuple[str, str]] = field(default_factory=list)


_run_key = pytest.StashKey[_Run]()


def register(config: pytest.Config) -> None:
    """Register these hooks: where tests with peers run, and where their reports go."""
    if not config.pluginmanager.is_registered(_hooks):
        config.pluginmanager.register(_hooks, "peer-sections")


def begin(item: pytest.Item) -> None:
    """Begin a run of the test."""
    run = item.stash.setdefault(_run_key, _Run())
    run.before = run.count
    run.once.clear()


def add(item: pytest.Item, when: str, key: str, text: str) -> None:
    """Add a section to the report of this phase, which is not made yet, and to later ones."""
    item.add_report_section(when, key, text)
    item.stash[_run_key].titles.add(f"Captured {key} {when}")


def added_late(item: pytest.Item, report: pytest.TestReport, first: int) -> None:
    """Note that the sections of a report from that one on are of peers; later ones have them not."""
    run, sections = item.stash[_run_key], report.sections[first:]
    run.once += sections
    run.titles.update(title for title, _ in sections)
    vars(report)["peer_titles"] = sorted(run.titles)


@pytest.hookimpl(wrapper=True, trylast=True)  # other plugins already see what it returns
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    made = yield
    run = item.stash.setdefault(_run_key, _Run())
    run.count = len(made.sections)
    made.sections[:] = [
        (title, text)
        for index, (title, text) in enumerate(made.sections)
        if index >= run.before or title not in run.titles
    ]
    # xdist carries both to the controller.
    vars(made).update(peer_titles=sorted(run.titles), peer_earlier=list(run.once))
    _adopt(made)
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Make what came from a worker of xdist such a report again."""
    if "peer_titles" in vars(report):
        _adopt(report)


def _adopt(report: pytest.TestReport) -> None:
    if type(report) is pytest.TestReport:
        report.__class__ = TestReport  # not another object: other plugins hold this one


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_json_runtest_stage(
    report: pytest.TestReport,
) -> Generator[None, dict[str, Any], dict[str, Any]]:
    """Add to a stage of pytest-json-report the sections of peers from this phase."""
    stage = yield
    titles = vars(report).get("peer_titles", ())
    found = [
        {"title": title, "text": text}
        for title, text in report.sections
        if title in titles and title.endswith(f" {report.when}")
    ]
    return {**stage, "peers": found} if found else stage
