"""The far end of multiprocessing's pipes: a process that calls what it is told to."""

import os
import sys
import threading


def serve(connections, output=None):
    """Serve each connection on a thread of its own, until it is closed at the other end.

    :param output: a connection that becomes standard output.
    """
    if output is not None:
        os.dup2(output.fileno(), 1)
        # Each line is written when it ends, as in a peer: otherwise a crash would lose the last ones.
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
