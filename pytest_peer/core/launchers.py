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
    :param given: how many words are for a shell as they are; -1 if that has to be found.
    """

    name: str
    at: int
    launcher: Launcher = field(repr=False)
    given: int = -1


class OverStdio(tuple[str, ...]):
    """A command that is not known for passing on nothing but stdin, stdout and stderr; made by `over_stdio`."""

    shell: bool


def over_stdio(words: Sequence[str], *, shell: bool = False) -> OverStdio:
    """For the option ``exec``: a launcher, with the interpreter as its last word, that passes on nothing but stdin, stdout and stderr.

    The control link then shares these. For ``ssh``, ``docker`` and other well-known ones this is done without being asked for.

    :param shell: whether a shell over there splits the words anew. Those given here are for it as they are, but the last; what
        this package adds is quoted.
    :raises TypeError: not words.
    """
    if isinstance(words, str | bytes) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"over_stdio: expected a list of str, got {words!r}")
    made = OverStdio(words)
    made.shell = shell
    return made


def in_band(words: Sequence[str], launchers: Mapping[str, Launcher] = LAUNCHERS) -> InBand | None:
    """Find the launcher of a command; ``None`` if it starts its program as our own child, which has our descriptors.

    :param words: the option ``exec``.
    """
    if isinstance(words, OverStdio):
        return InBand(words[0], 0, Launcher(shell=words.shell), given=len(words) - 1)
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


def carried(words: Sequence[str], found: InBand) -> list[str]:
    """The command as it is executed, so that each of its words is one word over there, too.

    :param found: its launcher.
    """
    end = found.at + 1
    head, rest = [*words[:end], *found.launcher.extra], words[end:]
    if not found.launcher.shell:
        return [*head, *rest]
    plain = found.given - end
    if found.given < 0:
        plain = _first_operand(rest, found.launcher.arguments) + 1
    return [*head, *rest[:plain], *map(shlex.quote, rest[plain:])]


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
