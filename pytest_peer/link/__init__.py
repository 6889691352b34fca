"""The control link: a peer's only tie to its origin. `gateway` is the only module that imports execnet.

`wire`, `stream`, `frames`, `segments`, `intake`, `outbox`, `mailbox`, `shadowed`, `code_by_value`, `codec` and `describing` run on
both sides: they are sent to the peer as source, so they know nothing but the standard library of Python 3.8 and each other.
"""
