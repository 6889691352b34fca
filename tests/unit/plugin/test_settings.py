"""Settings: precedence, and errors."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from inner_pytest import load_only

from pytest_peer import start  # noqa: F401 - pytester restores sys.modules
from pytest_peer.plugin import settings


@pytest.fixture(autouse=True)
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other plugins may start threads, or warn."""
    load_only(monkeypatch, "peer")


def read(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    return settings.read(pytester.parseconfig(*args))


def ini(pytester: pytest.Pytester, **values: str) -> None:
    pytester.makeini("[pytest]\n" + "".join(f"{name} = {text}\n" for name, text in values.items()))


def refusal(pytester: pytest.Pytester, *args: str) -> str:
    result = pytester.runpytest_inprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    return result.stderr.str()


def test_unset_settings_change_nothing(pytester: pytest.Pytester) -> None:
    assert read(pytester) == {}


@pytest.mark.parametrize(
    ("name", "text", "option", "value"),
    [
        ("peer_exec", "python3", "exec", ["python3"]),
        ("peer_exec", "uv run 'my file.py'", "exec", ["uv", "run", "my file.py"]),
        ("peer_boot_timeout", "2.5", "wait_boot", 2.5),
        ("peer_boot_timeout", "none", "wait_boot", None),
        ("peer_call_timeout", "0", "call_timeout", 0.0),
        ("peer_call_timeout", "None", "call_timeout", None),
        ("peer_call_timeout", "inf", "call_timeout", None),
    ],
)
@pytest.mark.parametrize("where", ["command line", "ini"])
def test_text_becomes_an_option(
    pytester: pytest.Pytester, where: str, name: str, text: str, option: str, value: object
) -> None:
    if where == "ini":
        ini(pytester, **{name: text})
        assert read(pytester) == {option: value}
    else:
        assert read(pytester, f"--{name.replace('_', '-')}={text}") == {option: value}


def test_command_line_wins_over_ini(pytester: pytest.Pytester) -> None:
    ini(pytester, peer_call_timeout="1", peer_boot_timeout="2")
    assert read(pytester, "--peer-call-timeout=3") == {"call_timeout": 3.0, "wait_boot": 2.0}


PRECEDENCE = """
    import pytest

    @pytest.fixture
    def limits(peer_factory):
        yield lambda **options: peer_factory(wait_boot=False, **options).options.call_timeout

    class TestPlain:
        def test_it(self, limits):
            assert limits() == {plain}
            assert limits(call_timeout=5) == 5

    @pytest.mark.peer(call_timeout=3)
    class TestMarked:
        def test_class(self, limits):
            assert limits() == 3

        @pytest.mark.peer(call_timeout=4)
        def test_closest(self, limits):
            assert limits() == 4

        @pytest.mark.peer(args=["-O"])
        def test_option_by_option(self, peer):
            assert (peer.options.call_timeout, peer.options.args) == (3, ("-O",))

        def test_argument(self, limits):
            assert limits(call_timeout=5) == 5
"""


@pytest.mark.parametrize(
    ("plain", "args", "text"),
    [("60", [], None), ("1", [], "1"), ("2", ["--peer-call-timeout=2"], "1")],
    ids=["default", "ini", "command line"],
)
def test_argument_wins_over_marker_over_the_rest(
    pytester: pytest.Pytester, plain: str, args: list[str], text: str | None
) -> None:
    if text is not None:
        ini(pytester, peer_call_timeout=text)
    pytester.makepyfile(PRECEDENCE.replace("{plain}", plain))
    pytester.runpytest_inprocess(*args).assert_outcomes(passed=5)


def test_peer_exec_runs_the_peers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(peer):
            assert peer.call("os:environ.get", "MARK") == "set"
    """)
    program = f"--peer-exec=env MARK=set '{sys.executable}'"
    pytester.runpytest_inprocess(program).assert_outcomes(passed=1)


def test_none_as_boot_timeout_waits_for_the_boot(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(peer):
            assert peer.state == "running"
    """)
    pytester.runpytest_inprocess("--peer-boot-timeout=none").assert_outcomes(passed=1)


BAD = [
    ("peer_boot_timeout", "soon"),
    ("peer_boot_timeout", "-1"),
    ("peer_boot_timeout", "nan"),
    ("peer_call_timeout", "1s"),
    ("peer_call_timeout", "-inf"),
    ("peer_exec", "python 'unclosed"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad_value_on_the_command_line_names_flag_and_value(
    pytester: pytest.Pytester, name: str, text: str
) -> None:
    flag = "--" + name.replace("_", "-")
    message = refusal(pytester, f"{flag}={text}")
    assert flag in message
    assert repr(text) in message


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad_value_in_the_ini_file_names_option_and_value(
    pytester: pytest.Pytester, name: str, text: str
) -> None:
    ini(pytester, **{name: text})
    message = refusal(pytester)
    assert f"ini option {name}" in message
    assert repr(text) in message


def test_program_of_nothing_but_spaces_is_refused(pytester: pytest.Pytester) -> None:
    assert "--peer-exec: expected CMD" in refusal(pytester, "--peer-exec=  ")


def test_bad_value_of_a_marker_says_that_it_came_from_the_marker(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.peer(args="-O")
        def test_it(peer): pass
    """)
    result = pytester.runpytest_inprocess()
    text = result.stdout.str() + result.stderr.str()
    assert result.ret != pytest.ExitCode.OK
    assert "args: expected a list of str, got '-O'" in text
    errors = [line for line in text.splitlines() if "args: expected" in line]
    assert any("marker" in line for line in errors)


def test_help_has_every_setting(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest_inprocess("--help").stdout.str()
    for setting in settings.SETTINGS:
        assert setting.flag in text
        kind = "linelist" if setting.name == "peer_exec" else "string"
        assert f"{setting.name} ({kind})" in text


def test_marker_is_registered(pytester: pytest.Pytester) -> None:
    assert "@pytest.mark.peer(" in pytester.runpytest_inprocess("--markers").stdout.str()
