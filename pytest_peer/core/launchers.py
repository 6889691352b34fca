"""Launchers that carry only stdin, stdout and stderr, which the control link then has to share."""

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Launcher:
    """A program that starts another one elsewhere."""

    verbs: tuple[str, ...] = ()  # the second words that start a program; empty if all do
    stdin: str = ""  # it needs an option that matches this to pass on its stdin
    shell: bool = False  # splits its words again; those behind the first operand are the program
    arguments: str = ""  # its one-letter options with an argument, to find the first operand
    extra: tuple[str, ...] = ()  # words that are put behind its name
    silent: bool = False  # when killed, it does not close the stdin of the program
    notes_container: bool = False  # it runs new containers, with an option ``--cidfile``
    # Of one that was found in a command:
    name: str = ""
    at: int = 0  # the index of its word
    given: int = -1  # words that go to a shell as they are; -1 if not known yet


_ENGINE = Launcher(verbs=("run", "exec"), stdin=r"--(i|interactive|stdin)(=|$)|-(?!-)[^=]*i")
#: By the name of the program.
LAUNCHERS: dict[str, Launcher] = {
    "ssh": Launcher(
        shell=True,
        arguments="BbcDEeFIiJLlmOoPpQRSWw",
        # Other connections must not share the peer's: they would end with it.
        extra=("-oControlMaster=no",),
    ),
    **dict.fromkeys(("docker", "podman", "nerdctl"), replace(_ENGINE, notes_container=True)),
    **dict.fromkeys(("kubectl", "oc"), _ENGINE),
    "srun": Launcher(silent=True),
    "sudo": Launcher(),
    "doas": Launcher(),
}

#: Programs that execute another one, and so may stand in front of a launcher.
_PREFIXES = (
    *("chrt", "env", "ionice", "nice", "nohup", "setsid", "setpriv", "sshpass", "stdbuf"),
    *("strace", "systemd-inhibit", "taskset", "time", "timeout", "unshare"),
)


class OverStdio(tuple[str, ...]):
    """A command with a launcher that is not in `LAUNCHERS`; made by `over_stdio`."""

    shell: bool


def over_stdio(words: Sequence[str], *, shell: bool = False) -> OverStdio:
    """Say, in the option ``exec``, that a launcher carries only stdin, stdout and stderr.

    The control link then shares these. Launchers such as ``ssh`` and ``docker`` are known anyway.

    :param words: the launcher's command, with the interpreter as its last word.
    :param shell: whether a shell at the other end splits the words again. The given words but
        the last go to it as they are; what this package adds is quoted.
    :raises TypeError: `words` is not a list of ``str``.
    """
    if isinstance(words, str | bytes) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"over_stdio: expected a list of str, got {words!r}")
    made = OverStdio(words)
    made.shell = shell
    return made


def _programs(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    for at, word in enumerate(words[:-1]):
        name = os.path.basename(word)
        yield at, name
        if at == 0 and name not in _PREFIXES:
            return


def stdio_launcher(words: Sequence[str]) -> Launcher | None:
    """Find the launcher in the option ``exec``; ``None`` if the program gets our descriptors."""
    if isinstance(words, OverStdio):
        return Launcher(name=words[0], shell=words.shell, given=len(words) - 1)
    for at, name in _programs(words):
        launcher = LAUNCHERS.get(name)
        if launcher is not None and (not launcher.verbs or {*launcher.verbs} & {*words[at + 1 :]}):
            return replace(launcher, name=name, at=at)
    return None


def without_setsid(words: Sequence[str]) -> Sequence[str]:
    """Remove ``setsid`` from the option ``exec``: every peer leads a session of its own.

    Run by the leader of a process group, ``setsid`` forks, so that the program it starts would
    neither be our child nor in the group that gets our signals.
    """
    if isinstance(words, OverStdio):
        return words
    for at, name in _programs(words):
        if name in LAUNCHERS:
            break
        if name == "setsid":
            how_to_fork = ("-w", "--wait", "-f", "--fork")
            program = list(itertools.dropwhile(how_to_fork.__contains__, words[at + 1 :]))
            if not program[0].startswith("-"):  # another option, with a purpose of its own
                return [*words[:at], *program]
    return words


def refusal(words: Sequence[str]) -> str:
    """Say why a peer could not hear its origin through such a command; empty if it can."""
    found = stdio_launcher(words)
    if found is None or not found.stdin:
        return ""
    options = itertools.takewhile(lambda word: word != "--", words[found.at + 1 :])
    if any(re.match(found.stdin, option) for option in options):
        return ""
    return f"{found.name} passes no stdin on to the peer: it needs the option -i"


def command_line(words: Sequence[str], env: Mapping[str, str | None]) -> list[str]:
    """Put ``env`` with variables in front of the interpreter, the last word."""
    if not env:
        return list(words)
    removed = [word for name, value in env.items() if value is None for word in ("-u", name)]
    added = [f"{name}={value}" for name, value in env.items() if value is not None]
    return [*words[:-1], "env", *removed, *added, words[-1]]


def quoted_argv(words: Sequence[str], found: Launcher) -> list[str]:
    """Quote a command, so that each of its words is one word at the other end too."""
    end = found.at + 1
    head, rest = [*words[:end], *found.extra], words[end:]
    if not found.shell:
        return [*head, *rest]
    plain = found.given - end
    if found.given < 0:
        # The first operand, found as getopt(3) does; an option that ssh does not know is no error.
        letters = found.arguments
        at = 0
        while at < len(rest) and rest[at].startswith("-") and rest[at] not in ("-", "--"):
            argument_follows = re.fullmatch(f"-[^{letters}]*[{letters}]", rest[at])
            at += 2 if argument_follows else 1
        plain = at + 1 + ("--" in rest[at : at + 1])
    return [*head, *rest[:plain], *map(shlex.quote, rest[plain:])]
