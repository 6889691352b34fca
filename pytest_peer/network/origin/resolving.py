"""Names and addresses as a host of the network resolves them, for code in this process."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable, Iterable
from typing import Any

from ..addresses import Host
from ..names import addressed, named

#: Lead to where they lead on any host.
_LOCAL = ("localhost", "ip6-localhost", "ip6-loopback", "<broadcast>")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)

_getaddrinfo = _socket.getaddrinfo
_gethostbyname = _socket.gethostbyname
_gethostbyname_ex = _socket.gethostbyname_ex
_gethostbyaddr = _socket.gethostbyaddr


class Names:
    """The functions of `socket` for names, as they are on one host of a network."""

    def __init__(self, host: Host, hosts: Callable[[], Iterable[Host]]) -> None:
        self._host = host
        self._hosts = hosts

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        known = self._known(host)
        if known is None:
            return _getaddrinfo(host, port, family, type, proto, flags)
        # What is configured on the machine is nothing to a host, which has both families.
        ours = flags & ~(socket.AI_ADDRCONFIG | socket.AI_CANONNAME) | socket.AI_NUMERICHOST
        found: list[Any] = []
        for each, address in zip(_FAMILIES, (known.address, known.address6), strict=True):
            if family in (0, each):
                found += _getaddrinfo(address, port, each, type, proto, ours)
        if not found:
            raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
        if flags & socket.AI_CANONNAME:
            found[0] = (*found[0][:3], known.name, found[0][4])
        return found

    def gethostbyname(self, hostname: str) -> str:
        known = self._known(hostname)
        return _gethostbyname(hostname) if known is None else known.address

    def gethostbyname_ex(self, hostname: str) -> tuple[str, list[str], list[str]]:
        known = self._known(hostname)
        if known is None:
            return _gethostbyname_ex(hostname)
        return known.name, list(known.aliases), [known.address]

    def gethostbyaddr(self, ip_address: str) -> tuple[str, list[str], list[str]]:
        if ip_address in _LOCAL or ip_address.startswith("127.") or ip_address == "::1":
            return _gethostbyaddr(ip_address)
        known = addressed(ip_address, self._hosts()) or named(ip_address, self._hosts())
        if known is None:
            raise socket.herror(1, "Unknown host")
        address = known.address6 if ":" in ip_address else known.address
        return known.name, list(known.aliases), [address]

    def gethostname(self) -> str:
        return self._host.name

    def translated(self, address: Any, family: int) -> Any:
        """Return an address for a socket of this family, with a number instead of a name."""
        if family not in _FAMILIES or not isinstance(address, tuple) or not address:
            return address
        known = self._known(address[0])
        if known is None:
            return address
        found = known.address if family == socket.AF_INET else known.address6
        return (found, *address[1:])

    def _known(self, name: Any) -> Host | None:
        """Return the host of that name; ``None`` for what is no name, or means the same anywhere.

        :raises socket.gaierror: there is no such name in the network.
        """
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        if not text or not isinstance(text, str):
            return None
        if (found := named(text, self._hosts())) is not None:
            return found
        if text.lower() not in _LOCAL and not _is_number(text):
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {text!r}")
        return None


class HostSocket(socket.socket):
    """A socket of a host; its addresses can be the names of the network, from any thread."""

    #: Set where it is made.
    names: Names

    def connect(self, address: Any, /) -> None:
        super().connect(self.names.translated(address, self.family))

    def connect_ex(self, address: Any, /) -> int:
        return super().connect_ex(self.names.translated(address, self.family))

    def bind(self, address: Any, /) -> None:
        super().bind(self.names.translated(address, self.family))

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        *flags, address = flags_and_address
        send: Callable[..., int] = super().sendto
        return send(data, *flags, self.names.translated(address, self.family))

    def dup(self) -> HostSocket:
        found = super().dup()
        found.names = self.names
        return found


def _is_number(text: str) -> bool:
    try:
        _getaddrinfo(text, None, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return False
    return True
