"""The plugin's settings: command line, ini file, precedence, bad values."""

from __future__ import annotations

import sys

import pytest

#: What a test sees of where its peers come from.
SOURCES = """
def source(peer):
    return peer.call(os.getenv, "FROM")
"""


def launcher(source: str) -> str:
    return f"env FROM={source} '{sys.executable}'"


def exec_option(source: str) -> str:
    return f"--peer-exec={launcher(source)}"


def write_ini(inner, *lines: str) -> None:
    inner.pytester.makeini("\n".join(["[pytest]", *lines]))


def test_peer_exec_is_the_program_of_all_peers(inner):
    inner.write(
        SOURCES
        + """
def test_peer(peer): assert source(peer) == "line"
def test_factory(peer_factory): assert source(peer_factory()) == "line"
def test_many(peer_factory): assert source(peer_factory.many(1)[0]) == "line"
def test_wider(module_peer_factory): assert source(module_peer_factory()) == "line"
"""
    )
    inner.run(exec_option("line")).assert_outcomes(passed=4)


def test_peer_exec_may_be_in_the_ini_file(inner):
    write_ini(inner, f"peer_exec = {launcher('ini')}")
    inner.write(SOURCES + "def test(peer): assert source(peer) == 'ini'")
    inner.run().assert_outcomes(passed=1)


def test_precedence_is_call_marker_command_line_ini(inner):
    write_ini(inner, f"peer_exec = {launcher('ini')}", "peer_call_timeout = 11")
    words = ["env", "FROM=%s", sys.executable]
    inner.write(
        SOURCES
        + f"""
words = {words!r}

def launcher(source):
    return [word.replace("%s", source) for word in words]

def test_command_line_over_ini(peer):
    assert source(peer) == "line"
    assert peer.options.call_timeout == 11

@pytest.mark.peer(exec=launcher("marker"))
def test_marker_over_command_line(peer, peer_factory):
    assert source(peer) == source(peer_factory()) == "marker"

@pytest.mark.peer(exec=launcher("marker"))
def test_call_over_marker(peer_factory):
    assert source(peer_factory(exec=launcher("call"))) == "call"
"""
    )
    inner.run(exec_option("line")).assert_outcomes(passed=3)


@pytest.mark.parametrize("where", ["command line", "ini"])
def test_limits(inner, where):
    inner.write(
        """
        def test(peer):
            assert (peer.options.wait_boot, peer.options.call_timeout) == (12.5, 7)
        """
    )
    if where == "ini":
        write_ini(inner, "peer_boot_timeout = 12.5", "peer_call_timeout = 7")
        result = inner.run()
    else:
        result = inner.run("--peer-boot-timeout=12.5", "--peer-call-timeout", "7")
    result.assert_outcomes(passed=1)


def test_boot_timeout_ends_a_boot(inner):
    inner.write(
        """
        def test(peer_factory):
            peer_factory(exec=["sleep", "600"], args=[], post_process_args=lambda argv: argv[:2])
        """
    )
    result = inner.run("--peer-boot-timeout=0.2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*BootTimeout*"])


def test_call_timeout_ends_a_call(inner):
    inner.write("def test(peer): peer.call(time.sleep, 600)")
    result = inner.run("--peer-call-timeout=0.2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*CallTimeout*within 0.2 s*"])


def test_limit_none_is_no_limit(inner):
    inner.write("def test(peer): assert peer.options.call_timeout is None")
    inner.run("--peer-call-timeout=none").assert_outcomes(passed=1)


def test_defaults(inner):
    inner.write(
        """
        def test(peer):
            assert peer.options.exec == (sys.executable,)
            assert (peer.options.wait_boot, peer.options.call_timeout) == (15, 60)
        """
    )
    inner.run().assert_outcomes(passed=1)


BAD = [
    ("peer_boot_timeout", "soon"),
    ("peer_boot_timeout", "-1"),
    ("peer_boot_timeout", "nan"),
    ("peer_call_timeout", "soon"),
    ("peer_call_timeout", "-1"),
    ("peer_exec", "'unbalanced"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_command_line_value_is_a_usage_error_that_names_it(inner, name, value):
    inner.write("def test(): pass")
    flag = "--" + name.replace("_", "-")
    result = inner.run(f"{flag}={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{flag}" in result.stderr.str()
    assert value in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_ini_value_is_a_usage_error_that_names_it(inner, name, value):
    inner.write("def test(): pass")
    write_ini(inner, f"{name} = {value}")
    result = inner.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ini option {name}" in result.stderr.str()
    assert value in result.stderr.str()
    assert "--" + name.replace("_", "-") not in result.stderr.str()


def test_help_lists_the_settings(inner):
    text = inner.run("--help").stdout.str()
    for name in ("peer-exec", "peer-boot-timeout", "peer-call-timeout"):
        assert f"--{name}" in text
        assert name.replace("-", "_") in text


def test_setting_given_twice_is_refused_rather_than_half_obeyed(inner):
    inner.write("def test(peer): pass")
    result = inner.run("--peer-call-timeout=1", "--peer-call-timeout=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--peer-call-timeout: given more than once: 1, 2*"])


def test_empty_program_on_the_command_line_is_refused(inner):
    inner.write("def test(peer): pass")
    result = inner.run("--peer-exec=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--peer-exec: expected CMD*"])
