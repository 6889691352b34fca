"""The command line of a peer, without starting anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_peer.core.options import checked
from pytest_peer.launch.command import (
    Command,
    Container,
    boot_words,
    command,
    interpreter_options,
    with_container,
)


def built(environ: Mapping[str, str] | None = None, **options: Any) -> Command:
    options = {"name": "db", "host": "box", "exec": "python3", **options}
    return command(checked(options), environ or {}, boot_words(7, 8))


def variables(environ: Mapping[str, str] | None = None, **options: Any) -> dict[str, str]:
    """The environment, less the one that is always there."""
    env = built(environ, **options).env
    return {name: value for name, value in env.items() if name != "PYTHONFAULTHANDLER"}


def test_words_come_in_order() -> None:
    argv = built(exec=["env", "python3"], args=["-X", "dev"]).argv
    assert argv[:5] == ["env", "python3", "-X", "dev", "-c"]
    assert argv[6:] == ["db@box"]


def test_code_knows_both_descriptors() -> None:
    code = built().argv[2]
    compile(code, "-c", "exec")
    assert "7" in code
    assert "8" in code


def test_words_are_never_split_or_joined() -> None:
    assert built(args=["a b", "$HOME", "'", ""]).argv[1:5] == ["a b", "$HOME", "'", ""]


def test_inherited_environment_is_kept() -> None:
    assert variables({"A": "1"}) == {"A": "1"}


def test_variables_are_added() -> None:
    assert variables({"A": "1"}, env={"B": "2"}) == {"A": "1", "B": "2"}


def test_variable_is_replaced() -> None:
    assert variables({"A": "1"}, env={"A": "2"}) == {"A": "2"}


def test_none_removes_a_variable() -> None:
    assert variables({"A": "1", "B": "2"}, env={"A": None, "C": None}) == {"B": "2"}


def test_hang_before_our_code_runs_can_be_located() -> None:
    assert built().env["PYTHONFAULTHANDLER"]


@pytest.mark.parametrize(
    ("inherited", "option", "expected"),
    [("", {}, ""), ("1", {}, "1"), ("1", None, None), (None, "2", "2"), (None, None, None)],
)
def test_who_has_said_something_about_faulthandler_is_obeyed(
    inherited: str | None, option: Any, expected: str | None
) -> None:
    environ = {} if inherited is None else {"PYTHONFAULTHANDLER": inherited}
    env = {} if option == {} else {"PYTHONFAULTHANDLER": option}
    assert built(environ, env=env).env.get("PYTHONFAULTHANDLER") == expected


def test_inherited_environment_is_not_changed() -> None:
    environ = {"A": "1"}
    built(environ, env={"A": None, "B": "2"})
    assert environ == {"A": "1"}


def test_cwd_is_passed(tmp_path: Path) -> None:
    assert built(cwd=str(tmp_path)).cwd == str(tmp_path)
    assert built().cwd is None


def test_post_process_args_sees_the_complete_command_line() -> None:
    seen: list[str] = []
    argv = built(args=["-O"], post_process_args=lambda words: seen.extend(words) or words).argv
    assert seen == argv
    assert seen[0] == "python3"
    assert seen[-1] == "db@box"


def test_post_process_args_has_the_last_word() -> None:
    argv = built(post_process_args=lambda words: ("nice", *words)).argv
    assert argv[:2] == ["nice", "python3"]


@pytest.mark.parametrize("returned", [None, "python3", b"python3", 1, {"python3"}])
def test_post_process_args_must_return_words(returned: object) -> None:
    with pytest.raises(TypeError) as caught:
        built(post_process_args=lambda _: returned)
    assert str(caught.value).startswith("post_process_args:")
    assert repr(returned) in str(caught.value)


@pytest.mark.parametrize("returned", [[], ()])
def test_post_process_args_must_return_something(returned: object) -> None:
    with pytest.raises((TypeError, ValueError), match="post_process_args:"):
        built(post_process_args=lambda _: returned)


@pytest.mark.parametrize(("returned", "item"), [(["a", 1], "1"), (["a", b"b"], "b'b'")])
def test_post_process_args_must_return_str_only(returned: object, item: str) -> None:
    with pytest.raises(TypeError, match="post_process_args: .*" + item):
        built(post_process_args=lambda _: returned)


def test_post_process_args_must_not_return_a_nul() -> None:
    with pytest.raises(ValueError, match=r"post_process_args: .*'a\\x00'"):
        built(post_process_args=lambda _: ["a\0"])


def test_exception_of_post_process_args_is_raised_as_it_is() -> None:
    def fails(_: list[str]) -> list[str]:
        raise LookupError("no wrapper")

    with pytest.raises(LookupError, match="no wrapper"):
        built(post_process_args=fails)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("-m pytest -O", ""),
        ("-Om pytest -B", "-O"),
        ("-c pass -O", ""),
        ("-Ic pass", "-I"),
        ("-OO -B script.py -I", "-O -O -B"),
        ("-uiqxb script.py", "-q -b"),
        ("- -O", ""),
        ("-- -O", ""),
        ("-O -- -B", "-O"),
        ("-X dev -Wd -BW error -Xutf8 -m x", "-X dev -B -X utf8"),
        ("--check-hash-based-pycs never -B -m x", "--check-hash-based-pycs never -B"),
        ("--http :80 -O", ""),
        ("-W -m -O -m pytest", "-O"),
        ("", ""),
    ],
)
def test_options_of_an_interpreter_are_found(
    monkeypatch: pytest.MonkeyPatch, words: str, options: str
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", *words.split()])
    assert interpreter_options.__wrapped__() == options.split()


CONTAINERS = [
    ("docker run -i image", ["docker", "run", "--cidfile={}", "-i", "image"], "docker kill"),
    (
        "env A=1 podman run -i --rm image",
        ["env", "A=1", "podman", "run", "--cidfile={}", "-i", "--rm", "image"],
        "env A=1 podman rm -f",
    ),
]


@pytest.mark.parametrize(("words", "line", "end"), CONTAINERS)
def test_id_of_a_new_container_is_written(
    tmp_path: Path, words: str, line: list[str], end: str
) -> None:
    found, container = with_container(built(exec=[*words.split(), "python3"]), tmp_path)
    file = tmp_path / "container"
    assert found.argv[: len(line)] == [word.format(file) for word in line]
    assert container == Container(file, end.split())


@pytest.mark.parametrize(
    "words",
    [
        "docker exec -i name uv run",
        "docker compose run -i service",
        "docker run -i --cidfile=mine image",
        "kubectl run name -i --image=image --",
        "python3",
    ],
)
def test_no_new_container_is_looked_for(tmp_path: Path, words: str) -> None:
    line = built(exec=[*words.split(), "python3"])
    assert with_container(line, tmp_path) == (line, None)
