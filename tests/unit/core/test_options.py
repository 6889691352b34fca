"""Options are checked before anything starts."""

from __future__ import annotations

import math
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_peer import start
from pytest_peer.core.options import checked

NAN = math.nan

#: Option, value, and the offending item as the message has to quote it.
WRONG: list[tuple[str, Any, str]] = [
    ("name", "", "''"),
    ("name", "a b", "'a b'"),
    ("name", "a/../b", "'a/../b'"),
    ("name", "x" * 64, repr("x" * 64)),
    ("name", None, "None"),
    ("name", 1, "1"),
    ("name", b"a", "b'a'"),
    ("host", "a b", "'a b'"),
    ("host", "", "''"),
    ("host", "a b" * 30, repr("a b" * 30)),
    ("host", None, "None"),
    ("host", 1, "1"),
    ("longnames", 1, "1"),
    ("longnames", "yes", "'yes'"),
    ("exec", "", "''"),
    ("exec", [], "[]"),
    ("exec", None, "None"),
    ("exec", 1, "1"),
    ("exec", b"python", "b'python'"),
    ("exec", ["python", 1], "1"),
    ("exec", ["python", None], "None"),
    ("exec", ["", "-X"], "['', '-X']"),
    ("exec", ["python\0"], "'python\\x00'"),
    ("args", "-X dev", "'-X dev'"),
    ("args", None, "None"),
    ("args", b"-X", "b'-X'"),
    ("args", {"-X"}, "{'-X'}"),
    ("args", ["-X", 1], "1"),
    ("args", ["-X", b"dev"], "b'dev'"),
    ("args", ["-c\0"], "'-c\\x00'"),
    ("post_process_args", "shell", "'shell'"),
    ("post_process_args", ["-X"], "['-X']"),
    ("env", "A=1", "'A=1'"),
    ("env", [("A", "1")], "[('A', '1')]"),
    ("env", None, "None"),
    ("env", {"A": 1}, "'A': 1"),
    ("env", {1: "A"}, "1: 'A'"),
    ("env", {"A": b"1"}, "'A': b'1'"),
    ("env", {"A=B": "1"}, "'A=B': '1'"),
    ("env", {"": "1"}, "'': '1'"),
    ("env", {"A": "1\0"}, "'A': '1\\x00'"),
    ("env", {"A\0": None}, "'A\\x00': None"),
    ("cwd", 1, "1"),
    ("cwd", b"/", "b'/'"),
    ("cwd", "/no/such/directory", "'/no/such/directory'"),
    ("cwd", __file__, repr(__file__)),
    ("cwd", "a\0b", "'a\\x00b'"),
    ("wait_boot", True, "True"),
    ("wait_boot", "5", "'5'"),
    ("wait_boot", -1, "-1"),
    ("wait_boot", -math.inf, "-inf"),
    ("wait_boot", NAN, "nan"),
    ("shutdown", "brutal_kill", "'brutal_kill'"),
    ("shutdown", ("halt",), "('halt',)"),
    ("shutdown", ("kill", 5), "('kill', 5)"),
    ("shutdown", ("halt", "5"), "'5'"),
    ("shutdown", ("halt", -1), "-1"),
    ("shutdown", ("halt", NAN), "nan"),
    ("shutdown", -0.5, "-0.5"),
    ("shutdown", NAN, "nan"),
    ("shutdown", True, "True"),
    ("shutdown", {"halt": 5}, "{'halt': 5}"),
    ("peer_down", "ignore", "'ignore'"),
    ("peer_down", None, "None"),
    ("peer_down", ["stop"], "['stop']"),
    ("call_timeout", "60", "'60'"),
    ("call_timeout", -1, "-1"),
    ("call_timeout", NAN, "nan"),
    ("call_timeout", False, "False"),
    ("artifacts", 1, "1"),
    ("artifacts", b"/tmp", "b'/tmp'"),
    ("colour", "red", "colour"),
    ("wait_bot", 5, "wait_bot"),
]


def wrong_id(row: tuple[str, Any, str]) -> str:
    return f"{row[0]}={row[2]}".replace("\\", "")[:30]


@pytest.mark.parametrize(
    ("option", "value", "quoted"), [pytest.param(*row, id=wrong_id(row)) for row in WRONG]
)
def test_wrong_option_is_named_and_quoted(option: str, value: object, quoted: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        checked({option: value})
    assert str(caught.value).startswith(f"{option}:")
    assert quoted in str(caught.value)


def test_error_for_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"colour: unknown option; known are .*\bcall_timeout\b"):
        checked({"colour": "red"})


def test_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        checked({"args": "-X dev"})


def test_wrong_value_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="wait_boot"):
        checked({"wait_boot": -1})


def test_start_refuses_a_wrong_option() -> None:
    with pytest.raises(TypeError, match="args: "):
        start(args="-X dev")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1, "int", "1"),
        (b"a", "bytes", "a"),
        (Path("/a"), "PosixPath", "/a"),
        (True, "bool", "True"),
    ],
)
def test_error_for_a_value_in_env_says_what_to_write(value: object, kind: str, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        start(env={"A": value})
    assert str(caught.value) == (
        f"env: 'A': {value!r} has a value of type {kind}; "
        f"write '{text}', or None to remove the variable"
    )


def test_error_for_a_name_in_env_says_what_to_write() -> None:
    with pytest.raises(TypeError, match="env: 1: 'A' has a name of type int; write a str"):
        start(env={1: "A"})


def test_start_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        start("name")  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [1, "no", None])
def test_link_must_be_a_bool(peer_factory: Any, value: object) -> None:
    with pytest.raises(TypeError, match=f"link: .*{value!r}"):
        peer_factory(link=value)


@pytest.mark.parametrize("count", [-1, True, "2", 1.5, None])
def test_number_of_peers_must_be_one(peer_factory: Any, count: object) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(repr(count))):
        peer_factory.many(count)


@pytest.mark.parametrize("name", [1, b"rank"])
def test_name_of_many_must_be_a_str(peer_factory: Any, name: object) -> None:
    with pytest.raises(TypeError, match=f"name: .*{name!r}"):
        peer_factory.many(2, name=name)


def test_name_of_many_must_have_room_for_a_number(peer_factory: Any) -> None:
    with pytest.raises(ValueError, match=r"name: .*63"):
        peer_factory.many(2, name="x" * 63)


def test_defaults() -> None:
    options = checked({})
    assert options.exec == (sys.executable,)
    assert options.host == socket.gethostname().partition(".")[0]
    assert options.args == ()
    assert options.env == {}
    assert options.cwd is None
    assert options.wait_boot == 15.0
    assert options.call_timeout == 60.0
    assert options.shutdown == "halt"
    assert options.peer_down == "stop"


def test_default_name_is_a_fresh_one() -> None:
    assert checked({}).name != checked({}).name


def test_default_host_has_no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box.example.org")
    assert checked({}).host == "box"


def test_longnames_means_the_full_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda: "box.example.org")
    assert checked({"longnames": True}).host == "box.example.org"


def test_host_may_have_dots() -> None:
    assert checked({"host": "box.example.org"}).host == "box.example.org"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("python3", ("python3",)),
        (Path("/bin/python3"), ("/bin/python3",)),
        (["ssh", "host", "python3"], ("ssh", "host", "python3")),
        ((Path("/bin/env"), "python3"), ("/bin/env", "python3")),
        ("with space/python", ("with space/python",)),
    ],
)
def test_exec_is_a_program_or_words(program: Any, words: tuple[str, ...]) -> None:
    assert checked({"exec": program}).exec == words


def test_env_is_copied() -> None:
    env = {"A": "1", "B": None}
    options = checked({"env": env})
    env["C"] = "2"
    assert options.env == {"A": "1", "B": None}


def test_cwd_may_be_a_path(tmp_path: Path) -> None:
    assert checked({"cwd": tmp_path}).cwd == os.fspath(tmp_path)


@pytest.mark.parametrize(
    ("value", "limit"), [(0, 0.0), (2, 2.0), (0.5, 0.5), (None, None), (math.inf, None)]
)
@pytest.mark.parametrize("option", ["wait_boot", "call_timeout"])
def test_limit_is_seconds_or_none(option: str, value: float | None, limit: float | None) -> None:
    assert getattr(checked({option: value}), option) == limit


@pytest.mark.parametrize("value", [False, print])
def test_wait_boot_may_be_false_or_a_callable(value: object) -> None:
    assert checked({"wait_boot": value}).wait_boot is value


@pytest.mark.parametrize(
    ("shutdown", "plan"),
    [
        ("halt", ("halt", 5.0)),
        (("halt", 0.5), ("halt", 0.5)),
        (("halt", None), ("halt", None)),
        (["halt", 2], ("halt", 2.0)),
        (3, ("finish", 3.0)),
        (0, ("finish", 0.0)),
        (None, ("finish", None)),
    ],
)
def test_shutdown_has_many_spellings(shutdown: Any, plan: tuple[str, float | None]) -> None:
    assert checked({"shutdown": shutdown}).shutdown_plan == plan


def test_shutdown_may_just_close_the_link() -> None:
    assert checked({"shutdown": "close"}).shutdown_plan[0] == "close"


@pytest.mark.parametrize("peer_down", ["stop", "continue", "crash"])
def test_peer_down_is_one_of_three_words(peer_down: str) -> None:
    assert checked({"peer_down": peer_down}).peer_down == peer_down
