"""Options for the start of a peer: command line, environment, directory."""

from __future__ import annotations

import os
import sys

import pytest


def flag_optimize() -> int:
    return sys.flags.optimize


def write_bytecode_is_off() -> bool:
    return sys.dont_write_bytecode


def test_args_reach_the_interpreter(peer_factory):
    assert peer_factory(args=["-O"]).call(flag_optimize) == 1


def test_args_are_no_shell(peer_factory):
    peer = peer_factory(args=["-X", "a=$HOME; echo *"])
    assert peer.call("sys:_xoptions.get", "a") == "$HOME; echo *"


def test_post_process_args_gets_and_returns_the_command_line(peer_factory):
    seen = []

    def wrapped(argv: list[str]) -> list[str]:
        seen.append(list(argv))
        return ["env", "A=1", *argv]

    peer = peer_factory(args=["-O"], post_process_args=wrapped)
    assert seen[0][:2] == [sys.executable, "-O"]
    assert peer.call(os.getenv, "A") == "1"


@pytest.mark.parametrize("wrong", ["a string", None, [], ["a", 1]])
def test_post_process_args_must_return_a_command_line(peer_factory, wrong):
    with pytest.raises(TypeError, match="post_process_args"):
        peer_factory(name="db", post_process_args=lambda _: wrong)
    assert peer_factory(name="db").call(os.getpid)


def test_what_post_process_args_raises_is_raised(peer_factory):
    def broken(argv: list[str]) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        peer_factory(name="db", post_process_args=broken)
    assert peer_factory(name="db").call(os.getpid)


def test_env_adds_to_the_inherited_environment(peer_factory, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    peer = peer_factory(env={"ADDED": "yes"})
    assert peer.call(os.getenv, "INHERITED") == peer.call(os.getenv, "ADDED") == "yes"


def test_env_none_removes_a_variable(peer_factory, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    assert peer_factory(env={"INHERITED": None}).call(os.getenv, "INHERITED") is None


def test_env_none_for_a_variable_that_is_not_there_is_fine(peer_factory):
    assert peer_factory(env={"NEVER_SET": None}).call(os.getenv, "NEVER_SET") is None


def test_env_is_there_when_the_interpreter_starts(peer_factory):
    assert peer_factory(env={"PYTHONDONTWRITEBYTECODE": "1"}).call(write_bytecode_is_off)


def test_cwd_is_the_directory_it_starts_in(peer_factory, tmp_path):
    assert peer_factory(cwd=tmp_path).call(os.getcwd) == os.path.realpath(tmp_path)


def test_cwd_is_inherited(peer_factory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert peer_factory().call(os.getcwd) == os.getcwd()


def test_bad_option_starts_nothing(peer_factory, tmp_path):
    with pytest.raises(ValueError, match="cwd"):
        peer_factory(cwd=tmp_path / "missing", exec=["touch", str(tmp_path / "started")])
    assert not (tmp_path / "started").exists()
