"""Connections are reset as by the other end, idle ones too, and new ones are not."""

from __future__ import annotations

import errno
import select
import socket

import pytest
from network_calls import LONG, ask, start_server

_kept = []


def accept(port, family=socket.AF_INET6):
    """Accept connections, and wait for the end of the first."""
    with socket.create_server(
        ("", port), family=family, dualstack_ipv6=family == socket.AF_INET6
    ) as server:
        print("listening", flush=True)
        client, _ = server.accept()
        with client:
            print("accepted", flush=True)
            return what_happens(client)


def what_happens(sock):
    sock.settimeout(LONG)
    try:
        return sock.recv(100)
    except OSError as exc:
        return exc.errno


def connect(host, port=80):
    _kept.append(socket.create_connection((host, port), LONG))


def end():
    return what_happens(_kept[-1])


def read_nothing(port):
    """Accept a connection, and let the other's data fill the buffers."""
    with socket.create_server(("", port)) as server:
        print("listening", flush=True)
        client, _ = server.accept()
        with client:
            poll = select.poll()
            poll.register(client, 0)  # errors only
            assert poll.poll(LONG * 1000)
            return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def flood(host, port=80):
    with socket.create_connection((host, port), LONG) as sock:
        print("connected", flush=True)
        try:
            while True:
                sock.sendall(bytes(100_000))
        except OSError as exc:
            return exc.errno


@pytest.mark.parametrize("address", ["address", "address6"])
def test_both_ends_of_an_idle_connection_are_reset(peer_network, address):
    a, b = peer_network.many(2)
    served = b.submit(accept, 80)
    b.stdout.wait_for("listening")
    a.call(connect, getattr(b, address))
    b.stdout.wait_for("accepted")
    fault = peer_network.abort(a, b)
    assert (a.call(end), served.result(LONG)) == (errno.ECONNRESET, errno.ECONNRESET)
    assert fault.hits == 1


def test_connection_in_full_use_is_reset(peer_network):
    a, b = peer_network.many(2)
    served = b.submit(read_nothing, 80)
    b.stdout.wait_for("listening")
    flooding = a.submit(flood, b.host)
    a.stdout.wait_for("connected")
    peer_network.abort(a, b)
    assert flooding.result(LONG) in (errno.ECONNRESET, errno.EPIPE)
    assert served.result(LONG) == errno.ECONNRESET


def test_connection_is_reset_behind_a_cut(peer_network):
    a, b = peer_network.many(2)
    served = b.submit(accept, 80)
    b.stdout.wait_for("listening")
    a.call(connect, b.host)
    b.stdout.wait_for("accepted")
    with peer_network.partition([a], [b], expect_hits=False):
        peer_network.abort(b, a)
        assert (a.call(end), served.result(LONG)) == (errno.ECONNRESET, errno.ECONNRESET)


def test_connections_of_others_stay(peer_network):
    a, b, c = peer_network.many(3)
    served = c.submit(accept, 80)
    c.stdout.wait_for("listening")
    b.call(connect, c.host)
    c.stdout.wait_for("accepted")
    assert peer_network.abort(a, c, expect_hits=False).hits == 0
    b.call(lambda: _kept[-1].sendall(b"still here"))
    assert served.result(LONG) == b"still here"


def test_new_connections_are_made_after_an_abort(peer_network):
    a, b = peer_network.many(2)
    b.submit(accept, 81)
    b.stdout.expect("listening")
    a.call(connect, b.host, 81)
    b.stdout.expect("accepted")
    peer_network.abort(a, b)
    start_server(b)
    assert a.call(ask, b.host) == b.host


def connect_often(host, count):
    _kept.extend(socket.create_connection((host, 80), LONG) for _ in range(count))


def errors():
    return [what_happens(sock) for sock in _kept]


def accept_often(count):
    with socket.create_server(("", 80), backlog=count) as server:
        print("listening", flush=True)
        clients = [server.accept()[0] for _ in range(count)]
        print("accepted", flush=True)
        found = [what_happens(client) for client in clients]
        for client in clients:
            client.close()
        return found


def test_many_connections_are_reset(peer_network):
    a, b = peer_network.many(2)
    served = b.submit(accept_often, 50)
    b.stdout.wait_for("listening")
    a.call(connect_often, b.host, 50)
    b.stdout.wait_for("accepted")
    fault = peer_network.abort(a, b)
    assert fault.hits == 50
    assert a.call(errors) == served.result(LONG) == [errno.ECONNRESET] * 50


def test_nothing_to_reset_fails_the_test(inner):
    inner.write(
        """
def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    peer_network.abort(a, b)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*FaultNotEffective: abort between db-0 and db-1 touched no connection*",
            "* abort between db-0 and db-1: no connection hit",
        ]
    )
