"""The process at the other end of multiprocessing's pipes, which calls the functions it gets."""

import os
import sys
import threading


def serve(connections, output=None):
    """Serve each connection on a thread of its own, until the other end closes it.

    :param output: a connection that becomes standard output.
    """
    if output is not None:
        os.dup2(output.fileno(), 1)
        # Line-buffered as in a peer, where a crash must not lose the last lines.
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    for connection in connections[1:]:
        threading.Thread(target=_serve_one, args=(connection,), daemon=True).start()
    _serve_one(connections[0])


def _serve_one(connection):
    try:
        while True:
            function, arguments = connection.recv()
            connection.send(function(*arguments))
    except EOFError:
        pass
