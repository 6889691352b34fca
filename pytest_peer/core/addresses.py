"""The option ``connection``: how the control link of a peer is made; pure.

The peer inherits pipes, or the origin listens at an address and the peer connects to it by TCP.
"""

import ipaddress
import re
from typing import TypeAlias

#: Pipes. Erlang's word, where they are stdin and stdout.
STDIO = "stdio"
#: A bare port listens here, where no other machine can connect.
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
#: An IP address, and a port or 0 for any.
Address: TypeAlias = tuple[str, int]
Connection: TypeAlias = str | Address

_FORMS = "'stdio', a port, or (ip, port)"
_TEXT = re.compile(r"(?:(?:\[(?P<v6>[^\[\]]*)\]|(?P<v4>[^:\[\]]*)):)?(?P<port>[0-9]+)")


def connection(value: object) -> Connection:
    """Check a value of the option ``connection``; return an address for a bare port.

    :raises TypeError: a value of another type.
    :raises ValueError: an address that does not exist or that a peer cannot connect to.
    """
    if isinstance(value, str):
        if value != STDIO:
            raise ValueError(f"connection: expected {_FORMS}, got {value!r}")
        return value
    if isinstance(value, tuple | list):
        if len(value) != 2 or not isinstance(value[0], str):
            raise TypeError(f"connection: expected (ip, port), got {value!r}")
        return _ip(value[0], value), _port(value[1], value)
    return LOOPBACK, _port(value, value)


def connection_of_text(text: str) -> Connection:
    """Parse ``stdio``, ``4711``, ``10.0.0.1:4711`` or ``[fe80::1]:4711``.

    :raises ValueError: the text has none of these forms.
    """
    text = text.strip()
    if text == STDIO:
        return text
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("expected 'stdio', PORT, IP:PORT or [IPV6]:PORT")
    port = int(match["port"])
    ip = match["v6"] if match["v6"] is not None else match["v4"]
    return connection(port if ip is None else (ip, port))


def _port(port: object, value: object) -> int:
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"connection: expected {_FORMS}, got {value!r}")
    if not 0 <= port <= HIGHEST_PORT:
        raise ValueError(
            f"connection: a port is a number from 0 (any) to {HIGHEST_PORT}, got {value!r}"
        )
    return port


def _ip(text: str, value: object) -> str:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"connection: not an IP address: {text!r} in {value!r}") from None
    if ip.is_unspecified or ip.is_multicast:
        raise ValueError(
            f"connection: a peer cannot connect to {text!r} in {value!r}; give one address"
        )
    return str(ip)
