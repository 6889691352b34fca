"""What peers are told of the user's debugger: by the configuration of the agent, and when they ask."""

from collections import deque
from pathlib import Path

from .interpreter import Interpreter

#: ``"module:class"`` of ``--pdbcls``; empty for pdb's own.
pdb_class: str = ""
#: Whether peers keep the frames of failures, for ``--pdb``; the same for all.
keeps_frames: bool = False
#: Exceptions of peers, each with the peer's name and the number of its frames there.
kept: deque[tuple[BaseException, str, int]] = deque(maxlen=64)
#: The modules of the agent that peers ask for.
_FILES = {
    name: Path(__file__).parent.parent / "agent" / f"{name}.py"
    for name in ("stack_places", "debugger", "stop_running")
}


def debugger(_: Interpreter, name: str) -> tuple[str, bytes, str]:
    """Return file and source of a module of the agent, and `pdb_class`."""
    return str(_FILES[name]), _FILES[name].read_bytes(), pdb_class
