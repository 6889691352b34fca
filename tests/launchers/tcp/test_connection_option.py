"""The options `connection` and `detached`: valid values, and where they may be set."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_peer import start
from pytest_peer.core.options import checked
from pytest_peer.plugin import settings

WRONG: list[tuple[Any, str]] = [
    ("tcp", "'tcp'"),
    ("", "''"),
    ("0", "'0'"),
    (None, "None"),
    (True, "True"),
    (1.5, "1.5"),
    (b"stdio", "b'stdio'"),
    (-1, "-1"),
    (65536, "65536"),
    ((), "()"),
    (("127.0.0.1",), "('127.0.0.1',)"),
    (("127.0.0.1", 0, 0), "('127.0.0.1', 0, 0)"),
    ((0, "127.0.0.1"), "(0, '127.0.0.1')"),
    (("127.0.0.1", "0"), "('127.0.0.1', '0')"),
    (("127.0.0.1", True), "('127.0.0.1', True)"),
    (("127.0.0.1", 65536), "('127.0.0.1', 65536)"),
    (("localhost", 0), "'localhost'"),
    (("127.0.0.1.1", 0), "'127.0.0.1.1'"),
    (("", 0), "''"),
    (("0.0.0.0", 0), "'0.0.0.0'"),
    (("::", 0), "'::'"),
    (("224.0.0.1", 0), "'224.0.0.1'"),
    ({"127.0.0.1": 0}, "{'127.0.0.1': 0}"),
]


@pytest.mark.parametrize(("value", "quoted"), WRONG, ids=[repr(value) for value, _ in WRONG])
def test_wrong_connection_is_named_and_quoted(value: Any, quoted: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        checked({"connection": value})
    assert str(caught.value).startswith("connection:")
    assert quoted in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_detached_must_be_a_bool(value: object) -> None:
    with pytest.raises(TypeError, match=f"detached: .*{value!r}"):
        checked({"detached": value, "connection": 0})


@pytest.mark.parametrize("options", [{}, {"connection": "stdio"}])
def test_peer_on_pipes_cannot_be_detached(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"detached: .*connection=0"):
        start(detached=True, **options)


def test_forked_peer_cannot_connect() -> None:
    with pytest.raises(ValueError, match=r"start_method: .*connection is TCP"):
        start(connection=0, start_method="forkserver")


def test_peer_over_tcp_is_spawned(peer_factory: Any) -> None:
    assert peer_factory(connection=0, start_method="spawn").state == "running"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("stdio", "stdio"),
        (0, ("127.0.0.1", 0)),
        (4711, ("127.0.0.1", 4711)),
        (("10.0.0.1", 4711), ("10.0.0.1", 4711)),
        (["10.0.0.1", 4711], ("10.0.0.1", 4711)),
        (("0:0::1", 0), ("::1", 0)),
    ],
)
def test_connection_has_several_spellings(value: Any, kept: object) -> None:
    assert checked({"connection": value}).connection == kept


def test_default_is_stdio() -> None:
    assert (checked({}).connection, checked({}).detached) == ("stdio", False)


def test_restart_may_change_it(peer_factory: Any) -> None:
    peer = peer_factory()
    assert peer.restart(connection=0, detached=True).call(pow, 2, 5) == 32
    assert peer.restart(connection="stdio", detached=False).call(pow, 2, 5) == 32


# The setting

PLUGINS = ("-p", "no:randomly", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stdio", "stdio"),
        ("0", ("127.0.0.1", 0)),
        ("4711", ("127.0.0.1", 4711)),
        ("10.0.0.1:4711", ("10.0.0.1", 4711)),
        ("[::1]:0", ("::1", 0)),
    ],
)
@pytest.mark.parametrize("where", ["command line", "ini"])
def test_text_becomes_the_option(
    pytester: pytest.Pytester, where: str, text: str, value: object
) -> None:
    arguments = [f"--peer-connection={text}"] if where == "command line" else []
    if where == "ini":
        pytester.makeini(f"[pytest]\npeer_connection = {text}\n")
    assert settings.read(pytester.parseconfig(*PLUGINS, *arguments)) == {"connection": value}


@pytest.mark.parametrize(
    "text", ["tcp", "-1", "65536", "localhost:0", "::1:0", "[::1]", ":0", "1.2.3.4:", "0.0.0.0:0"]
)
@pytest.mark.parametrize("where", ["command line", "ini"])
def test_bad_text_is_a_usage_error_that_says_where_it_is(
    pytester: pytest.Pytester, where: str, text: str
) -> None:
    arguments = [f"--peer-connection={text}"] if where == "command line" else []
    if where == "ini":
        pytester.makeini(f"[pytest]\npeer_connection = {text}\n")
    result = pytester.runpytest_inprocess(*PLUGINS, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    place = "--peer-connection" if where == "command line" else "ini option peer_connection"
    assert place in result.stderr.str()
    assert repr(text) in result.stderr.str()


def test_precedence_is_call_marker_command_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        def test_command_line(peer):
            assert peer.options.connection == ("127.0.0.1", 0)

        @pytest.mark.peer(connection="stdio")
        def test_marker(peer, peer_factory):
            assert peer.options.connection == "stdio"
            assert peer_factory(connection=("127.0.0.1", 0)).options.connection != "stdio"

        @pytest.mark.in_peer(detached=True)
        def test_in_peer():
            pass
    """)
    arguments = (*PLUGINS, "--peer-connection=0")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=3)
