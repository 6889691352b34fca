"""The code under test: shops that find each other by multicast DNS, with zeroconf."""

from __future__ import annotations

import socket

from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

TYPE = "_shop._tcp.local."

zeroconf: Zeroconf
browser: ServiceBrowser
addresses: dict[str, list[str]] = {}  # of the shops that are seen, by their names


def open_shop(name: str) -> None:
    """Offer the service, as soon as its name is known to be free."""
    host = socket.gethostname()
    address = socket.inet_aton(socket.gethostbyname(host))
    service = ServiceInfo(
        TYPE, f"{name}.{TYPE}", port=80, addresses=[address], server=f"{host}.local."
    )
    started().register_service(service)


def close_shop() -> None:
    zeroconf.unregister_all_services()


def look_around() -> None:
    """Watch which services there are; `seen` has them."""
    global browser
    browser = ServiceBrowser(started(), TYPE, handlers=[note])


def started() -> Zeroconf:
    global zeroconf
    zeroconf = Zeroconf(ip_version=IPVersion.V4Only)
    return zeroconf


def note(
    zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
) -> None:
    shop = name.removesuffix(f".{TYPE}")
    if state_change is ServiceStateChange.Removed:
        addresses.pop(shop, None)
    elif service := zeroconf.get_service_info(service_type, name):
        addresses[shop] = service.parsed_addresses()


def seen() -> dict[str, list[str]]:
    return addresses
