"""What a spare does before it is asked for: a boot and a call, with nobody at the other end.

A page that is written for the first time after a fork is copied, which takes longer than the code that writes it: most of the
boot of a forked peer would be that. After a rehearsal the pages are the spare's own.
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


def rehearse():
    """Go through it once; nothing of it is left."""
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
        gc.collect()  # now, and not some time in a call of the user's
