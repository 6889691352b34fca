"""The systems that are compared, in the order of the table."""

from __future__ import annotations

from table import OTHERS

from .erlang import Erlang
from .floor import Floor
from .isolation import Isolation
from .peers import Peers, PeersOverTcp
from .processes import Processes
from .raw_execnet import Execnet
from .rpyc_server import Rpyc
from .system import System

#: The systems of each column of the table.
COLUMNS: dict[str, list[System]] = {
    "peer forkserver": [Peers("forkserver")],
    "peer spawn": [Peers("spawn")],
    "peer TCP": [PeersOverTcp()],
    "execnet": [Execnet()],
    "multiprocessing forkserver": [Processes("forkserver")],
    "multiprocessing spawn": [Processes("spawn")],
    "Erlang standard_io": [Erlang("standard_io")],
    "Erlang TCP": [Erlang("tcp")],
    OTHERS: [
        Rpyc(),
        Isolation("pytest-forked", "--forked"),
        Isolation("pytest-isolate", "--isolate"),
    ],
    "floor": [Floor()],
}
#: The first of them that is installed is the reference of the ratios.
OURS = ["peer forkserver", "peer spawn"]
