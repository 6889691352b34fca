"""Names of hosts lead to their addresses, by the file of hosts and by the nameserver."""

from __future__ import annotations

import socket
import struct
import subprocess

import pytest
from network_calls import LONG

A, PTR, AAAA = 1, 12, 28
NO_SUCH_NAME = 3


def encoded(name):
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0"


def asked(name, kind, number=7):
    return (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + encoded(name) + struct.pack("!2H", kind, 1)
    )


def nameserver():
    with open("/etc/resolv.conf") as file:
        return next(line.split()[1] for line in file if line.startswith("nameserver"))


def lookup(name, kind=A, server=None, limit=LONG):
    """Return the code of the answer, and the data of its records."""
    address = server or nameserver()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(limit)
        sock.sendto(asked(name, kind), (address, 53))
        return told(sock.recv(2000), name)


def lookup_by_stream(name, kind=A):
    with socket.create_connection((nameserver(), 53), LONG) as sock:
        query = asked(name, kind)
        sock.sendall(struct.pack("!H", len(query)) + query)
        file = sock.makefile("rb")
        return told(file.read(*struct.unpack("!H", file.read(2))), name)


def told(answer, name):
    number, flags, questions, count, _, _ = struct.unpack_from("!6H", answer)
    assert (number, questions, flags >> 15) == (7, 1, 1)
    at, found = 12 + len(encoded(name)) + 4, []
    for _ in range(count):
        length = struct.unpack_from("!H", answer, at + 10)[0]
        found.append(answer[at + 12 : at + 12 + length])
        at += 12 + length
    assert at == len(answer)
    return flags & 15, found


def numbers(host):
    return sorted({each[4][0] for each in socket.getaddrinfo(host, 80)})


def test_name_has_both_addresses(peer_network):
    a, b = peer_network.many(2)
    for name in (b.host, b.name):
        assert a.call(numbers, name) == sorted([b.address, b.address6])


def test_name_is_in_older_peers(peer_network):
    old = peer_network()
    new = peer_network()
    assert old.call(socket.gethostbyname, new.host) == new.address
    assert old.call(lookup, new.host) == (0, [socket.inet_aton(new.address)])


@pytest.mark.parametrize("how", [lookup, lookup_by_stream])
def test_nameserver_knows_hosts_and_peers(peer_network, how):
    a, b = peer_network.many(2)
    for name in (b.host, b.name, b.host.upper()):
        assert a.call(how, name) == (0, [socket.inet_aton(b.address)])
        assert a.call(how, name, AAAA) == (0, [socket.inet_pton(socket.AF_INET6, b.address6)])


@pytest.mark.parametrize("how", [lookup, lookup_by_stream])
def test_nameserver_denies_other_names(peer_network, how):
    a = peer_network()
    assert a.call(how, "example.org") == (NO_SUCH_NAME, [])


def test_nameserver_has_two_addresses(peer_network):
    a = peer_network()
    assert a.call(nameserver) == peer_network.nameserver.address == "10.77.255.254"
    answer = a.call(lookup, a.host, A, peer_network.nameserver.address6)
    assert answer == (0, [socket.inet_aton(a.address)])


def test_nameserver_knows_names_of_addresses(peer_network):
    a = peer_network()
    for address in (a.address, a.address6):
        pointer = reversed_name(address)
        assert a.call(lookup, pointer, PTR) == (0, [encoded(a.host)])
    assert a.call(lookup, "9.9.9.9.in-addr.arpa", PTR) == (NO_SUCH_NAME, [])


def reversed_name(address):
    import ipaddress

    return ipaddress.ip_address(address).reverse_pointer


def test_known_name_of_another_kind_is_empty(peer_network):
    a = peer_network()
    assert a.call(lookup, a.host, 15) == (0, [])


def test_name_of_no_host_is_an_error_at_once(peer_network):
    a = peer_network()
    with pytest.raises(socket.gaierror):
        a.call(socket.gethostbyname, "example.org")


def test_programs_of_a_peer_know_the_names(peer_network):
    a, b = peer_network.many(2)
    text = a.call(subprocess.check_output, ["getent", "hosts", b.host], text=True)
    assert b.address6 in text or b.address in text


def test_name_of_the_test_is_known(peer_network):
    a = peer_network()
    address = peer_network.origin.address
    assert a.call(socket.gethostbyname, "origin") == address
    assert a.call(lookup, "origin") == (0, [socket.inet_aton(address)])


def test_nameserver_is_subject_to_faults(peer_network):
    a, b = peer_network.many(2)
    with peer_network.cut(a, peer_network.nameserver) as cut:
        with pytest.raises(TimeoutError):
            a.call(lookup, b.host, limit=0.2)
        assert cut.hits
        assert a.call(socket.gethostbyname, b.host) == b.address  # by the file
        assert b.call(lookup, a.host) == (0, [socket.inet_aton(a.address)])
    assert a.call(lookup, b.host) == (0, [socket.inet_aton(b.address)])


def test_query_that_is_none_is_survived(peer_network):
    a = peer_network()
    a.call(send_rubbish)
    assert a.call(lookup, a.host) == (0, [socket.inet_aton(a.address)])


def send_rubbish():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in range(40):
            sock.sendto(b"\x3f" * size, (nameserver(), 53))
    with socket.create_connection((nameserver(), 53), LONG) as sock:
        sock.sendall(b"\xff\xff?")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"name": "a", "host": "ONE"}, "host: there is a host named 'ONE'"),
        ({"name": "a", "host": "first"}, "host: there is a host named 'first'"),
        ({"name": "ONE", "host": "b"}, "name: there is a host named 'ONE'"),
        ({"name": "origin", "host": "b"}, "name: 'origin' is a name"),
        ({"name": "a", "host": "Fabric"}, "host: 'Fabric' is a name"),
        ({"name": "a", "host": "10.77.0.9"}, "host: '10.77.0.9': expected"),
        ({"name": "a", "host": "0x10"}, "host: '0x10': resolvers"),
        ({"name": "a", "host": "a" * 64}, "host: 'a*': expected up to 63"),
        ({"name": "a", "host": ""}, "host: '': expected"),
    ],
)
def test_names_that_would_lead_elsewhere_are_refused(peer_network, options, why):
    peer_network(name="first", host="one")
    with pytest.raises(ValueError, match=why):
        peer_network(**options)


def test_number_is_the_name_of_a_peer_but_of_no_host(peer_network):
    peer = peer_network(name="1")
    assert peer.host == "peer-1"
    assert peer_network().call(socket.gethostbyname, "peer-1") == peer.address


def test_restart_is_on_the_same_host(peer_network):
    one, other = peer_network(name="one"), peer_network(name="other")
    with pytest.raises(ValueError, match="stays on its host, 'one'"):
        one.restart(host=other.host)
    assert one.restart(host="one").address == "10.77.0.1"
