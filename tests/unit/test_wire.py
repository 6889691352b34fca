"""Messages in parts: however they are cut and mixed, they come together again."""

from __future__ import annotations

import random

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from pytest_peer.link import wire

Message = tuple[int, int, bytes]

kinds = st.integers(min_value=0, max_value=255)
idents = st.integers(min_value=0, max_value=2**64 - 1)
messages = st.lists(
    st.tuples(kinds, idents, st.binary(max_size=40)),
    max_size=8,
    unique_by=lambda message: message[:2],
)


def cut(message: Message, rng: random.Random) -> list[bytes]:
    kind, ident, payload = message
    cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.randrange(4)))
    bounds = list(zip([0, *cuts], [*cuts, len(payload)], strict=True))
    return [
        wire.item(kind, ident, number == len(bounds), payload[start:end])
        for number, (start, end) in enumerate(bounds, 1)
    ]


def mixed(streams: list[list[bytes]], rng: random.Random) -> list[bytes]:
    streams = [list(stream) for stream in streams]
    items = []
    while any(streams):
        items.append(rng.choice([stream for stream in streams if stream]).pop(0))
    return items


@given(messages, st.randoms(use_true_random=False))
def test_any_cut_and_any_mixture_comes_together(sent: list[Message], rng: random.Random) -> None:
    assembly = wire.Assembly()
    items = mixed([cut(message, rng) for message in sent], rng)
    whole = [message for message in map(assembly.add, items) if message is not None]
    assert sorted(whole) == sorted(sent)


@given(messages, st.randoms(use_true_random=False))
def test_message_is_complete_with_its_last_part(sent: list[Message], rng: random.Random) -> None:
    assembly = wire.Assembly()
    for message in sent:
        *first, last = cut(message, rng)
        assert [assembly.add(item) for item in first] == [None] * len(first)
        assert assembly.add(last) == message


@given(kinds, idents, st.binary())
def test_identity_may_be_used_again(kind: int, ident: int, payload: bytes) -> None:
    assembly = wire.Assembly()
    for _ in range(2):
        assert assembly.add(wire.item(kind, ident, False, payload)) is None
        assert assembly.add(wire.item(kind, ident, True, b"end")) == (kind, ident, payload + b"end")


def test_answer_and_request_of_the_same_number_are_kept_apart() -> None:
    assembly = wire.Assembly()
    assert assembly.add(wire.item(wire.RESULT, 1, False, b"re")) is None
    assert assembly.add(wire.item(wire.MESSAGE, 1, True, b"message")) == (
        wire.MESSAGE,
        1,
        b"message",
    )
    assert assembly.add(wire.item(wire.RESULT, 1, True, b"sult")) == (wire.RESULT, 1, b"result")


def test_item_is_real_bytes() -> None:
    assert type(wire.item(wire.CALL, 1, True, b"x")) is bytes


def test_header_has_the_size_it_says() -> None:
    assert len(wire.item(wire.CALL, 1, True, b"")) == wire.HEADER_SIZE


@given(st.text(alphabet=st.characters(), max_size=100), st.binary())
@example("", b"")
@example("\udc80", b"x")
@example("ü" * 1000, b"\0")
def test_name_and_payload_come_apart_again(name: str, payload: bytes) -> None:
    assert wire.split_name(wire.named(name, payload)) == (name, payload)
