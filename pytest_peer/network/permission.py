"""Whether this machine lets a test have network namespaces, and what to do where it does not."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import os
import sys

from ..launch import namespaces

_INSTALL = "peer_network needs pyroute2: pip install 'pytest-peer[network]'"
#: What forbids it, below ``/proc/sys``; the value that does; and how one allows it.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
    ("user/max_net_namespaces", "0", "sudo sysctl -w user.max_net_namespaces=10000"),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_CONTAINER = (
    "in a container start it with --security-opt seccomp=unconfined --security-opt "
    "apparmor=unconfined, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN"
)


def missing() -> str:
    """Say what has to be installed for a network; empty if nothing has."""
    return "" if importlib.util.find_spec("pyroute2") else _INSTALL


@functools.cache
def needs_user_namespace() -> bool:
    """Return whether network namespaces need a user namespace around them."""
    return _tried(user=False) is not None


@functools.cache
def refusal() -> str:
    """Say why there can be no network here, and the line that would allow it; empty if there can."""
    if sys.platform != "linux":
        return f"no network namespaces: {sys.platform} has none, only Linux"
    why = _tried(user=needs_user_namespace())
    if why is None:
        return ""
    number, what = why
    for file, forbidding, line in _SWITCHES:
        with contextlib.suppress(OSError), open(f"/proc/sys/{file}") as switch:
            if switch.read().strip() == forbidding:
                return f"no network namespaces: {what}; {line}"
    if number == errno.ENOSPC:
        return f"no network namespaces: {what}; {_SWITCHES[1][2]}"
    return f"no network namespaces: {what}; {_CONTAINER}"


def _tried(*, user: bool) -> tuple[int, str] | None:
    """Make namespaces and use them, in a process of its own; return what fails.

    A system may let a user have a namespace and refuse the rights in it, as AppArmor does: so a
    host name is set and the loopback is brought up, which need them.
    """
    # In a child: a process with many threads keeps its own namespaces.
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                namespaces.isolate(user)
                namespaces.bring_up("lo")
                text = ""
            except OSError as exc:
                text = f"{exc.errno or 0} {exc.strerror or exc!r}"
            except BaseException as exc:  # else no text would mean that all is well
                text = f"0 {exc!r}"
            os.write(writer, text.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    number, _, what = text.partition(" ")
    return (int(number), what) if text else None
