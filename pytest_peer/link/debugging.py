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
_FILE = Path(__file__).parent.parent / "agent" / "debugger.py"


def debugger(_: Interpreter, what: str) -> tuple[str, bytes, str]:  # noqa: ARG001
    """Return file and source of the agent's module `debugger`, and `pdb_class`."""
    return str(_FILE), _FILE.read_bytes(), pdb_class
