"""Addresses of peers: ``ws://host:port`` on loopback, ``wss://host:port`` elsewhere."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gossipbook.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer can be dialled, and whether over TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse ``ws://host:port`` or ``wss://host:port``; a bare ``host:port`` means TLS unless the host is loopback.

    Raises:
        ConfigError: saying what is wrong with it.
    """
    tls: bool | None = None
    for scheme, secure in (("ws://", False), ("wss://", True)):
        if text.startswith(scheme):
            tls = secure
    try:
        parts = urlsplit(text if tls is not None else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"address {text!r}: {error}") from None
    if not host or port is None or parts.path.strip("/") or parts.query:
        raise ConfigError(f"address {text!r}: expected host:port, ws://host:port or wss://host:port")
    if tls is None:
        tls = not is_loopback(host)
    if not tls and not is_loopback(host):
        raise ConfigError(f"address {text!r}: plain ws:// is for loopback only; use wss://")
    return Address(host, port, tls)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_host_port(text: str) -> tuple[str, int]:
    """``host:port`` for UDP and listening sockets; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"{text!r}: expected host:port")
    return host, int(port)
