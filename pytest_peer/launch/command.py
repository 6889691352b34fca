"""The command line of a peer; pure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from ..core import launchers
from ..core.options import PeerOptions
from ..core.options import command_words

#: Reads the loader from the link and runs it. Everything else comes through the link, so that the command line stays
#: readable in ``ps``. The reader is buffered: one system call instead of one for each byte of the first line.
_BOOT = "import os;f=os.fdopen({read},'rb');exec(f.read(int(f.readline())),{{'f':f,'w':{write}}})"

#: The same over a connection that the peer opens. Of the two secrets of `SECRET`, which nobody inherits, it says the first, and runs
#: nothing before it has heard the second.
_CONNECT = (
    "import os,sys,_socket;a,b=os.environ.pop('{secret}').encode().split();"
    "s=_socket.socket(_socket.{family});s.connect({address});r,w=os.dup(s.fileno()),os.dup(s.fileno());s.close();"
    "os.write(w,a);f=os.fdopen(r,'rb');f.read(len(b))==b or sys.exit('this is not the origin of this peer');"
    "exec(f.read(int(f.readline())),{{'f':f,'w':w}})"
)
#: The variable with the secrets.
SECRET = "PYTEST_PEER_SECRET"

#: The same for a peer that has nothing but stdin and stdout, on which a relay sends the loader of its far end.
_BOOT_IN_BAND = "f=open(0,'rb',closefd=False);exec(f.read(int(f.readline() or 0)),{})"

#: The descriptors of a peer that a fork server executes: the link's for reading and writing, and the lifeline's. A shell keeps its
#: own from 10 on, and scripts number theirs from 3 on, or use 9, as flock(1) has it.
LINK_NUMBERS = (7, 8)
LIFELINE_NUMBER = 6
#: Of the near end of a relay.
CONTROL_NUMBER = 5
#: With a value that nobody else gives it, by which the agent knows that it is not the user's.
FAULTHANDLER = ("PYTHONFAULTHANDLER", "pytest-peer")


def boot_words(read_fd: int, write_fd: int) -> list[str]:
    """What makes an interpreter read our code from one descriptor and answer on the other."""
    return ["-c", _BOOT.format(read=read_fd, write=write_fd)]


def in_band_words() -> list[str]:
    """What makes an interpreter read the far end of a relay from its stdin."""
    return ["-c", _BOOT_IN_BAND]


def connect_words(address: Sequence[object]) -> list[str]:
    """What makes an interpreter connect to that address, and read our code and answer there.

    :param address: as the module `socket` has it.
    """
    family = "AF_INET" if len(address) == 2 else "AF_INET6"
    return ["-c", _CONNECT.format(secret=SECRET, family=family, address=tuple(address))]


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute, and in which environment and directory."""

    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    #: The launcher, if there is one that passes on nothing but stdin, stdout and stderr.
    launcher: launchers.Launcher | None = None

    def with_variable(self, name: str, value: str) -> Command:
        """The same with one more in its environment."""
        return replace(self, env={**self.env, name: value})


def command(options: PeerOptions, environ: Mapping[str, str], words: Sequence[str]) -> Command:
    """Build the command line: ``exec``, ``args``, then our own words, as Erlang's ``peer`` does.

    :param environ: the inherited environment.
    :param words: `boot_words`, `connect_words` or `in_band_words`.
    :raises TypeError: ``post_process_args`` returned something else than a list of ``str``, or an empty one.
    :raises ValueError: it returned a word with a NUL character.
    """
    carried = launchers.in_band(options.exec)
    program = launchers.command_line(options.exec, options.env) if carried else options.exec
    argv = [*program, *options.args, *words, f"{options.name}@{options.host}"]
    if options.post_process_args is not None:
        argv = list(command_words("post_process_args", options.post_process_args(list(argv))))
        if not argv:
            raise TypeError("post_process_args: expected a list of str, got an empty one")
    if carried:  # the options are for the other end of the launcher
        return Command(launchers.carried(argv, carried), dict(environ), None, carried.launcher)
    # For an interpreter that hangs before our code runs; which takes it out again.
    known = FAULTHANDLER[0] in options.env or FAULTHANDLER[0] in environ
    own = {} if known else dict([FAULTHANDLER])
    return Command(argv, environment(options, environ) | own, options.cwd)


def environment(options: PeerOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the changes of the option ``env``."""
    changed = {**environ, **options.env}
    return {name: value for name, value in changed.items() if value is not None}
