"""What the nameserver of a network says to queries, well-formed or not."""

from __future__ import annotations

import struct

import pytest

from pytest_peer.network.addresses import Host, by_files_and_dns
from pytest_peer.network.names import addressed, answer, named

HOSTS = [Host("db-0", 1, 0, ("db_0",)), Host("web", 300, 2)]


def query(name, kind=1, flags=0x0100, questions=1):
    labels = b"".join(bytes([len(each)]) + each for each in name.split(b"."))
    return (
        struct.pack("!6H", 9, flags, questions, 0, 0, 0)
        + labels
        + b"\0"
        + struct.pack("!2H", kind, 1)
    )


def code(message):
    return message[3] & 15


def test_address_is_at_the_end_of_the_answer():
    assert answer(query(b"db_0"), HOSTS).endswith(bytes((10, 77, 0, 1)))
    assert answer(query(b"web"), HOSTS).endswith(bytes((10, 79, 1, 44)))


@pytest.mark.parametrize(("kind", "count"), [(1, 1), (28, 1), (255, 2), (15, 0)])
def test_answer_has_what_is_asked_for(kind, count):
    message = answer(query(b"Web", kind), HOSTS)
    assert (code(message), struct.unpack_from("!H", message, 6)[0]) == (0, count)


def test_unknown_name_is_denied():
    assert code(answer(query(b"www.web"), HOSTS)) == 3


@pytest.mark.parametrize(
    "text", [query(b"web")[:-3], query(b"web", questions=2), query(b"w\xe9b"), query(b"web")[:13]]
)
def test_damaged_question_is_a_format_error(text):
    assert code(answer(text, HOSTS)) == 1


def test_other_requests_are_not_implemented():
    assert code(answer(query(b"web", flags=0x2800), HOSTS)) == 4


@pytest.mark.parametrize("text", [b"", b"short", answer(query(b"web"), HOSTS)])
def test_no_query_gets_no_answer(text):
    assert answer(text, HOSTS) == b""


@pytest.mark.parametrize("size", range(len(query(b"web"))))
def test_query_can_end_anywhere(size):
    answer(query(b"web")[:size], HOSTS)


def test_host_is_found_by_names_and_addresses():
    assert named("DB-0.", HOSTS) is named("db_0", HOSTS) is HOSTS[0]
    assert addressed("10.79.1.44", HOSTS) is addressed("fd77:0:0:2::12c", HOSTS) is HOSTS[1]
    assert named("10.77.0.1", HOSTS) is addressed("db-0", HOSTS) is None


def test_hosts_are_looked_up_by_files_and_dns():
    text = "passwd: files\nhosts:  files resolve [!UNAVAIL=return] dns\nservices: files\n"
    assert by_files_and_dns(text) == "passwd: files\nhosts: files dns\nservices: files\n"
