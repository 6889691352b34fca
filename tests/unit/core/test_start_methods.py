"""The choice between the start methods."""

from __future__ import annotations

import sys

import pytest

from pytest_peer.core import options
from pytest_peer.core.start_methods import read_at_start, unsupported

NOT_FORKABLE = [
    ({"exec": "python3"}, "exec is not the origin's interpreter"),
    ({"exec": [sys.executable, "-O"]}, "exec is not the origin's interpreter"),
    ({"args": ["-O"]}, "args are read at the start"),
    ({"post_process_args": list}, "post_process_args changes the start"),
    ({"env": {"PYTHONHASHSEED": "1"}}, "PYTHONHASHSEED"),
    ({"env": {"LD_PRELOAD": None}}, "LD_PRELOAD"),
    ({"env": {"MALLOC_ARENA_MAX": "1"}}, "MALLOC_ARENA_MAX"),
    ({"env": {"LC_ALL": "C"}}, "LC_ALL"),
    ({"env": {"COVERAGE_PROCESS_START": "x"}}, "COVERAGE_PROCESS_START"),
]


@pytest.mark.parametrize(("given", "why"), NOT_FORKABLE)
def test_options_for_the_start_of_an_interpreter_mean_spawn(given, why):
    assert why in options.checked(given).not_forkable


@pytest.mark.parametrize(("given", "why"), NOT_FORKABLE)
def test_fork_server_that_cannot_serve_raises_the_reason(given, why):
    with pytest.raises(ValueError, match=f"start_method: the fork server cannot serve: .*{why}"):
        options.checked({"start_method": "forkserver", **given})


@pytest.mark.parametrize(
    "given", [{}, {"exec": sys.executable}, {"env": {"A": "1", "B": None}}, {"cwd": "/"}]
)
def test_the_rest_can_be_forked(given):
    assert options.checked({"start_method": "forkserver", **given}).not_forkable == ""


@pytest.mark.parametrize("method", ["fork", "Spawn", ""])
def test_unknown_method_is_refused(method):
    with pytest.raises(ValueError, match="start_method: expected one of 'forkserver', 'spawn'"):
        options.checked({"start_method": method})


def test_method_of_the_wrong_type_is_refused():
    with pytest.raises(TypeError, match="start_method: expected a str"):
        options.checked({"start_method": 1})


def test_fork_servers_are_for_cpython_on_linux():
    assert unsupported("linux", "cpython") == ""
    assert "darwin" in unsupported("darwin", "cpython")
    assert "pypy" in unsupported("linux", "pypy")


def test_variables_that_must_be_there_from_the_start():
    environ = {"PYTHONPATH": "a", "LANG": "C", "HOME": "/", "PATH": "/bin", "LC_ALL": "C"}
    assert read_at_start(environ) == {"PYTHONPATH": "a", "LANG": "C", "LC_ALL": "C"}
