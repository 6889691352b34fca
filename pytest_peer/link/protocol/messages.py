"""The messages of the control link: their kinds, and their payloads as bytes.

A message travels as one or more items of the channel. An item is a header and a part::

    kind: 1 byte | flag: 1 byte | id: 8 bytes | part

A message of one item has the flag WHOLE, and its part is the payload. A longer message, or one with
big buffers beside its pickle, is a list of segments: first an item TABLE with the kind and size of
every segment, so that the receiver can allocate each at once; then items PART with their bytes. No
part belongs to two segments. Items of several messages may come interleaved.

A reply has the id of its request, so kind and id together identify a message.
"""

from __future__ import annotations

import struct
from typing import Any, Tuple, Union

from .unpatched import marshal

#: The protocol of pickle; Python 3.8 knows it as well.
PICKLE = 5

# from the origin
CALL = 1  # pickle of (function, args, kwargs); its reply is RESULT or EXCEPTION
CAST = 2  # the same, without a reply
SHUTDOWN = 3  # b"halt" or b"finish"
STACKS = 4  # empty, or what is asked of threads; the reply is STACKS, mostly with text
RESPONSE = 5  # pickle of what a REQUEST asked for
MODULES = 6  # marshalled: modules of the origin that the peer does not know yet; see `modules`
CANCEL = 7  # empty; its id is that of a CALL, which it may overtake
CALLER = 8  # marshalled: the Python that gets the reply of the CALL with that id; before that
LEVELS = 9  # marshalled: how many bytes of RECORDs were handled, and new levels of loggers
# from the peer
READY = 10  # the agent listens; not empty if it measures coverage
RESULT = 11  # pickle of the value
EXCEPTION = 12  # pickle of a description made by `exceptions`
REQUEST = 13  # pickle of (what, arguments); the origin sends a RESPONSE
WARNING = 14  # pickle of a warning of the call with that id; before its reply
FAILURE = 15  # text: an exception that no reply has
RELAY = 19  # what the origin is asked to do, see `with_head`; the reply is RESULT or EXCEPTION
RECORD = 18  # marshalled: a log record, see `LOG_FIELDS`; before the reply of its call
# both ways; of a reply to a RELAY, so are RESULT, EXCEPTION, WARNING and, to give it up, CANCEL
DEBUG = 16  # marshalled: what is said, the number of the session, more; see `agent.debugger`
MESSAGE = 20  # for a mailbox; see `with_mailbox`
POINT = 24  # marshalled; its id is that of a point: what has happened there, or whom to let go
COVERAGE = 21  # one of these and a name, with a blank between; the reply is empty

CONTEXT = b"context"  # switch to the context of that name
SAVE = b"save"  # write the data file; the name is empty
STOP = b"stop"  # write a snapshot into that file and stop; no reply comes, or one after a SAVE

#: The replies to a request of the origin; they have the same id.
REPLY_KINDS = frozenset({STACKS, RESULT, EXCEPTION})

#: The messages of the origin that may refer to its modules.
WITH_CODE = frozenset({CALL, CAST, MESSAGE, POINT})

# flags
PART = 0
WHOLE = 1
TABLE = 2

# kinds of segments: the object that the receiver makes of the bytes
AS_BYTES = 0
AS_BYTEARRAY = 1
AS_BUFFER = 2  # for a memoryview
AS_PICKLEBUFFER = 3  # the same, for the object that pickle builds around it

#: Of a log record. A RECORD has message, text of the exception, extra fields, those of them that
#: are pickled, and these.
LOG_FIELDS = (
    *("name", "levelno", "levelname", "pathname", "filename", "module", "lineno", "funcName"),
    *("created", "msecs", "relativeCreated", "thread", "threadName", "process", "processName"),
    *("taskName", "stack_info"),
)
#: An attribute of ours that a record has only for a moment.
LOG_MARK = "_pytest_peer"

#: Exit status of a peer whose end of the link was closed by the code under test.
LINK_LOST = 113

_NAME = struct.Struct("!H")
_HEAD = struct.Struct("!I")
#: Kind and size of a segment, in a TABLE.
SEGMENT = struct.Struct("!BQ")

#: Its kind, and the buffer.
Segment = Tuple[int, Any]


class MultipartMessage:
    """A pickle in `data`, and in `segments` the buffers that it refers to by number."""

    __slots__ = ("data", "segments")

    def __init__(self, data: bytes, segments: list[Segment]) -> None:
        self.data: bytes = data
        self.segments: list[Segment] = segments


#: The content of a message.
Payload = Union[bytes, MultipartMessage]


def snapshot(payload: Payload) -> Payload:
    """Return the payload with copies of all buffers that later code may change."""
    if not isinstance(payload, MultipartMessage):
        return payload
    # `bytes` makes no copy of what is one already.
    segments = [(kind, bytes(buffer)) for kind, buffer in payload.segments]
    return MultipartMessage(payload.data, segments)


def with_mailbox(name: str, payload: Payload) -> Payload:
    """Put the mailbox's name in front of a payload, where it can be read without unpickling."""
    if not isinstance(name, str):
        raise TypeError("mailbox: expected a name, got %r" % (name,))
    encoded = name.encode("utf-8", "surrogatepass")
    prefix = _NAME.pack(len(encoded)) + encoded
    if isinstance(payload, MultipartMessage):
        return MultipartMessage(prefix + payload.data, payload.segments)
    return prefix + payload


def split_mailbox(payload: Payload) -> tuple[str, Payload]:
    """Return the mailbox's name and the payload; the inverse of `with_mailbox`."""
    data = payload.data if isinstance(payload, MultipartMessage) else payload
    (size,) = _NAME.unpack_from(data)
    start = _NAME.size + size
    name = data[_NAME.size : start].decode("utf-8", "surrogatepass")
    if isinstance(payload, MultipartMessage):
        return name, MultipartMessage(data[start:], payload.segments)
    return name, data[start:]


def with_head(head: tuple[Any, ...], payload: Payload = b"") -> Payload:
    """Put what can be marshalled in front of a payload, to be read without unpickling."""
    data = marshal.dumps(head, 2)
    prefix = _HEAD.pack(len(data)) + data
    if isinstance(payload, MultipartMessage):
        return MultipartMessage(prefix + payload.data, payload.segments)
    return prefix + payload


def split_head(payload: Payload) -> tuple[tuple[Any, ...], Payload]:
    """Return both again; the inverse of `with_head`."""
    data = payload.data if isinstance(payload, MultipartMessage) else payload
    (size,) = _HEAD.unpack_from(data)
    start = _HEAD.size + size
    head: tuple[Any, ...] = marshal.loads(data[_HEAD.size : start])
    if isinstance(payload, MultipartMessage):
        return head, MultipartMessage(data[start:], payload.segments)
    return head, data[start:]
