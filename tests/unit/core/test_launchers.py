"""Which commands are launchers that pass on only stdin and stdout, and how their words are
quoted."""

from __future__ import annotations

import shlex

import pytest

from pytest_peer.core.launchers import (
    LAUNCHERS,
    Launcher,
    command_line,
    over_stdio,
    quoted_argv,
    refusal,
    stdio_launcher,
    without_setsid,
)


def quoted(words: list[str]) -> list[str]:
    found = stdio_launcher(words)
    assert found is not None
    return quoted_argv(words, found)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ssh host python3", "ssh"),
        ("/usr/bin/ssh -p 22 host python3", "ssh"),
        ("env A=1 ssh host python3", "ssh"),
        ("sshpass -p x ssh host python3", "ssh"),
        ("timeout 60 nice -n 3 ssh host python3", "ssh"),
        ("docker run -i image python3", "docker"),
        ("docker -H tcp://box exec -i box python3", "docker"),
        ("sudo docker exec -i box python3", "sudo"),
        ("podman exec -i box python3", "podman"),
        ("kubectl exec -i pod -- python3", "kubectl"),
        ("srun -n1 python3", "srun"),
        ("sudo -u nobody python3", "sudo"),
    ],
)
def test_launchers_are_found(line: str, name: str) -> None:
    found = stdio_launcher(line.split())
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "line",
    [
        "python3",
        "env A=1 python3",
        "uv run --with x python",
        "nice -n 3 python3",
        "strace -f python3",
        "/opt/ssh",  # an interpreter of that name
        "./my-own ssh host python3",  # an unknown program may do anything with it
        "docker compose",
        "env docker",
    ],
)
def test_others_have_our_descriptors(line: str) -> None:
    assert stdio_launcher(line.split()) is None


def test_more_launchers_can_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stdio_launcher(["mine", "python3"]) is None
    monkeypatch.setitem(LAUNCHERS, "mine", Launcher())
    assert stdio_launcher(["mine", "python3"]) is not None


@pytest.mark.parametrize(
    "options",
    [
        "host",
        "-p 22 host",
        "-p22 host",
        "-4q host",
        "-qp 22 host",
        "-o A=b -v -i key user@host",
        "-J jump host",
        "-- host",
        "-p 22 -- host",
        "--odd host",
        "-?q -p 22 host",
        "-: host",
    ],
)
def test_words_behind_the_host_are_quoted(options: str) -> None:
    words = ["env", "A=b c", "python3", "-c", "print('x')", ""]
    line = quoted(["ssh", *options.split(), *words])
    assert line[:2] == ["ssh", "-oControlMaster=no"]
    assert line[2 : -len(words)] == options.split()
    assert shlex.split(" ".join(line[-len(words) :])) == words


@pytest.mark.parametrize("options", ["-p", "--", "-v --odd"])
def test_nothing_is_quoted_without_a_host(options: str) -> None:
    assert quoted(["ssh", *options.split()])[2:] == options.split()


def test_other_launchers_take_words_as_they_are() -> None:
    words = ["docker", "run", "-i", "image", "python3", "-c", "a b"]
    assert quoted(words) == words


def test_variables_are_set_in_front_of_the_program() -> None:
    line = command_line(["ssh", "host", "nice", "python3"], {"A": "1", "B": None, "C": "x=y"})
    assert line == ["ssh", "host", "nice", "env", "-u", "B", "A=1", "C=x=y", "python3"]


def test_without_variables_nothing_is_added() -> None:
    assert command_line(["docker", "exec", "-i", "box", "python3"], {})[-2:] == ["box", "python3"]


@pytest.mark.parametrize(
    "line",
    [
        "docker run -i image python3",
        "docker run --rm -i image python3",
        "docker run -di image python3",
        "docker run --interactive image python3",
        "docker run --interactive=true image python3",
        "kubectl run --stdin pod --image x -- python3",
        "ssh host python3",
        "python3",
    ],
)
def test_commands_with_a_stdin_are_not_refused(line: str) -> None:
    assert refusal(line.split()) == ""


@pytest.mark.parametrize(
    "line",
    [
        "docker run --rm image python3",
        "docker exec box python3",
        "podman run --rm --init image python3",
        "kubectl exec pod -- python3 -i",
    ],
)
def test_commands_without_a_stdin_are_refused(line: str) -> None:
    assert "needs the option -i" in refusal(line.split())


def test_words_given_for_a_shell_are_left_as_they_are() -> None:
    found = stdio_launcher(over_stdio(["mycloud", "vm", "cd '/my dir';", "python3"], shell=True))
    assert found is not None
    words = ["mycloud", "vm", "cd '/my dir';", "env", "A=b c", "python3", "-c", "1;2"]
    assert quoted_argv(words, found) == [*words[:4], "'A=b c'", "python3", "-c", "'1;2'"]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("setsid python3", "python3"),
        ("/usr/bin/setsid -w python3", "python3"),
        ("env A=1 setsid --fork --wait nice -n 3 python3", "env A=1 nice -n 3 python3"),
        ("setsid -w ssh host python3", "ssh host python3"),
        ("setsid --ctty python3", "setsid --ctty python3"),
        ("ssh host setsid python3", "ssh host setsid python3"),
        ("mine setsid python3", "mine setsid python3"),
        ("python3", "python3"),
    ],
)
def test_setsid_is_removed_from_the_programs_in_front(line, left):
    assert list(without_setsid(line.split())) == left.split()


def test_setsid_is_kept_where_the_launcher_is_named():
    words = over_stdio(["setsid", "mine", "python3"])
    assert without_setsid(words) is words
