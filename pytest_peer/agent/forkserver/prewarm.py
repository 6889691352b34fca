"""Rehearse the boot of a peer and a call, with nobody at the other end.

A page that is written for the first time after a fork is copied, which takes longer than the code
that writes it: most of the boot of a forked peer would be that. The fork server rehearses until the
interpreter has specialized the code, which it does by writing into it (PEP 659); peers share these
pages then. A spare rehearses once more, so that its copies of all other pages are made before it is
needed.
"""

from __future__ import annotations

import gc
import operator
import os
import sys

from ...link.protocol import codec
from ...link.protocol import framing
from ...link.protocol import messages
from .. import assertions
from .. import fault_dumps
from .. import main
from .. import runtime
from . import child_setup

_CHANNEL_EXEC = 3  # execnet's; what is to be executed is not looked at
#: An interpreter specializes code that has run about eight times; two milliseconds altogether.
_ROUNDS = 12


def warm_up():
    """In the fork server, before its first fork: rehearse until nothing changes any more."""
    for _ in range(_ROUNDS):
        _rehearse()


def rehearse():
    """In a spare: rehearse once, and leave nothing."""
    _rehearse()
    gc.collect()  # now, and not some time in a call of the user's


def _rehearse():
    child_setup.become({"variables": {}, "changes": {}}, ())
    fault_dumps.rehearse()
    call = codec.dumps((operator.add, (1, 2), {}))
    said = [
        framing.FRAME.pack(_CHANNEL_EXEC, framing.FIRST_CHANNEL, 0),
        framing.head(framing.FIRST_CHANNEL, messages.CALL, messages.WHOLE, 1, len(call)),
        call,
        framing.STOP,
    ]
    config = {
        "name": "",
        "by_value": "",
        "locals": "",
        "path": list(sys.path),
        "replace_path": True,
        "standins": None,
        "own_files": [],
        "lifeline": -1,
        "evidence": None,
        "environment": None,
    }
    finders = list(sys.meta_path)
    read_fd, there = os.pipe()
    heard, write_fd = os.pipe()
    try:
        os.write(there, b"".join(said))
        with os.fdopen(read_fd, "rb") as reader:
            main.prepare(reader, write_fd, config).rehearse()
    finally:
        os.close(there)
        os.close(heard)
        main._agent = runtime.runtime = assertions.ask = None
        sys.meta_path[:] = finders
