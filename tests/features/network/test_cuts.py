"""Nothing passes where the network is cut, and everything where it is healed."""

from __future__ import annotations

import socket

LONG = 30.0


def serve(port):
    with socket.create_server(("", port)) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            client.sendall(socket.gethostname().encode())
            client.close()


def ask(host, port=80, limit=LONG):
    with socket.create_connection((host, port), limit) as client:
        return client.recv(100).decode()


def start_server(peer, port=80):
    peer.cast(serve, port)
    peer.stdout.wait_for("listening")


def test_hosts_reach_each_other_by_name(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    assert a.call(ask, b.host) == b.host
    assert a.call(ask, b.name) == b.host


def test_cut_is_one_way(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    start_server(a)
    with peer_network.partition([a], [b]) as cut:
        failed = a.submit(ask, b.host, 80, 0.2)
        assert isinstance(failed.exception(LONG), TimeoutError)
        assert cut.hits
    assert a.call(ask, b.host) == b.host
