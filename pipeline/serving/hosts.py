"""Which names of this server a request may call it by.

A page of another site can let its own name lead to 127.0.0.1, and its scripts would then be this server's to a browser
(DNS rebinding); the name that it must give in the header Host tells.
"""

import ipaddress
from collections.abc import Iterable

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


def allowed(host: str, bound: str) -> frozenset[str] | None:
    """The names for a server that was told to listen at ``host``, which is the address ``bound``.

    None where it listens to other machines, which may use any.
    """
    address = ipaddress.ip_address(bound.partition("%")[0])
    mapped = address.ipv4_mapped if address.version == 6 else None
    is_local = address.is_loopback or (mapped is not None and mapped.is_loopback)
    return _LOCAL | {host.lower(), _bracketed(address)} if is_local else None


def is_allowed(headers: Iterable[tuple[bytes, bytes]], names: frozenset[str] | None) -> bool:
    """Whether every Host of a request is one of the names, with or without a port."""
    if names is None:
        return True
    return all(_without_port(value.decode("latin-1").lower()) in names for name, value in headers if name == b"host")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _bracketed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
