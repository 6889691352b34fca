"""Frames: ours are execnet's, and we parse execnet's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO

import pytest
from execnet.gateway_base import Message, dumps_internal, loads_internal, opcode
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_peer.link.protocol import framing, messages
from pytest_peer.link.protocol.receiver import FrameReceiver

channels = st.integers(min_value=1, max_value=2**31 - 1)
kinds = st.integers(min_value=0, max_value=255)
idents = st.integers(min_value=0, max_value=2**64 - 1)


def packed(kind: int, flag: int, ident: int, part: bytes) -> bytes:
    return framing.head(kind, flag, ident, len(part)) + part + framing.STOP


def of_execnet(code: int, channel: int, data: bytes) -> bytes:
    stream = BytesIO()
    Message(code, channel, data).to_io(stream)
    return stream.getvalue()


@given(kinds, kinds, idents, st.binary())
def test_frame_is_the_one_that_execnet_makes(kind, flag, ident, part) -> None:
    item = bytes([kind, flag]) + ident.to_bytes(8, "big") + part
    made = of_execnet(Message.CHANNEL_DATA, framing.CHANNEL, dumps_internal(item))
    assert packed(kind, flag, ident, part) == made


@given(kinds, idents, st.binary())
def test_execnet_reads_the_frame(kind, ident, part) -> None:
    message = Message.from_io(BytesIO(packed(kind, messages.WHOLE, ident, part)))
    assert (message.msgcode, message.channelid) == (Message.CHANNEL_DATA, framing.CHANNEL)
    assert loads_internal(message.data)[10:] == part


def test_numbers_are_those_of_execnet() -> None:
    assert framing.CHANNEL_DATA == Message.CHANNEL_DATA
    assert framing.BYTES == opcode.BYTES
    assert framing.STOP == opcode.STOP


class Reading:
    """A receiver at the end of a pipe, and what it has found."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.messages: list[tuple[int, int, object]] = []
        self.receiver = FrameReceiver(self.read_fd, lambda *message: self.messages.append(message))

    def give(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.write_fd, data[:4096]) :]
            try:
                self.receiver.take()
                while self.receiver.pull():
                    pass
            except BlockingIOError:
                pass

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def reading() -> Iterator[Reading]:
    reading = Reading()
    yield reading
    reading.close()


def whole(kind: int, ident: int, part: bytes) -> bytes:
    return packed(kind, messages.WHOLE, ident, part)


def of_another_channel(kind: int, ident: int, part: bytes) -> bytes:
    start = framing.FRAME.pack(
        framing.CHANNEL_DATA, framing.CHANNEL + 2, framing.IN_FRAME + len(part)
    )
    return start + whole(kind, ident, part)[framing.FRAME.size :]


parts = st.binary(max_size=60)
ours = st.tuples(kinds, idents, parts)
others = st.tuples(st.sampled_from([0, 1, 5, 6, 7]), channels, parts)


@settings(deadline=None)
@given(st.lists(st.one_of(ours, others.map(lambda other: (*other, None)))), st.data())
def test_however_the_stream_is_cut_every_message_is_found(sent, data) -> None:
    reading = Reading()
    try:
        stream = b"".join(
            whole(*each) if len(each) == 3 else of_execnet(*each[:3]) for each in sent
        )
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=5).map(sorted))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            reading.give(stream[start:end])
        assert reading.messages == [each for each in sent if len(each) == 3]
    finally:
        reading.close()


def test_data_of_another_channel_is_skipped(reading) -> None:
    reading.give(of_another_channel(1, 1, b"x") + whole(1, 2, b"y"))
    assert reading.messages == [(1, 2, b"y")]


def test_end_is_an_error() -> None:
    reading = Reading()
    os.close(reading.write_fd)
    with pytest.raises(EOFError):
        reading.receiver.pull()
    os.close(reading.read_fd)


def test_end_of_data_from_another_reader_is_an_error(reading) -> None:
    reading.receiver.chunks.append(b"")
    with pytest.raises(EOFError):
        reading.receiver.take()


# A reply that the waiting thread takes


def test_answer_that_came_alone_is_seen(reading) -> None:
    answer = whole(messages.RESULT, 7, b"value")
    assert reading.receiver.whole_reply(7, answer) == (messages.RESULT, b"value")


@pytest.mark.parametrize(
    "came",
    [
        b"",
        whole(messages.RESULT, 7, b"value")[:-1],
        whole(messages.RESULT, 7, b"value") + b"x",
        whole(messages.RESULT, 7, b"value") * 2,
        whole(messages.RESULT, 8, b"value"),
        whole(messages.MESSAGE, 7, b"value"),
        packed(messages.RESULT, messages.TABLE, 7, b"value"),
        of_another_channel(messages.RESULT, 7, b"value"),
        of_execnet(5, framing.CHANNEL, b"x" * 40),
    ],
    ids=["nothing", "less", "more", "two", "another", "message", "table", "channel", "execnet's"],
)
def test_anything_else_is_not_the_answer(reading, came: bytes) -> None:
    assert reading.receiver.whole_reply(7, came) is None


def test_nothing_is_between_frames_while_one_is_half_there(reading) -> None:
    answer = whole(messages.RESULT, 7, b"value" * 10)
    for cut in (1, 9, 20, 30, len(answer) - 1):
        assert reading.receiver.between_frames()
        reading.give(answer[:cut])
        assert not reading.receiver.between_frames()
        reading.give(answer[cut:])
    assert reading.receiver.between_frames()


def test_unparsed_data_is_not_between_frames(reading) -> None:
    reading.receiver.chunks.append(whole(messages.RESULT, 7, b"value"))
    assert not reading.receiver.between_frames()
    reading.receiver.take()
    assert reading.receiver.between_frames()
    assert reading.messages == [(messages.RESULT, 7, b"value")]
