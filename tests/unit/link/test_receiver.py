"""Messages in parts come together again, however they are cut and mixed."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_framing import Reading, packed

from pytest_peer.link.protocol import messages
from pytest_peer.link.protocol.messages import MultipartMessage

Segments = list[tuple[int, bytes]]
Message = tuple[int, int, Segments]

kinds = st.integers(min_value=0, max_value=255)
idents = st.integers(min_value=0, max_value=2**64 - 1)
ways = st.sampled_from([messages.AS_BYTES, messages.AS_BYTEARRAY, messages.AS_BUFFER])
segments = st.tuples(
    st.binary(max_size=40).map(lambda data: (messages.AS_BYTES, data)),
    st.lists(st.tuples(ways, st.binary(max_size=40)), max_size=3),
).map(lambda drawn: [drawn[0], *drawn[1]])
message_lists = st.lists(
    st.tuples(kinds, idents, segments), max_size=8, unique_by=lambda message: message[:2]
)


def cut(message: Message, rng: random.Random) -> list[bytes]:
    kind, ident, every = message
    table = b"".join(messages.SEGMENT.pack(way, len(data)) for way, data in every)
    items = [(messages.TABLE, table)]
    for _, data in every:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
        bounds = zip([0, *cuts], [*cuts, len(data)], strict=True)
        items += [(messages.PART, data[start:end]) for start, end in bounds if end > start]
    return [packed(kind, flag, ident, part) for flag, part in items]


def mixed(streams: list[list[bytes]], rng: random.Random) -> list[bytes]:
    streams = [list(stream) for stream in streams]
    items = []
    while any(streams):
        items.append(rng.choice([stream for stream in streams if stream]).pop(0))
    return items


def plain(payload: Any) -> list[tuple[type, bytes]]:
    every = [payload] if isinstance(payload, bytes) else [payload.data]
    if isinstance(payload, MultipartMessage):
        every += [part for _, part in payload.segments]
    return [(type(part), bytes(part)) for part in every]


def expected(message: Message) -> tuple[int, int, list[tuple[type, bytes]]]:
    types = {
        messages.AS_BYTES: bytes,
        messages.AS_BYTEARRAY: bytearray,
        messages.AS_BUFFER: memoryview,
    }
    kind, ident, every = message
    return kind, ident, [(types[way], data) for way, data in every]


def received(items: list[bytes]) -> list[tuple[int, int, list[tuple[type, bytes]]]]:
    reading = Reading()
    try:
        for item in items:
            reading.give(item)
        return [(kind, ident, plain(payload)) for kind, ident, payload in reading.messages]
    finally:
        reading.close()


@settings(deadline=None)
@given(message_lists, st.randoms(use_true_random=False))
def test_any_cut_and_any_mixture_comes_together(sent: list[Message], rng: random.Random) -> None:
    items = mixed([cut(message, rng) for message in sent], rng)
    assert sorted(received(items), key=repr) == sorted(map(expected, sent), key=repr)


@settings(deadline=None)
@given(message_lists, st.randoms(use_true_random=False))
def test_message_is_complete_with_its_last_part(sent: list[Message], rng: random.Random) -> None:
    for message in sent:
        *first, last = cut(message, rng)
        assert received(first) == []
        assert received([*first, last]) == [expected(message)]


@settings(deadline=None)
@given(message_lists, st.randoms(use_true_random=False))
def test_identity_may_be_used_again(sent: list[Message], rng: random.Random) -> None:
    for message in sent:
        items = cut(message, rng)
        assert received(items * 2) == [expected(message)] * 2


def test_answer_and_request_of_the_same_number_are_kept_apart() -> None:
    rng = random.Random(0)
    result: Message = (messages.RESULT, 1, [(messages.AS_BYTES, b"result")])
    message: Message = (messages.MESSAGE, 1, [(messages.AS_BYTES, b"message")])
    first, *rest = cut(result, rng)
    assert received([first, *cut(message, rng), *rest]) == [expected(message), expected(result)]


def test_big_part_is_put_into_its_place() -> None:
    data = random.Random(0).randbytes(300_000)
    message: Message = (
        messages.RESULT,
        1,
        [(messages.AS_BYTES, b"pickle"), (messages.AS_BYTES, data)],
    )
    assert received(cut(message, random.Random(0))) == [expected(message)]


def test_bytearray_that_came_can_be_resized() -> None:
    data = bytes(300_000)
    items = cut((1, 1, [(messages.AS_BYTES, b""), (messages.AS_BYTEARRAY, data)]), random.Random(0))
    reading = Reading()
    for item in items:
        reading.give(item)
    (_, (_, array)) = (reading.messages[0][2].data, reading.messages[0][2].segments[0])
    array.append(1)
    assert len(array) == len(data) + 1
    reading.close()


@given(st.text(alphabet=st.characters(), max_size=100), st.binary())
@example("", b"")
@example("\udc80", b"x")
@example("ü" * 1000, b"\0")
def test_name_and_payload_come_apart_again(name: str, payload: bytes) -> None:
    assert messages.split_mailbox(messages.with_mailbox(name, payload)) == (name, payload)
