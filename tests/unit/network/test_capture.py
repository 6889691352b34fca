"""A capture is a file that others read, and says what it has not."""

from __future__ import annotations

import time

import pytest
from network_frames import datagram
from pcaps import frames_of, read

from pytest_peer.network.switch.capture import Capture

FRAME = datagram(b"text").frame
HEADER, RECORD = 24, 16 + len(FRAME)


def test_frames_are_in_the_file_with_their_times(tmp_path):
    file, made = tmp_path / "a.pcap", Capture(str(tmp_path / "a.pcap"))
    before = time.time_ns()
    for _ in range(3):
        made.take(FRAME)
    assert made.write() == (3, 0, "")
    found = read(file)
    assert [frame for _, frame in found] == [FRAME] * 3
    times = [before, *(when for when, _ in found), time.time_ns()]
    assert times == sorted(times)


def test_header_is_that_of_ethernet_and_nanoseconds(tmp_path):
    made = Capture(str(tmp_path / "a.pcap"))
    made.take(FRAME)
    made.write()
    head = (tmp_path / "a.pcap").read_bytes()[:HEADER]
    assert head[:8] in (b"\x4d\x3c\xb2\xa1\x02\0\x04\0", b"\xa1\xb2\x3c\x4d\0\x02\0\x04")
    assert 1 in (head[20], head[23])  # LINKTYPE_ETHERNET


def test_nothing_seen_makes_no_file(tmp_path):
    assert Capture(str(tmp_path / "a.pcap")).write() == (0, 0, "")
    assert list(tmp_path.iterdir()) == []


def test_what_comes_later_is_added(tmp_path):
    made = Capture(str(tmp_path / "a.pcap"))
    for _ in range(2):
        made.take(FRAME)
        made.write()
    assert made.write() == (2, 0, "")
    assert frames_of(tmp_path / "a.pcap") == [FRAME] * 2


def test_much_is_written_before_the_end(tmp_path):
    made = Capture(str(tmp_path / "a.pcap"))
    for _ in range(800):  # of 1.5 kB
        made.take(bytes(1500))
    assert 1 << 20 <= (tmp_path / "a.pcap").stat().st_size < 800 * 1516


@pytest.mark.parametrize("room", [0, 1, RECORD - 1])
def test_full_file_says_what_it_has_not(tmp_path, room):
    made = Capture(str(tmp_path / "a.pcap"), most=HEADER + 2 * RECORD + room)
    for _ in range(5):
        made.take(FRAME)
    packets, missing, why = made.write()
    assert (packets, missing) == (2, 3)
    assert "MB, the most" in why
    assert frames_of(tmp_path / "a.pcap") == [FRAME] * 2


def test_small_frame_does_not_come_behind_a_gap(tmp_path):
    made = Capture(str(tmp_path / "a.pcap"), most=HEADER + RECORD)
    made.take(bytes(2 * RECORD))
    made.take(FRAME)
    assert made.write()[:2] == (0, 2)


def test_file_that_cannot_be_written_is_told(tmp_path):
    made = Capture(str(tmp_path / "none" / "a.pcap"))
    made.take(FRAME)
    assert made.write() == (0, 1, "it could not be written: No such file or directory")
    made.take(FRAME)
    assert made.write()[:2] == (0, 2)
