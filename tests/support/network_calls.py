"""What peers do in a network."""

from __future__ import annotations

import socket
import time

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


def seconds_to_connect(host, port=80):
    begun = time.monotonic()
    with socket.create_connection((host, port), LONG):
        return time.monotonic() - begun


def start_server(peer, port=80):
    peer.cast(serve, port)
    peer.stdout.expect("listening")


def collect_datagrams(port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))
        print("bound", flush=True)
        while True:
            print(sock.recv(2000).decode(), flush=True)


def send_datagram(host, payload, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, (host, port))


def send_datagrams(host, payloads, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for payload in payloads:
            sock.sendto(payload, (host, port))
