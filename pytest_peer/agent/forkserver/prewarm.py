"""What the fork server and a spare do in advance: a boot and a call without an origin.

A page that is written for the first time after a fork is copied, which takes longer than the code
that writes it, and would be most of the boot of a forked peer. The interpreter specializes code by
writing into it (PEP 659), so the fork server runs it until that is done, and its peers share these
pages. A spare runs it once more: that copies all other pages before it is needed.
"""

import operator
import os
import sys
from typing import Any

from ...link.protocol import codec, framing, messages
from .. import assertions, fault_dumps, main, runtime
from . import child_setup

#: An interpreter specializes code that has run about eight times. All rounds take 3 ms.
ROUNDS = 12


def boot_and_call(divisor):
    """Boot and divide once, and leave nothing of it; a failure imports what describes it."""
    child_setup.become({"changes": {"variables": {}}}, ())
    fault_dumps.rehearse()
    call = codec.dumps((operator.floordiv, (1, divisor), {}))
    received = [framing.head(messages.CALL, messages.WHOLE, 1, len(call)), call, framing.STOP]
    config: Any = dict.fromkeys(
        ("stubs", "evidence", "environment", "authkey", "coverage", "keeps_frames", "index")
    )
    config.update(name="", by_value="", locals="", own_files=[], lifeline=-1, settings={})
    path = os.environ.get("PYTHONPATH")
    config.update(path=list(sys.path), replace_path=True, python_path=path, parent_reaps=False)
    config["levels"] = {}
    finders = list(sys.meta_path)
    read_fd, there = os.pipe()
    heard, write_fd = os.pipe()
    try:
        os.write(there, b"".join(received))
        with os.fdopen(read_fd, "rb") as reader:
            main.Agent(reader, write_fd, config).rehearse()
    finally:
        os.close(there)
        os.close(heard)
        runtime.runtime = assertions.ask = None
        sys.meta_path[:] = finders
