"""Names of peers: made, checked, and claimed by living peers.

A name becomes part of a file name, of a command line and of a host name. So it has few different
characters and a limited length.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
import threading

from .errors import NameInUse

__tracebackhide__ = True

#: A host name label's limit; file systems allow more.
MAX_LENGTH = 63
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")
_VALID = re.compile(r"[A-Za-z0-9_.-]+")

_counter = itertools.count(1)
_alive: set[str] = set()
_alive_lock = threading.Lock()


def random_name(prefix: str = "peer") -> str:
    """Return ``<prefix>-<n>-<pid>``, a name that no other call in this process returns.

    Erlang's original is ``peer:random_name/1``.

    :param prefix: default ``"peer"``. Characters outside ``[A-Za-z0-9_.-]`` become ``_``, and a
        long prefix is shortened in the middle.
    """
    tail = f"-{next(_counter)}-{os.getpid()}"
    return shortened(_FOREIGN.sub("_", prefix).strip("_") or "peer", MAX_LENGTH - len(tail)) + tail


def shortened(text: str, limit: int) -> str:
    """Shorten `text` to `limit` characters.

    A hash replaces the middle, so that different texts stay different.
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    kept = limit - len(digest) - 2
    head = (kept + 1) // 2
    return f"{text[:head]}-{digest}-{text[len(text) - (kept - head) :]}"


def checked(name: object) -> str:
    """Return `name` if it can be a peer's name.

    :raises TypeError: it is not a ``str``.
    :raises ValueError: it is empty, too long, or has a character outside ``[A-Za-z0-9_.-]``.
    """
    if not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {name!r}")
    if not _VALID.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"name: only letters, digits and any of '_.-' are allowed, got {name!r}")
    if len(name) > MAX_LENGTH:
        raise ValueError(
            f"name: at most {MAX_LENGTH} characters are allowed, got {len(name)}: {name!r}"
        )
    return name


def claim(name: str) -> None:
    """Take `name` for a peer of this process.

    :raises NameInUse: a peer of that name is alive.
    """
    with _alive_lock:
        if name in _alive:
            raise NameInUse(
                f"a peer named {name!r} is alive already; stop it first, or choose another name"
            )
        _alive.add(name)


def release(name: str) -> None:
    """Make the name of a peer that is down available again."""
    with _alive_lock:
        _alive.discard(name)


def forget() -> None:
    """Forget all names, in a forked child: the peers are the parent's."""
    global _alive_lock
    _alive_lock = threading.Lock()  # another thread may have held it during the fork
    _alive.clear()


def short_host() -> str:
    """Return this host's name up to the first dot."""
    return socket.gethostname().partition(".")[0] or "localhost"


def full_host() -> str:
    """Return this host's fully qualified name, as Erlang's ``longnames`` uses it."""
    return socket.getfqdn()
