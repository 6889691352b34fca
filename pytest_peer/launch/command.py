"""The command line of a peer that is executed, and the descriptors that it expects."""

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core import launchers
from ..core.errors import ExecNotFound
from ..core.options import PeerOptions, command_words

#: Reads the loader from the link and runs it. Everything else comes through the link, so that
#: the command line stays readable in ``ps``. A buffered reader needs one system call for the
#: first line, and not one for each byte.
_BOOT = "import os;f=os.fdopen({read},'rb');exec(f.read(int(f.readline())),{{'f':f,'w':{write}}})"

#: The same over a connection that the peer opens. The secret, which its children do not inherit,
#: has two words: it sends the first, and runs nothing before it has received the second.
_CONNECT = (
    "import os,sys,_socket;a,b={secret}.split();"
    "s=_socket.socket(_socket.{family});s.connect({address});"
    "r,w=os.dup(s.fileno()),os.dup(s.fileno());s.close();os.write(w,a);f=os.fdopen(r,'rb');"
    "f.read(len(b))==b or sys.exit('this is not the origin of this peer');"
    "exec(f.read(int(f.readline())),{{'f':f,'w':w}})"
)
SECRET = "PYTEST_PEER_SECRET"
_FROM_ENVIRON = (
    f"(os.environ.pop('{SECRET}','').encode() or sys.exit('{SECRET} is missing: "
    "what is in front of the interpreter has to pass this variable on'))"
)
_FROM_STDIN = (
    "(open(0,'rb',0,closefd=False).readline() or sys.exit('stdin is empty: "
    "what is in front of the interpreter has to pass it on'))"
)

#: Make an interpreter read the remote end of a relay, which has nothing but stdin and stdout.
_READ = "f=open(0,'rb',closefd=False);exec(f.read(int(f.readline() or 0)),{'f':f,'w':1})"
RELAY_WORDS = ("-c", _READ)

#: For a program whose parent is no fork server, which would do it.
_ON_TERMINAL = (
    "import fcntl,os,sys,termios;fcntl.ioctl(0,termios.TIOCSCTTY,0);"
    "os.execvp(sys.argv[1],sys.argv[1:])"
)

_IN_PLACE = (
    "\nimport json, sys\ncwd = os.getcwd()\n"
    "for name, value in json.loads(sys.argv[1]).items(): globals()[name](value)\n"
    "os.chdir(cwd)\nos.execvp(sys.argv[2], sys.argv[2:])\n"
)

#: The descriptors of a peer that a fork server executes: the link's for reading and writing, the
#: lifeline's, and the control socket's of a relay. A shell keeps its own from 10 on, and scripts
#: number theirs from 3 on, or use 9, as flock(1) shows it.
LINK_NUMBERS = (7, 8)
LIFELINE_NUMBER = 6
CONTROL_NUMBER = 5
#: With a value of our own, by which the agent knows that the user has not set it.
FAULTHANDLER = ("PYTHONFAULTHANDLER", "pytest-peer")

#: Seconds for a container engine to kill a container; it takes less than one. Other ends wait.
_ENGINE_SECONDS = 3.0

#: A word of an interpreter's options: letters, then perhaps one option with an argument.
_OPTIONS = re.compile(
    r"-(?=.)([bBdEiIOPqRsStuvx]*)(?:([cmWX]|-check-hash-based-pycs)(.*))?", re.DOTALL
)
#: Those about a script and a terminal, which a peer has not.
_NOT_FOR_PEERS = "iux"


@functools.cache
def interpreter_options() -> list[str]:
    """Return the options of the origin's command line that its peers have too.

    Not those of variables, as multiprocessing's: then the option ``env`` could not change them.
    """
    options: list[str] = []
    words = iter(sys.orig_argv[1:])
    while match := _OPTIONS.fullmatch(next(words, "")):
        letters, last, argument = match.groups()
        options += [f"-{letter}" for letter in letters if letter not in _NOT_FOR_PEERS]
        if last in ("c", "m"):
            break
        argument = last and (argument or next(words))
        if last and last != "W":  # the filters here decide about the warnings of peers
            options += [f"-{last}", argument]
    return options


def boot_words(read_fd: int, write_fd: int) -> list[str]:
    """Make an interpreter read our code from one descriptor and reply on the other."""
    return ["-c", _BOOT.format(read=read_fd, write=write_fd)]


def connect_words(address: Sequence[object], *, secret_on_stdin: bool) -> list[str]:
    """Make an interpreter connect to an address of `socket`, and read our code and reply there."""
    family = "AF_INET" if len(address) == 2 else "AF_INET6"
    secret = _FROM_STDIN if secret_on_stdin else _FROM_ENVIRON
    return ["-c", _CONNECT.format(secret=secret, family=family, address=tuple(address))]


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute, and in which environment and directory."""

    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    #: The launcher, if it carries only stdin, stdout and stderr.
    launcher: launchers.Launcher | None = None


def command(options: PeerOptions, environ: Mapping[str, str], words: Sequence[str]) -> Command:
    """Build the command line: ``exec``, ``args``, then our own words, as Erlang's ``peer`` does.

    Options of the origin's interpreter stand in front of ``args``, if it is the peer's too.

    :param words: `boot_words`, `connect_words` or `RELAY_WORDS`.
    :raises TypeError, ValueError: ``post_process_args`` returned no words that can be executed.
    """
    program = launchers.without_setsid(options.exec)
    found = launchers.stdio_launcher(program)
    if found:
        program = launchers.command_line(program, options.env)
    # Another interpreter may not know them.
    ours = interpreter_options() if sys.executable in program and not found else []
    if any(name.startswith("PYTHON") for name in options.env):
        ours = [each for each in ours if each not in ("-E", "-I")]  # which would ignore them
    argv = [*program, *ours, *options.args, *words, f"{options.name}@{options.host}"]
    if options.post_process_args is not None:
        argv = list(command_words("post_process_args", options.post_process_args(list(argv))))
        if not argv:
            raise TypeError("post_process_args: expected a list of str, got an empty one")
    if found:  # environment and directory are those of the other end of the launcher
        return Command(launchers.quoted_argv(argv, found), dict(environ), None, found)
    # For an interpreter that hangs before our code runs. The agent removes it again.
    return Command(argv, environment(options, {**dict([FAULTHANDLER]), **environ}), options.cwd)


def on_terminal(line: Command) -> Command:
    """Return the command that takes its stdin as the terminal of its session, and runs `line`."""
    words = [sys.executable, "-S", "-E", "-s", "-c", _ON_TERMINAL]
    return replace(line, argv=[*words, *line.argv])


def in_place(line: Command, place: Mapping[str, Any]) -> Command:
    """Return the command that does what `place` says, by functions of `namespaces`, and runs `line`.

    For a program whose parent is no fork server, which would do it.
    """
    from . import namespaces  # not at the top: most peers are in no network

    code = Path(namespaces.__file__).read_text() + _IN_PLACE
    words = [sys.executable, "-S", "-E", "-s", "-c", code, json.dumps(dict(place))]
    return replace(line, argv=[*words, *line.argv])


def environment(options: PeerOptions, environ: Mapping[str, str]) -> dict[str, str]:
    # The size of another terminal.
    foreign = ("LINES", "COLUMNS") if options.terminal is not None else ()
    inherited = {name: value for name, value in environ.items() if name not in foreign}
    changed = {**inherited, **options.env}
    return {name: value for name, value in changed.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Container:
    """A container that a command makes. It does not end with the client of its engine."""

    file: Path  # with its id, written by the engine
    words: list[str]  # that end it, with the id behind them

    def end(self) -> None:
        """Kill it, also if it was only created, and wait for that."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # none, or the engine hangs
            words = [*self.words, self.file.read_text()]
            subprocess.run(words, check=False, capture_output=True, timeout=_ENGINE_SECONDS)


def with_container(line: Command, directory: Path) -> tuple[Command, Container | None]:
    """Have the engine write into `directory` which container a command makes, if it makes one."""
    found, words = line.launcher, line.argv
    verbs = (*found.verbs, "compose") if found else ()  # whose `run` has no such option
    verb = next((at for at, word in enumerate(words) if word in verbs), 0)
    if found is None or not found.notes_container or words[verb] != "run":
        return line, None
    options = words[verb + 1 :]
    if any(word.startswith("--cidfile") for word in options):
        return line, None
    file = directory.absolute() / "container"
    end = ["rm", "-f"] if "--rm" in options else ["kill"]
    line = replace(line, argv=[*words[: verb + 1], f"--cidfile={file}", *options])
    return line, Container(file, [*words[:verb], *end])


def check_program(line: Command) -> None:
    """Raise ExecNotFound if the program is not found, as it is when it is executed."""
    program = line.argv[0]
    path = os.path.join(line.cwd or "", program) if os.path.dirname(program) else program
    if shutil.which(path, path=line.env.get("PATH")) is None:
        why = "Permission denied" if os.path.exists(path) else "No such file or directory"
        raise ExecNotFound(f"cannot run {program!r}: {why}", argv=line.argv)
