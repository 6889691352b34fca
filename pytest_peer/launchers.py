"""Launchers that carry nothing but stdin, stdout and stderr, so that the control link has to share these; pure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field


@dataclass(frozen=True, slots=True)
class Launcher:
    """What there is to know of one.

    :param verbs: the second word of its command lines that start a program; empty if all do.
    :param stdin: of these options one has to be there, or it does not pass on its stdin.
    :param shell: its words go to a shell over there, which splits them anew; those behind its first operand are the program.
    :param arguments: its options of one letter that have an argument, by which the first operand is found.
    :param extra: words that are put behind its name.
    :param silent: killed, it does not close what the program has as stdin.
    """

    verbs: tuple[str, ...] = ()
    stdin: tuple[str, ...] = ()
    shell: bool = False
    arguments: str = ""
    extra: tuple[str, ...] = ()
    silent: bool = False


_CONTAINERS = Launcher(verbs=("run", "exec"), stdin=("i", "interactive", "stdin"))
#: By the name of the program.
LAUNCHERS: Mapping[str, Launcher] = {
    "ssh": Launcher(
        shell=True,
        arguments="BbcDEeFIiJLlmOoPpQRSWw",
        # A peer is no connection for others: these would end with it.
        extra=("-oControlMaster=no",),
    ),
    "docker": _CONTAINERS,
    "podman": _CONTAINERS,
    "nerdctl": _CONTAINERS,
    "kubectl": _CONTAINERS,
    "oc": _CONTAINERS,
    "srun": Launcher(silent=True),
    "sudo": Launcher(),
    "doas": Launcher(),
}

#: Programs that execute another one, and may so stand in front of a launcher.
_PREFIXES = frozenset(
    [
        "chrt",
        "env",
        "ionice",
        "nice",
        "nohup",
        "setsid",
        "setpriv",
        "sshpass",
        "stdbuf",
        "strace",
        "systemd-inhibit",
        "taskset",
        "time",
        "timeout",
        "unshare",
    ]
)


@dataclass(frozen=True, slots=True)
class InBand:
    """A command that has a launcher in it.

    :param at: the index of its word.
    """

    name: str
    at: int
    launcher: Launcher = field(repr=False)


def in_band(words: Sequence[str], launchers: Mapping[str, Launcher] = LAUNCHERS) -> InBand | None:
    """Find the launcher of a command; ``None`` if it starts its program as our own child, which has our descriptors.

    :param words: the option ``exec``.
    """
    for at, word in enumerate(words[:-1]):  # the last word is the interpreter
        name = os.path.basename(word)
        launcher = launchers.get(name)
        if launcher is not None and _starts(words[at + 1 :], launcher):
            return InBand(name, at, launcher)
        if at == 0 and name not in _PREFIXES:
            return None
    return None


def _starts(words: Sequence[str], launcher: Launcher) -> bool:
    return not launcher.verbs or any(word in launcher.verbs for word in words)


def refusal(words: Sequence[str]) -> str:
    """Why a peer could not hear its origin through such a command; empty if it can."""
    found = in_band(words)
    if found is None or not found.launcher.stdin:
        return ""
    for word in words[found.at + 1 :]:
        if word == "--":
            break
        long, short = word.startswith("--"), word.startswith("-") and not word.startswith("--")
        if long and word[2:].partition("=")[0] in found.launcher.stdin:
            return ""
        if short and "i" in word.partition("=")[0]:
            return ""
    return f"{found.name} passes no stdin on to the peer: it needs the option -i"


def command_line(words: Sequence[str], env: Mapping[str, str | None]) -> list[str]:
    """Put variables in front of the program, by ``env``.

    :param words: the option ``exec``, whose last word is the interpreter.
    """
    if not env:
        return list(words)
    removed = [word for name, value in env.items() if value is None for word in ("-u", name)]
    added = [f"{name}={value}" for name, value in env.items() if value is not None]
    return [*words[:-1], "env", *removed, *added, words[-1]]


def carried(words: Sequence[str]) -> list[str]:
    """The command as it is executed, so that each of its words is one word over there, too."""
    found = in_band(words)
    if found is None:
        return list(words)
    end = found.at + 1
    head, rest = [*words[:end], *found.launcher.extra], words[end:]
    if not found.launcher.shell:
        return [*head, *rest]
    operand = _first_operand(rest, found.launcher.arguments)
    return [*head, *rest[: operand + 1], *map(shlex.quote, rest[operand + 1 :])]


def _first_operand(words: Sequence[str], arguments: str) -> int:
    """As getopt(3) reads options of one letter."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return at + 1
        if not word.startswith("-") or word == "-":
            return at
        for index, letter in enumerate(word[1:], 2):
            if letter in arguments:
                at += index == len(word)  # its argument is the next word
                break
        at += 1
    return at
